// Package throttle folds repeats: of a stream of events it lets through what is
// new and what got worse at once, and sums the rest into lines at growing
// intervals. Nothing is folded away: the counts of all lines add up to the
// records that came in.
//
// A Table keeps one entry for each fold key, in memory. It runs no goroutine and reads no
// clock: time comes with the events and with Advance, so that a replay folds as the live
// agent did. An Emitter is the goroutine that feeds the live agent's Table, and carries it
// over a restart by a snapshot and by what each line has changed since.
package throttle

import (
	"container/heap"
	"math"
	"slices"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/hit"
)

// DefaultMaxKeys keeps a full table at about 60 MB if every key holds
// something, a third of that when most are quiet.
const DefaultMaxKeys = 1 << 16

// A key that got worse: worseTimes the bytes of its last line, and more than worseBytes.
const (
	worseTimes = 10
	worseBytes = 10_000_000
)

// Options are the alert settings of the configuration. Zero values mean the
// defaults.
type Options struct {
	Window      time.Duration // how long repeats are summed at first: 5m
	MaxWindow   time.Duration // how long at most, and how long a quiet key is remembered: 24h
	MaxKeys     int           // fold keys in memory: DefaultMaxKeys
	MinSeverity hit.Severity  // hits below it are counted and not emitted
	// Meet is how long the first record of a pair waits for the other direction: 2 s;
	// below 0 not at all.
	Meet time.Duration
}

func (o Options) withDefaults() Options {
	if o.Window <= 0 {
		o.Window = 5 * time.Minute
	}
	if o.MaxWindow <= 0 {
		o.MaxWindow = 24 * time.Hour
	}
	o.MaxWindow = max(o.MaxWindow, o.Window)
	if o.MaxKeys <= 0 {
		o.MaxKeys = DefaultMaxKeys
	}
	if o.Meet == 0 {
		o.Meet = defaultMeet
	}
	return o
}

// Stats are counters that only grow, but Keys.
type Stats struct {
	Keys       int    // fold keys in memory now
	Lines      uint64 // hits emitted
	Folded     uint64 // flow records that were summed instead of being said at once
	Muted      uint64 // flow records of hits below MinSeverity
	Duplicates uint64 // flow records that another exporter had told before
	PushedOut  uint64 // keys that MaxKeys pushed out
}

// Table folds events into hits. Not safe for concurrent use.
type Table struct {
	o    Options
	emit func(*hit.Hit)

	now     int64 // Unix nanoseconds: never runs backwards but for a step of the clock
	entries map[key]*entry
	queue   queue  // every entry, by the end of its window
	recent  recent // every entry, by use
	created uint64 // entries ever made: ties of the queue

	waiting waiting
	touched []touched // by the records that are released; here so that it is made once
	conns   conns
	noise   noise
	crowds  crowds
	spreads map[key]*spread
	nat     natView
	first   recently[bool] // whether the local side sent first, by pair
	addrs   addrBudget

	changed bool   // since the last snapshot
	encoded int    // bytes of that
	change  []byte // what the last line changed
	stats   Stats
}

// NewTable returns an empty Table. Hits go to emit, one at a time, while a method of
// the Table runs; emit must not call the Table and may keep the hit.
func NewTable(o Options, emit func(*hit.Hit)) *Table {
	return &Table{o: o.withDefaults(), emit: emit, entries: make(map[key]*entry), crowds: newCrowds()}
}

// Configure changes the options. Windows that have begun end when they would
// have; keys beyond a smaller MaxKeys are pushed out.
func (t *Table) Configure(o Options) {
	t.o = o.withDefaults()
	t.shrink(t.o.MaxKeys)
}

// Stats returns the counters.
func (t *Table) Stats() Stats {
	s := t.stats
	s.Keys = len(t.entries)
	return s
}

// Add takes an event, of which it keeps a copy for as long as the other direction of
// the conversation may take to come. Time advances to the event's receipt first.
func (t *Table) Add(ev *alert.Event) {
	t.advance(ev.Last)
	t.changed = true
	if t.o.Meet < 0 {
		t.release(&together{events: []alert.Event{*ev}})
		return
	}
	if full := t.waiting.add(ev, saturate(t.now, int64(t.o.Meet))); full != nil {
		t.release(full)
	}
}

// Advance says what is due at now: call it several times a second. A clock that was
// set back by more than a minute takes the windows along.
func (t *Table) Advance(now time.Time) {
	n := now.UnixNano()
	if n < t.now-int64(time.Minute) {
		t.shift(n - t.now)
	}
	t.advance(n)
}

// advance ends, in the order of their ends, the windows that are over and the waiting
// of records for each other.
func (t *Table) advance(now int64) {
	for {
		window, wait := int64(math.MaxInt64), t.waiting.due()
		if len(t.queue) > 0 {
			window = t.queue[0].end
		}
		if min(window, wait) > now {
			break
		}
		t.changed = true
		if wait < window {
			t.now = max(t.now, wait)
			t.release(t.waiting.next())
		} else {
			t.now = max(t.now, window)
			t.endWindow(t.queue[0])
		}
	}
	t.now = max(t.now, now)
}

// endWindow says what an entry holds, or lets it be idle, or forgets it.
func (t *Table) endWindow(e *entry) {
	if shared := t.crowdOf(e); shared != nil {
		t.surrender(e, shared)
		if shared.idle || shared.worse() {
			t.say(shared, t.now)
		}
	}
	if e.held != nil {
		t.say(e, t.now)
		return
	}
	forget := saturate(e.saidAt, int64(t.o.MaxWindow))
	if forget <= t.now {
		t.remove(e)
		return
	}
	e.idle = true
	t.until(e, forget)
}

