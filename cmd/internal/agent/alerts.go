package agent

import (
	"errors"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/throttle"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/match"
	"github.com/flowhound/flowhound/plugin/hit"
)

const (
	// alertQueue is how many matches may wait: 256 bytes each, and the alert
	// goroutine takes several hundred thousand a second.
	alertQueue = 8192
	// snapshotEvery bounds what kill -9 loses of held counts.
	snapshotEvery = 10 * time.Second
)

// alerts is the goroutine that judges matches, folds them and hands hits to the
// log. Only it touches the table.
type alerts struct {
	agent   *Agent
	queue   chan match.Raw
	options chan throttle.Options // of a reload
	table   *throttle.Table
	stats   atomic.Pointer[throttle.Stats] // as of the last second
	turned  atomic.Int64                   // Unix seconds: when the goroutine last looked at the clock
	done    chan struct{}                  // nil: not started
}

// newAlerts restores the fold state. A state that cannot be read is said and
// costs only what it held.
func newAlerts(a *Agent, cfg *config.Config) *alerts {
	al := &alerts{agent: a, queue: make(chan match.Raw, alertQueue), options: make(chan throttle.Options)}
	al.table = throttle.New(throttleOptions(cfg), func(h *hit.Hit) {
		a.metrics.countHit(h)
		a.outputs.put(h) // in the spools before its line is in the log
		a.file.hit(h)
	})
	if err := al.table.Restore(filepath.Join(cfg.DataDir, "folds"), time.Now()); err != nil {
		a.log.Warn("fold state", "err", err)
	}
	al.publish()
	return al
}

func throttleOptions(cfg *config.Config) throttle.Options {
	return throttle.Options{
		Window:      cfg.Alert.Window,
		MaxWindow:   cfg.Alert.MaxWindow,
		MaxKeys:     cfg.Alert.MaxKeys,
		MinSeverity: cfg.Alert.MinSeverity,
	}
}

func (al *alerts) start() {
	al.done = make(chan struct{})
	al.turned.Store(time.Now().Unix())
	go al.run()
}

func (al *alerts) run() {
	defer close(al.done)
	tick := time.NewTicker(250 * time.Millisecond) // lines are due 2 s after their first record
	defer tick.Stop()
	snapshot := time.NewTicker(snapshotEvery)
	defer snapshot.Stop()
	for {
		select {
		case m, ok := <-al.queue:
			if !ok {
				al.table.Flush(time.Now())
				return
			}
			al.add(&m)
		case now := <-tick.C:
			al.turned.Store(now.Unix())
			al.table.Advance(now)
			al.drainOverflow()
			al.publish()
		case <-snapshot.C:
			if err := al.table.Snapshot(); err != nil {
				al.agent.log.Warn("fold state cannot be saved; a crash now would repeat lines", "err", err)
			}
		case o := <-al.options:
			al.table.Configure(o)
		}
	}
}

// stuckAfter is how long the goroutine may be about one thing: far longer than a
// disk that hangs makes it.
const stuckAfter = 30

// turns reports whether the goroutine goes round.
func (al *alerts) turns(now time.Time) bool { return now.Unix()-al.turned.Load() < stuckAfter }

func (al *alerts) add(m *match.Raw) {
	if event, ok := al.agent.stage.State().Policy.Classify(m, time.Unix(0, m.Record.Received)); ok {
		al.table.Add(&event)
	}
}

// drainOverflow takes what the workers could not queue.
func (al *alerts) drainOverflow() {
	for _, w := range al.agent.intakes {
		w.mu.Lock()
		w.overflow.Drain(func(m *match.Raw) bool {
			al.add(m)
			return true
		})
		w.mu.Unlock()
	}
}

func (al *alerts) publish() {
	s := al.table.Stats()
	al.stats.Store(&s)
}

// lost counts the matches that neither the queue nor the overflow had room for.
func (al *alerts) lost() (n uint64) {
	for _, w := range al.agent.intakes {
		w.mu.Lock()
		n += w.overflow.Lost()
		w.mu.Unlock()
	}
	return n
}

// configure takes over the alert settings of a reload.
func (al *alerts) configure(cfg *config.Config) { al.options <- throttleOptions(cfg) }

// stop says all that is held and saves the state. The workers must have ended.
func (al *alerts) stop() error {
	if al.done != nil {
		close(al.queue)
		<-al.done
	}
	al.drainOverflow()
	al.table.Flush(time.Now())
	al.publish()
	if err := al.table.Close(); err != nil {
		return errors.Join(errors.New("the fold state could not be saved: lines may repeat after the next start"), err)
	}
	return nil
}
