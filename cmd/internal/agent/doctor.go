package agent

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/output"
	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/stage"
)

const (
	// DoctorPath is where the control socket answers with the agent's findings, one
	// value each.
	DoctorPath = "/doctor"

	lateAfter = stage.LateAfter * time.Nanosecond
	lateShare = 10 // percent of sampled flows
)

func (a *Agent) doctor(_ context.Context, r *control.Request) error {
	for _, f := range a.findings(time.Now()) {
		if err := r.Send(f); err != nil {
			return err
		}
	}
	return nil
}

// findings is how the running agent is, for doctor.
func (a *Agent) findings(now time.Time) finding.List {
	var l finding.List
	l.OK("the agent runs: version %s, %s", a.options.Version, a.summary())
	a.findExporters(&l, now)
	a.findFeeds(&l)
	if n := a.kernelDrops(); n > 0 {
		l.Bad("sysctl -w net.core.rmem_max=67108864, then restart flowhound", "this host's kernel has dropped %d datagrams: the socket buffers were full", n)
	}
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

// findExporters says who sends, and what is amiss with what comes.
func (a *Agent) findExporters(l *finding.List, now time.Time) {
	exporters := exportersOf(a.decoderStats())
	if len(exporters) == 0 {
		ports := make([]string, len(a.listeners))
		for i, x := range a.listeners {
			ports[i] = fmt.Sprintf("udp port %d", x.Addr().Port())
		}
		l.Bad("point a router at this host, then: tcpdump -ni any "+strings.Join(ports, " or "), "no exporter has sent anything since the agent started, on %s", a.addresses())
		return
	}
	silent, unread, example := 0, uint64(0), ""
	for _, s := range exporters {
		if now.Sub(s.LastSeen) > silentAfter {
			silent++
			example = s.Exporter.String()
		}
		unread += s.HeldDropped
	}
	l.OK("%d exporters were heard", len(exporters))
	if silent > 0 {
		l.Warn("look whether they are up and still export to this host", "%d exporters are silent, %s among them", silent, example)
	}
	if unread > 0 {
		l.Warn("let exporters send their templates every minute", "%d sets of flows could not be read: their templates had not come", unread)
	}
	counts := a.counts()
	sampled, transit, lateFlows := counts.Sampled, counts.Transit, counts.Late
	if sampled >= transitSample && lateFlows*100 >= sampled*lateShare {
		l.Warn("set the exporters' active timeout to 60 seconds, and their clocks", "%d%% of flows come more than %s after they began: warnings come that late", lateFlows*100/sampled, lateAfter)
	}
	if mostlyTransit(sampled, transit) {
		l.Warn("add your public addresses and IPv6 prefixes to networks.local", "%d%% of flows have neither side in networks.local: directions and severities are wrong", transit*100/sampled)
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
