package agent

import (
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/plugin/text"
)

// findings is how the running agent is, for doctor.
func (a *Agent) findings() finding.List {
	var l finding.List
	l.OK("the agent runs: version %s, %s", a.options.Version, a.summary())
	if why := a.refused.Load(); why != nil {
		l.Bad("flowhound check -c "+a.options.ConfigPath, "%s", *why)
	}
	a.exporters.Findings(&l)
	a.templates.Findings(&l)
	a.stage.Findings(&l)
	a.geo.Findings(&l)
	a.hosts.Findings(&l)
	a.findFeeds(&l)
	a.sockets.Findings(&l)
	a.outputs.Findings(&l)
	a.history.Findings(&l)
	a.hunter.Findings(&l)
	return append(l, a.findAlerts()...)
}

func (a *Agent) findFeeds(l *finding.List) {
	if n := a.stage.State().Set.Len(); n == 0 {
		l.Bad("flowhound feed list", "no indicators are loaded: nothing can match")
	} else {
		l.OK("%s loaded", text.Count(n, "indicator is", "indicators are"))
	}
	a.feeds.Findings(l)
	a.dnsbl.Findings(l)
	a.exports.Findings(l)
}