// until sets when an entry's window ends.
func (t *Table) until(e *entry, end int64) {
	e.end = end
	heap.Fix(&t.queue, int(e.at))
}

func (t *Table) shift(by int64) {
	t.now += by
	t.waiting.shift(by)
	for _, e := range t.queue { // the same for all: the order stays
		e.end += by
		e.saidAt += by
		e.localData, e.remoteData = 0, 0
	}
}

// Flush says all that is held, as a shutdown and the end of a replay do. The keys
// stay, with their series and windows.
func (t *Table) Flush(now time.Time) {
	t.Advance(now)
	t.releaseAll()
	for { // what is given up to another key is said by that
		var holding []*entry
		for _, e := range t.queue {
			if e.held != nil {
				holding = append(holding, e)
			}
		}
		if len(holding) == 0 {
			return
		}
		slices.SortFunc(holding, compareEntries)
		for _, e := range holding {
			if e.held != nil {
				t.say(e, t.now)
			}
		}
	}
}

// say makes a line of what e holds and starts its next window. The
// Emitter writes the line and that window into the journal as one record, so that no
// restart can say the line twice.
func (t *Table) say(e *entry, at int64) {
	held, worse := e.held, e.worse()
	t.nat.settle(e)
	if held.count == 0 && !worse && e.key.scope != scopeAgain && held.bytes() == 0 {
		t.giveUp(e)
		return
	}
	kind := e.kind(worse)
	e.said, e.saidBytes, e.saidAt = max(e.said, held.severity), max(e.saidBytes, held.bytes()), at
	e.idle, e.mustSay = false, false
	t.until(e, saturate(at, t.nextWindow(e)))
	t.stats.Duplicates += held.duplicates
	if held.severity < t.o.MinSeverity {
		t.stats.Muted += flow.Sum(held.count, held.duplicates)
		t.drop(e)
		return
	}
	e.lines++
	h := held.hit(e)
	t.drop(e)
	t.tell(e, h, kind, at)
}

// kind is what e's next line is.
func (e *entry) kind(worse bool) hit.Kind {
	switch {
	case e.key.scope == scopeAgain || e.lines > 0 && !worse:
		return hit.Repeat
	case e.held.shown.dnsbl:
		return hit.DNSBL
	}
	return hit.New
}

// tell hands over a line of e.
func (t *Table) tell(e *entry, h *hit.Hit, kind hit.Kind, at int64) {
	t.stats.Lines++
	h.Kind, h.Time = kind, stamp(at)
	t.noteChange(e)
	t.emit(h)
}

// giveUp moves what another exporter had told before to the line of the exporter who
// told it again: nobody needs one about each pair.
func (t *Table) giveUp(e *entry) {
	again := t.again(e.held.shown.exporter, e.held.first)
	if again == e { // cannot be: its scope says so
		return
	}
	e.held.severity, e.held.state = hit.Info, 0
	t.surrender(e, again)
	t.until(e, saturate(t.now, int64(t.o.Window)))
}

// nextWindow returns how long e's next window lasts, and doubles the one after.
func (t *Table) nextWindow(e *entry) int64 {
	window := &e.window
	if p := t.noise.pace(e.key); p != nil {
		window = &p.window
	}
	shortest, longest := int64(t.o.Window), int64(t.o.MaxWindow)
	if e.startsSlowly() {
		shortest = max(shortest, int64(time.Hour))
	}
	w := min(max(*window, shortest), longest)
	*window = min(2*w, longest)
	return w
}

// insert makes an entry for a key that has none, pushing out the one that has
// been quiet the longest if there is no room.
func (t *Table) insert(k key, series uint64) *entry {
	t.shrink(t.o.MaxKeys - 1)
	t.created++
	e := &entry{key: k, series: series, created: t.created, end: math.MaxInt64}
	t.link(e)
	return e
}

func (t *Table) link(e *entry) {
	t.entries[e.key] = e
	t.recent.of(e).push(e)
	heap.Push(&t.queue, e)
	t.noise.added(e.key)
}

// shrink pushes out keys until at most n are left. They say what they hold.
func (t *Table) shrink(n int) {
	for len(t.entries) > max(n, 0) {
		e := t.recent.victim(t.o.MaxKeys)
		if e.held != nil {
			t.say(e, t.now)
		}
		t.remove(e)
		t.stats.PushedOut++
	}
}

func (t *Table) remove(e *entry) {
	t.drop(e)
	heap.Remove(&t.queue, int(e.at))
	t.recent.of(e).remove(e)
	delete(t.entries, e.key)
	t.noise.removed(e.key)
	t.crowds.remove(e)
	delete(t.spreads, e.key)
	delete(t.nat.outside, e.key)
}

// drop lets go of what e holds.
func (t *Table) drop(e *entry) {
	if e.held != nil {
		t.addrs.free(e.held)
		e.held = nil
	}
}

// saturate adds a duration to a time, both in nanoseconds.
func saturate(at, d int64) int64 {
	if at > math.MaxInt64-d {
		return math.MaxInt64
	}
	return at + d
}

func stamp(ns int64) time.Time { return time.Unix(0, ns).UTC() }

// category returns the category of an event's best indicator.
func category(ev *alert.Event) intel.Category { return ev.Indicators[0].Category }
