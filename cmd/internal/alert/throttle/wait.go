package throttle

import (
	"math"
	"slices"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
)

const (
	// defaultMeet is how long the first record of a pair waits for others: request
	// and answer are one line then, with what both of them tell.
	defaultMeet = 2 * time.Second
	// maxWaiting bounds the records that wait, 4 MB of them, and maxTogether those
	// of one pair. Beyond, the oldest wait no longer.
	maxWaiting, maxTogether = 8192, 256
)

// pairing names who waits for each other: two addresses and a protocol.
type pairing struct {
	a, b  flow.Addr
	proto uint8
}

func pairingOf(ev *alert.Event) pairing {
	a, b := ev.Local, ev.Remote
	if a.Hi > b.Hi || a.Hi == b.Hi && a.Lo > b.Lo {
		a, b = b, a
	}
	return pairing{a, b, ev.Proto}
}

// together are the records of one pair that wait.
type together struct {
	pairing pairing
	due     int64 // Unix nanoseconds
	events  []alert.Event
}

// waiting holds the records of the last seconds. The zero value is empty.
type waiting struct {
	index  map[pairing]*together
	queue  []*together // by the time when they are due
	events int
	spare  []*together // used before, to be used again
}

// due returns when the first group is.
func (w *waiting) due() int64 {
	if len(w.queue) == 0 {
		return math.MaxInt64
	}
	return w.queue[0].due
}

// next takes the group that is due first, nil when there is none.
func (w *waiting) next() *together {
	if len(w.queue) == 0 {
		return nil
	}
	return w.take(0)
}

// add takes an event that is due then, and returns those that can wait no longer.
func (w *waiting) add(ev *alert.Event, due int64) (full *together) {
	if w.index == nil {
		w.index = make(map[pairing]*together)
	}
	p := pairingOf(ev)
	g := w.index[p]
	if g == nil {
		g = w.fresh()
		g.pairing, g.due = p, due
		if n := len(w.queue); n > 0 {
			g.due = max(due, w.queue[n-1].due) // a setting that changed
		}
		w.index[p] = g
		w.queue = append(w.queue, g)
	}
	g.events = append(g.events, *ev)
	w.events++
	if len(g.events) >= maxTogether {
		return w.take(slices.Index(w.queue, g))
	}
	if w.events > maxWaiting {
		return w.next()
	}
	return nil
}

func (w *waiting) fresh() *together {
	if n := len(w.spare); n > 0 {
		g := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return g
	}
	return new(together)
}

// take removes and returns the group at a place of the queue.
func (w *waiting) take(at int) *together {
	g := w.queue[at]
	if at == 0 {
		w.queue[0] = nil
		w.queue = w.queue[1:]
	} else {
		w.queue = slices.Delete(w.queue, at, at+1)
	}
	delete(w.index, g.pairing)
	w.events -= len(g.events)
	return g
}

// done takes a group back.
func (w *waiting) done(g *together) {
	clear(g.events) // lets go of what they hold
	g.events = g.events[:0]
	if len(w.spare) < 256 && cap(g.events) <= 16 {
		w.spare = append(w.spare, g)
	}
}

// shift moves all that waits by a step of the clock.
func (w *waiting) shift(by int64) {
	for _, g := range w.queue {
		g.due += by
	}
}

// release adds up the records of one pair, and says what is due of them.
func (t *Table) release(g *together) {
	for i := range g.events {
		ev := &g.events[i]
		t.conns.find(ev).learn(ev)
	}
	for i := range g.events {
		ev := &g.events[i]
		t.conns.find(ev).orient(ev)
	}
	meetTogether(g.events)
	t.touched = t.touched[:0]
	for i := range g.events {
		t.take(&g.events[i])
	}
	for _, x := range t.touched {
		switch {
		case x.e.held == nil: // pushed out meanwhile, and said
		case x.early && x.e.lines == 0 && x.e.held.severity >= t.o.MinSeverity && t.nat.lately(t.now):
			t.sayEarly(x.e, x.outer)
		case x.say || x.e.worse():
			t.say(x.e, t.now)
		default:
			t.stats.Folded += x.count
		}
	}
	t.waiting.done(g)
}

// releaseAll is release for all that waits, whatever the time.
func (t *Table) releaseAll() {
	for g := t.waiting.next(); g != nil; g = t.waiting.next() {
		t.release(g)
	}
}

// touched is an entry that the records of one pair were added to.
type touched struct {
	e     *entry
	say   bool   // its first record, or the first after an empty window
	count uint64 // of records
	early bool   // seen outside a translation, and not inside
	outer key    // of such a conversation
}

// take adds one event to its entry. The line that is due is said when the others of
// its pair have been taken too.
func (t *Table) take(ev *alert.Event) {
	c := t.conns.find(ev)
	first := c.tell(ev)
	e, isNew := t.route(ev, c, first)
	t.recent.used(e)
	x := touched{e: e, say: isNew || e.idle && ev.Count > 0, count: ev.Count}
	t.hold(e, ev)
	if e.key.scope == scopePair && t.nat.translated(ev) {
		x.early, x.outer = true, outer(ev)
	} else if len(t.nat.early) > 0 {
		t.joinEarly(ev, e)
	}
	e.noticeKind(ev)
	t.noticeSpread(e, ev)
	for i := range t.touched {
		if y := &t.touched[i]; y.e == e {
			y.say, y.count = y.say || x.say, y.count+x.count
			return
		}
	}
	t.touched = append(t.touched, x)
}

// meetTogether lets the directions of the conversations that wait tell together
// whether both sides sent data.
func meetTogether(events []alert.Event) {
	if len(events) < 2 {
		return
	}
	for i := range events {
		a := &events[i]
		if a.LocalData == a.RemoteData {
			continue
		}
		for j := range events {
			b := &events[j]
			if pairKey(a) == pairKey(b) && (b.LocalData && !a.LocalData || b.RemoteData && !a.RemoteData) {
				a.LocalData, a.RemoteData = true, true
				a.Assess()
				break
			}
		}
	}
}
