package hunt

import (
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// ledger says which addresses were held against which flows, so that each flow is held
// against each listed address once: by the match while it arrives, or by one hunt.
// While an address is listed the match sees its flows. When it comes, a hunt looks at
// those before; when it was listed before, at those since it went.
type ledger struct {
	segments []segment // sorted, disjoint
	pending  []Task
	next     uint64 // number of the task that comes next
}

// segment is a run of addresses that came and went together.
type segment struct {
	flow.Range
	Since int64 // Unix nanoseconds: when they were listed
	Until int64 // and when they went; 0: they are listed
}

// Task is one hunt: the flows received before To, for each range from its From on, and
// those that a clock which was set back since says are received later than now.
type Task struct {
	ID    uint64
	To    int64 // Unix nanoseconds
	Spans []Span
}

// Span is a range of addresses and from when on its flows have been seen by nobody.
type Span struct {
	flow.Range
	From int64 // Unix nanoseconds; 0: ever
}

// swap takes over what is listed since now, sorted and disjoint, and forgets what went
// before horizon. It reports whether anything changed.
func (l *ledger) swap(now, horizon int64, listed []flow.Range) (changed bool) {
	s := sweep{now: now, horizon: horizon, out: make([]segment, 0, len(l.segments)+16)}
	old, i, j := segment{}, 0, 0
	if len(l.segments) > 0 {
		old = l.segments[0]
	}
	var listing flow.Range
	if len(listed) > 0 {
		listing = listed[0]
	}
	stepOld := func(to flow.Addr) {
		if old.Last != to {
			old.First = to.Next()
		} else if i++; i < len(l.segments) {
			old = l.segments[i]
		}
	}
	stepNew := func(to flow.Addr) {
		if listing.Last != to {
			listing.First = to.Next()
		} else if j++; j < len(listed) {
			listing = listed[j]
		}
	}
	for i < len(l.segments) || j < len(listed) {
		switch {
		case j == len(listed) || i < len(l.segments) && old.Last.Compare(listing.First) < 0:
			s.gone(old)
			stepOld(old.Last)
		case i == len(l.segments) || listing.Last.Compare(old.First) < 0:
			s.came(listing, 0)
			stepNew(listing.Last)
		case old.First.Compare(listing.First) < 0:
			part := old
			part.Last = listing.First.Prev()
			s.gone(part)
			stepOld(part.Last)
		case listing.First.Compare(old.First) < 0:
			part := flow.Range{First: listing.First, Last: old.First.Prev()}
			s.came(part, 0)
			stepNew(part.Last)
		default:
			part := old
			if listing.Last.Compare(part.Last) < 0 {
				part.Last = listing.Last
			}
			s.stays(part)
			stepOld(part.Last)
			stepNew(part.Last)
		}
	}
	l.segments = s.out
	if len(s.spans) > 0 {
		l.next++
		l.pending = append(l.pending, Task{ID: l.next, To: now, Spans: s.spans})
	}
	return s.changed
}

// sweep collects what a swap makes of the segments.
type sweep struct {
	now, horizon int64
	out          []segment
	spans        []Span
	changed      bool
}

// gone takes what is not listed any more, or was not before.
func (s *sweep) gone(g segment) {
	if g.Until == 0 {
		g.Until, s.changed = s.now, true
	}
	if g.Until < s.horizon { // a hunt does not look that far back
		s.changed = true
		return
	}
	s.add(g)
}

// came takes what is listed now, and whose flows were seen until then.
func (s *sweep) came(r flow.Range, until int64) {
	s.changed = true
	s.add(segment{Range: r, Since: s.now})
	if n := len(s.spans); n > 0 && s.spans[n-1].From == until && s.spans[n-1].Last.Next() == r.First {
		s.spans[n-1].Last = r.Last
		return
	}
	s.spans = append(s.spans, Span{r, until})
}

func (s *sweep) stays(g segment) {
	if g.Until == 0 {
		s.add(g)
		return
	}
	s.came(g.Range, g.Until)
}

func (s *sweep) add(g segment) {
	if n := len(s.out); n > 0 && s.out[n-1].Since == g.Since && s.out[n-1].Until == g.Until && s.out[n-1].Last.Next() == g.First {
		s.out[n-1].Last = g.Last
		return
	}
	s.out = append(s.out, g)
}

// done takes a task off the list.
func (l *ledger) done(id uint64) {
	l.pending = slices.DeleteFunc(l.pending, func(t Task) bool { return t.ID == id })
}

// since returns what has been listed since then, and still is.
func (l *ledger) since(then int64) (out []flow.Range) {
	for _, g := range l.segments {
		if g.Until == 0 && g.Since >= then {
			out = append(out, g.Range)
		}
	}
	return out
}
