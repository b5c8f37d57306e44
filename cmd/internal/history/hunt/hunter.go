package hunt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/query"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/metric"
	"github.com/flowhound/flowhound/cmd/internal/priority"
	"github.com/flowhound/flowhound/plugin/hit"
)

// Cursor is the name of the cursor in the journal behind which the finds of a hunt
// stand that is not over: what was said of it before a crash.
const Cursor = "hunt"

const (
	// cursorLimit bounds the journal that is kept for a hunt. It says some 200 lines.
	cursorLimit = 64 << 20
	retryFirst  = 10 * time.Second
	retryMost   = 10 * time.Minute
	// showDamage is how long a damaged file counts as a problem.
	showDamage = time.Hour
)

// Config says how far back new indicators are hunted for.
type Config struct {
	Back time.Duration // history.hunt; 0: not at all
}

// Search calls each with the records of a history of which an address lies in listed,
// both directions of a conversation in one. They were received after from, or near that.
// What was received before the call is among them.
type Search func(ctx context.Context, listed *query.AddrSet, from time.Time, each func(*flow.Record) error) error

// Dependencies are what a Hunter works with.
type Dependencies struct {
	Path    string // of the file that says what was hunted
	Journal *journal.Journal
	Search  Search
	Policy  func() *alert.Policy
	// MinSeverity is the lowest severity that is said.
	MinSeverity func() hit.Severity
	// Emit has a hit said to all who want it, and to the cursor.
	Emit func(h *hit.Hit) error
	// Alerted calls each with the hits of the alert log of which something was seen
	// after since.
	Alerted func(since time.Time, each func(*hit.Hit)) error
	Report  func(status, msg string) // writes an agent line
	Log     *slog.Logger
}

// Hunter hunts for indicators when they come.
type Hunter struct {
	d    Dependencies
	back atomic.Int64

	mu    sync.Mutex // of the ledger's file
	swaps chan swap
	set   atomic.Pointer[intel.Set]
	work  chan struct{}

	cursor *journal.Cursor // of the goroutine that hunts
	said   map[string]bool // ids that were said of hunts that are not over
	taken  []uint64        // records of the journal that say so

	cancel  context.CancelFunc
	running sync.WaitGroup
	quit    chan struct{} // closed by Stop
	ending  sync.Once

	pending          atomic.Int64
	damagedAt        atomic.Int64 // Unix seconds
	hunts, finds     atomic.Uint64
	failing, damaged atomic.Pointer[string]
}

// swap is a set that the match has used since then.
type swap struct {
	set *intel.Set
	at  int64
}

// New returns a Hunter that does nothing yet.
func New(c Config, d Dependencies) *Hunter {
	h := &Hunter{d: d, swaps: make(chan swap, 16), work: make(chan struct{}, 1), quit: make(chan struct{}), said: map[string]bool{}}
	h.back.Store(int64(c.Back))
	return h
}

// Start takes up what a former process has not finished, as soon as there is a set.
func (h *Hunter) Start(context.Context) error {
	file.SweepBeside(h.d.Path)
	h.cursor = h.d.Journal.Cursor(Cursor, cursorLimit)
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	h.running.Go(func() { h.follow(ctx) })
	h.running.Go(func() { h.run(ctx) })
	return nil
}

// Swapped is told that the match uses a set, right after it began to. It waits only when
// sets change much faster than a disk writes.
func (h *Hunter) Swapped(set *intel.Set) {
	select {
	case h.swaps <- swap{set, time.Now().UnixNano()}:
	case <-h.quit:
	}
}

// Apply takes over other settings.
func (h *Hunter) Apply(_ context.Context, c Config) error {
	h.back.Store(int64(c.Back))
	h.wake()
	return nil
}

// Stop ends a hunt under way; the next start takes it up. What is swapped after it is noted
// by that start, too.
func (h *Hunter) Stop(ctx context.Context) error {
	if h.cancel == nil {
		return nil
	}
	h.ending.Do(func() { close(h.quit) })
	h.cancel()
	done := make(chan struct{})
	go func() {
		h.running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return errors.New("a hunt does not end: the disk does not answer")
	}
	h.cursor.Close()
	return nil
}

