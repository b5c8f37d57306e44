package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/stage"
)

const (
	watchEvery = 5 * time.Second
	aliveEvery = 24 * time.Hour // a log that is quiet for longer means that nobody listens

	// transitSample is how many datagrams it takes to judge networks.local, and
	// transitShare the share of transit, in percent, above which it must be wrong.
	transitSample = 1000
	transitShare  = 50
)

// watch says every few seconds what a person must know of the exporters and of
// the agent itself, until ctx ends.
func (a *Agent) watch(ctx context.Context) {
	exporters := newCollectors()
	var lost trouble
	muted := mutes{}
	alive, transitSaid := a.started, false
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		var now time.Time
		select {
		case <-ctx.Done():
			return
		case now = <-tick.C:
		}
		if a.alerts.turns(now) { // else the service manager had better start anew
			a.options.Notify("WATCHDOG=1")
		}
		for _, s := range exporters.look(now, exportersOf(a.decoderStats()), a.kernelDrops()) {
			a.file.status(&s)
		}
		if n := lost.moved(a.alerts.lost(), now); n > 0 {
			a.say("dropping", fmt.Sprintf("%d matching flows lost: more conversations hit at once than could be judged", n))
		}
		for _, msg := range muted.ended(a.stage.State().Policy.Mutes(), now) {
			a.say("error", msg)
		}
		if c := a.counts(); !transitSaid && mostlyTransit(c.Sampled, c.Transit) {
			transitSaid = true
			a.say("error", fmt.Sprintf("%d%% of flows have neither side in networks.local: add your public addresses and IPv6 prefixes there, or directions and severities are wrong",
				c.Transit*100/c.Sampled))
		}
		if now.Sub(alive) >= aliveEvery {
			alive = now
			a.say("alive", a.summary())
		}
	}
}

// mostlyTransit reports whether so many flows have neither side in the own
// networks that networks.local must lack some.
func mostlyTransit(sampled, transit uint64) bool {
	return sampled >= transitSample && transit*100 >= sampled*transitShare
}

// counts returns what all workers have done.
func (a *Agent) counts() (c stage.Counts) {
	for _, w := range a.stage.Workers() {
		c.Add(w.Counts())
	}
	return c
}

// summary says what the agent has done since it started.
func (a *Agent) summary() string {
	var flows uint64
	for _, d := range a.decoderStats() {
		flows += sum(d.Total.Records)
	}
	return fmt.Sprintf("%s up, %d flows, %d lines of hits, %d indicators",
		time.Since(a.started).Round(time.Second), flows, a.alerts.stats.Load().Lines, a.stage.State().Set.Len())
}
