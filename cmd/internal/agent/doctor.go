package agent

import (
	"context"

	"github.com/flowhound/flowhound/cmd/internal/alert/output"
	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/cmd/internal/finding"
)

// DoctorPath is where the control socket answers with the agent's findings, one
// value each.
const DoctorPath = "/doctor"

func (a *Agent) doctor(_ context.Context, r *control.Request) error {
	for _, f := range a.findings() {
		if err := r.Send(f); err != nil {
			return err
		}
	}
	return nil
}

// findings is how the running agent is, for doctor.
func (a *Agent) findings() finding.List {
	var l finding.List
	l.OK("the agent runs: version %s, %s", a.options.Version, a.summary())
	a.exporters.Findings(&l)
	a.stage.Findings(&l)
	a.findFeeds(&l)
	a.sockets.Findings(&l)
	a.findOutputs(&l)
	if a.file.Load().Stats().Failing {
		l.Bad("df -h; ls -l "+a.config.Load().Log.Path, "the alert log cannot be written")
	}
	return l
}

// findOutputs says which outputs deliver and what became of hits that they did not.
func (a *Agent) findOutputs(l *finding.List) {
	fine := 0
	for _, o := range a.outputs.states() {
		tryIt := "flowhound output list; flowhound output test " + o.Name
		switch o.Status {
		case output.OK:
			fine++
		case output.Trying:
			l.Warn(tryIt, "output %s does not deliver at the moment: %s; %d hits wait", o.Name, o.Problem, o.Depth)
		case output.Dropping:
			l.Bad(tryIt, "output %s gives up hits: %s; %d are lost and %d dead letters since the start", o.Name, o.Problem, o.Dropped, o.Dead)
		default:
			l.Bad(tryIt, "output %s is %s: %s; %d hits wait, %d are lost", o.Name, o.Status, o.Problem, o.Depth, o.Dropped)
		}
		dir := spoolDir(a.config.Load(), o.Name)
		if n := output.Letters(dir); n > 0 {
			l.Warn("see why in "+dir+", then: flowhound output replay-dead "+o.Name,
				"output %s has %d dead letters: hits that its target refused, or could not take for too long", o.Name, n)
		}
	}
	if fine > 0 {
		l.OK("%d outputs deliver", fine)
	}
}

func (a *Agent) findFeeds(l *finding.List) {
	if n := a.stage.State().Set.Len(); n == 0 {
		l.Bad("flowhound feed list", "no indicators are loaded: nothing can match")
	} else {
		l.OK("%d indicators are loaded", n)
	}
	a.feeds.Findings(l)
	a.dnsbl.Findings(l)
	a.exports.Findings(l)
}