func (h *Hunter) wake() {
	select {
	case h.work <- struct{}{}:
	default:
	}
}

// follow notes what each swap brings, until ctx ends. A swap that waits then is noted at
// the next start, when its set is loaded again.
func (h *Hunter) follow(ctx context.Context) {
	priority.Lower(priority.Lowest)
	var waiting []swap // those that could not be noted, oldest first
	retry := time.NewTicker(retryFirst)
	defer retry.Stop()
	for {
		select {
		case s := <-h.swaps:
			h.set.Store(s.set)
			if waiting = append(waiting, s); len(waiting) > cap(h.swaps) { // what the log tells keeps hits from being said twice
				waiting = waiting[1:]
			}
		case <-retry.C:
		case <-ctx.Done():
			return
		}
		for len(waiting) > 0 && h.note(waiting[0]) {
			waiting = waiting[1:]
		}
		if len(waiting) == 0 {
			h.wake()
		}
	}
}

// note enters a swap into the ledger.
func (h *Hunter) note(s swap) bool {
	back := h.back.Load()
	if back <= 0 {
		return true
	}
	listed := RangesOf(s.set, time.Unix(0, s.at), nil)
	return h.edit(func(l *ledger) bool { return l.swap(s.at, s.at-back, listed) })
}

// edit changes the ledger on disk, or nothing. It reports whether the disk lets it.
func (h *Hunter) edit(change func(*ledger) bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	l, _, err := readLedger(h.d.Path)
	damaged := errors.Is(err, errLedger) || errors.Is(err, errVersion)
	switch {
	case damaged:
		l = h.setAside(err)
	case err != nil:
		h.fail("the file of what was hunted cannot be read: %s", err)
		return false
	}
	if change(&l) || damaged {
		if err := l.write(h.d.Path); err != nil {
			h.fail("what was hunted cannot be noted: %s", err)
			return false
		}
	}
	h.pending.Store(int64(len(l.pending)))
	return true
}

// setAside keeps a damaged ledger for whoever wants to look. What is listed now counts as
// hunted then, so that nothing is said twice.
func (h *Hunter) setAside(why error) (l ledger) {
	text := fmt.Sprintf("the file of what was hunted cannot be read: %s; it is kept as %s, and what is listed now counts as hunted: flowhound hunt looks back by hand", why, file.SetAside(h.d.Path))
	h.damaged.Store(&text)
	h.damagedAt.Store(time.Now().Unix())
	h.d.Log.Error(text)
	h.d.Report("error", text)
	if set := h.set.Load(); set != nil {
		now := time.Now()
		l.swap(now.UnixNano(), 0, RangesOf(set, now, nil))
		l.pending = nil
	}
	return l
}

// run hunts, one task after the other, until ctx ends.
func (h *Hunter) run(ctx context.Context) {
	priority.Lower(priority.Lowest)
	h.drain(false)
	retry := time.NewTimer(0)
	wait := retryFirst
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.work:
		case <-retry.C:
		}
		ok := h.set.Load() == nil || h.huntAll(ctx)
		if ok {
			wait = retryFirst
			continue
		}
		retry.Reset(wait)
		wait = min(2*wait, retryMost)
	}
}

// huntAll does what is pending. It reports false where something has to be tried again.
func (h *Hunter) huntAll(ctx context.Context) bool {
	for ctx.Err() == nil {
		var task *Task
		if !h.edit(func(l *ledger) bool {
			if len(l.pending) > 0 {
				task = &l.pending[0]
			}
			return false
		}) {
			return false
		}
		if task == nil || h.back.Load() <= 0 {
			h.drain(true)
			h.succeed()
			return true
		}
		err := h.hunt(ctx, task)
		if err == nil {
			err = h.d.Journal.Written(ctx) // or the ledger would be ahead of it
		}
		switch {
		case ctx.Err() != nil:
			return true
		case err != nil:
			h.fail("a hunt for new indicators failed: %s; it is tried again", err)
			return false
		}
		if !h.edit(func(l *ledger) bool { l.done(task.ID); return true }) {
			return false
		}
		h.hunts.Add(1)
		h.drain(true)
	}
	return true
}

