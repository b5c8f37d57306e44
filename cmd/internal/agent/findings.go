package agent

import (
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/plugin/text"
)

// findings is how the running agent is and what comes in, for doctor.
func (a *Agent) findings() finding.List {
	var l finding.List
	l.OK("the agent runs: version %s, %s", a.options.Version, a.summary())
	a.exporters.Findings(&l)
	a.stage.Findings(&l)
	a.sockets.Findings(&l)
	a.history.Findings(&l)
	return append(l, a.parts()...)
}

// health is how the agent itself is, for /healthz.
func (a *Agent) health() finding.List {
	l := a.parts()
	a.history.Health(&l)
	return l
}

// parts is how those parts are that look at no files to say so.
func (a *Agent) parts() (l finding.List) {
	if why := a.rejected.Load(); why != nil {
		l.Bad("flowhound check -c "+a.options.ConfigPath, "%s", *why)
	}
	if a.noControl != "" {
		l.Bad("ls -ld "+a.config.Load().RunDir, "%s", a.noControl)
	}
	if n := a.stage.State().Set.Len(); n == 0 {
		l.Bad("flowhound feed list", "no indicators are loaded: nothing can match")
	} else {
		l.OK("%s loaded", text.Count(n, "indicator is", "indicators are"))
	}
	a.feeds.Findings(&l)
	a.dnsbl.Findings(&l)
	a.exports.Findings(&l)
	a.templates.Findings(&l)
	a.geo.Findings(&l)
	a.hosts.Findings(&l)
	a.hunter.Findings(&l)
	a.outputs.Findings(&l)
	a.journal.Findings(&l)
	a.emit.Findings(&l)
	a.file.Findings(&l)
	if a.series != nil {
		a.series.Findings(&l)
	}
	return l
}
