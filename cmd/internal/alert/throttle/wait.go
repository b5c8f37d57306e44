package throttle

import (
	"slices"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
)

const (
	// defaultMeet is how long the first record of a pair waits for others: request
	// and answer are one line then, with what both of them tell.
	defaultMeet = 2 * time.Second
	// natMore is how much longer what is behind a translated address waits, so that
	// the same conversation as seen from inside comes first.
	natMore = 500 * time.Millisecond
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
	queue  []*together // by due
	events int
	spare  []*together // used before, to be used again
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
		w.index[p] = g
		at := len(w.queue)
		for at > 0 && w.queue[at-1].due > due { // behind a translated address, or a clock that was set back
			at--
		}
		w.queue = slices.Insert(w.queue, at, g)
	}
	g.events = append(g.events, *ev)
	w.events++
	switch {
	case len(g.events) >= maxTogether:
		return w.take(slices.Index(w.queue, g))
	case w.events > maxWaiting:
		return w.take(0)
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
		case x.say || x.e.worse():
			t.say(x.e, t.now)
		default:
			t.stats.Folded += x.count
		}
	}
	t.waiting.done(g)
}

// touched is an entry that the records of one pair were added to.
type touched struct {
	e     *entry
	say   bool   // its first record, or the first after an empty window
	count uint64 // of records
}

// take adds one event to its entry. The line that is due is said when the others of
// its pair have been taken too.
func (t *Table) take(ev *alert.Event) {
	c := t.conns.find(ev)
	first := c.tell(ev)
	e, isNew := t.route(ev, c, first)
	t.recent.used(e)
	x := touched{e, isNew || e.idle && ev.Count > 0, ev.Count}
	t.hold(e, ev)
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
				a.Judge()
				break
			}
		}
	}
}
