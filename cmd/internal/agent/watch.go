package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/plugin/text"
)

const (
	watchEvery = 5 * time.Second
	aliveEvery = 24 * time.Hour // a log that is quiet for longer means that nobody listens
)

// watch says every few seconds what a person must know of the agent itself, until
// ctx ends.
func (a *Agent) watch(ctx context.Context) {
	var lost finding.Moves
	muted := alert.Ended{}
	alive, transitSaid := a.started, false
	memory := a.started.Add(settledAfter - memoryEvery)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		var now time.Time
		select {
		case <-ctx.Done():
			return
		case now = <-tick.C:
		}
		if a.emit.Alive(now) { // else the service manager had better start anew
			a.options.Notify("WATCHDOG=1")
		}
		if n := lost.Since(a.emit.Lost(), now); n > 0 {
			a.reportAgent("dropping", fmt.Sprintf("%d matching flows lost: more conversations matched at once than could be processed", n))
		}
		for _, msg := range muted.News(a.stage.State().Policy.Mutes(), now) {
			a.reportAgent("error", msg)
		}
		if msg := a.stage.MostlyTransit(); msg != "" && !transitSaid {
			transitSaid = true
			a.reportAgent("error", msg)
		}
		if now.Sub(memory) >= memoryEvery {
			memory = now
			returnMemory()
		}
		if now.Sub(alive) >= aliveEvery {
			alive = now
			a.reportAgent("alive", a.summary())
		}
	}
}

// summary says what the agent has done since it started.
func (a *Agent) summary() string {
	var flows uint64
	for _, d := range a.stage.Stats() {
		flows += d.Total.Records.Sum()
	}
	return fmt.Sprintf("%s up, %s, %s, %s",
		time.Since(a.started).Round(time.Second), text.Count(flows, "flow", "flows"), text.Count(a.emit.Lines(), "alert line", "alert lines"), text.Count(a.stage.State().Set.Len(), "indicator", "indicators"))
}
