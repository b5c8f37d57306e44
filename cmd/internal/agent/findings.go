package agent

import (
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/plugin/text"
)

// part is one that says how it is.
type part struct {
	name string
	find func(*finding.List)
}

// findings is how the running agent is and what comes in, for doctor.
func (a *Agent) findings() finding.List {
	var l finding.List
	l.OK("the agent runs: version %s, %s", a.options.Version, a.summary())
	for _, p := range []part{
		{"exporters", a.exporters.Findings}, {"stage", a.stage.Findings}, {"listen", a.sockets.Findings}, {"history", a.history.Findings},
	} {
		l.Of(p.name, p.find)
	}
	return append(l, a.ofParts()...)
}

// health is how the agent itself is, for /healthz.
func (a *Agent) health() finding.List {
	l := a.ofParts()
	l.Of("history", a.history.Health)
	return l
}

// parts are those that look at no files to say how they are.
func (a *Agent) parts() []part {
	all := []part{
		{"agent", a.ofAgent}, {"feeds", a.feeds.Findings}, {"dnsbl", a.dnsbl.Findings}, {"exports", a.exports.Findings},
		{"templates", a.templates.Findings}, {"geo", a.geo.Findings}, {"hosts", a.hosts.Findings}, {"hunt", a.hunter.Findings},
		{"outputs", a.outputs.Findings}, {"journal", a.journal.Findings}, {"alert", a.emit.Findings}, {"log", a.file.Findings},
	}
	if a.series != nil {
		all = append(all, part{"series", a.series.Findings})
	}
	return all
}

// partNames are the parts that health speaks of.
func (a *Agent) partNames() []string {
	names := []string{"history"}
	for _, p := range a.parts() {
		names = append(names, p.name)
	}
	return names
}

// ofParts is what parts find.
func (a *Agent) ofParts() (l finding.List) {
	for _, p := range a.parts() {
		l.Of(p.name, p.find)
	}
	return l
}

// ofAgent is what concerns no part alone.
func (a *Agent) ofAgent(l *finding.List) {
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
}