// drain takes what was said from the cursor. While the hunt that it belongs to is not
// over it stays there for the next process; over, it goes.
func (h *Hunter) drain(over bool) {
	for {
		r, err := h.cursor.Next()
		if err != nil || r == nil {
			break
		}
		if r.Hit != nil {
			h.said[r.Hit.ID] = true
		}
		h.taken = append(h.taken, r.Seq)
	}
	if over {
		for _, seq := range h.taken {
			h.cursor.Ack(seq)
		}
		h.taken = h.taken[:0]
		clear(h.said)
	}
}

// hunt does one task.
func (h *Hunter) hunt(ctx context.Context, t *Task) error {
	now, set := time.Now(), h.set.Load()
	since := now.Add(-time.Duration(h.back.Load()))
	ranges := make([]flow.Range, len(t.Spans))
	for i := range t.Spans {
		ranges[i] = t.Spans[i].Range
	}
	f := NewFinder(h.d.Policy(), set, now)
	begun := time.Now()
	// What is still to be received was received before the clock was set back.
	future := now.Add(time.Minute).UnixNano()
	err := h.d.Search(ctx, query.NewAddrSet(ranges), since, func(r *flow.Record) error {
		if (r.Received < t.To || r.Received > future) && r.Received >= since.UnixNano() {
			if sides := Sides(r, func(a flow.Addr) bool { return t.holds(a, r.Received) }); sides != 0 {
				f.Add(r, sides)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	groups, beyond := f.Groups()
	groups = slices.DeleteFunc(groups, func(g *Group) bool { return g.worst.severity < h.d.MinSeverity() })
	if groups, err = h.unsaid(groups, since); err != nil {
		return err
	}
	lines := report(groups, beyond, t, now, time.Duration(h.back.Load()))
	for _, line := range lines {
		if h.said[line.ID] {
			continue
		}
		if err := h.d.Emit(line); err != nil {
			return err
		}
		h.said[line.ID] = true
		h.finds.Add(1)
	}
	h.d.Log.Info("hunted for new indicators", "ranges", len(ranges), "found", len(groups), "lines", len(lines), "took", time.Since(begun).Round(time.Millisecond))
	return nil
}

// holds reports whether nobody has held a flow of that time against the address.
func (t *Task) holds(a flow.Addr, received int64) bool {
	i, _ := slices.BinarySearchFunc(t.Spans, a, func(s Span, a flow.Addr) int { return s.Last.Compare(a) })
	return i < len(t.Spans) && t.Spans[i].First.Compare(a) <= 0 && received >= t.Spans[i].From
}

func (h *Hunter) fail(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if before := h.failing.Swap(&text); before == nil || *before != text {
		h.d.Log.Error(text)
		if before == nil {
			h.d.Report("error", text)
		}
	}
}

func (h *Hunter) succeed() {
	if h.failing.Swap(nil) != nil {
		h.d.Report("alive", "hunts for new indicators work again")
	}
}

var (
	descPending = metric.Desc("hunts_pending", "Hunts for new indicators that wait or run.")
	descHunts   = metric.Desc("hunts_total", "Hunts for new indicators that are done.")
	descFinds   = metric.Desc("hunt_lines_total", "Alert lines written by hunts for new indicators.")
)

// Describe sends nothing.
func (h *Hunter) Describe(chan<- *prometheus.Desc) {}

// Collect reports the counts.
func (h *Hunter) Collect(ch chan<- prometheus.Metric) {
	to := metric.To(ch)
	to.Gauge(descPending, float64(h.pending.Load()))
	to.Counter(descHunts, h.hunts.Load())
	to.Counter(descFinds, h.finds.Load())
}

// Findings says what is wrong.
func (h *Hunter) Findings(l *finding.List) {
	if text := h.failing.Load(); text != nil {
		l.Bad("df -h; ls -l "+h.d.Path, "%s", *text)
	}
	if text := h.damaged.Load(); text != nil && time.Since(time.Unix(h.damagedAt.Load(), 0)) < showDamage {
		l.Warn("flowhound hunt --last 30d", "%s", *text)
	}
}
