package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// TopOptions say what is ranked.
type TopOptions struct {
	Keys  []Key
	Value Value
	// Count is how many groups are returned; 0: all that fit into memory.
	Count int
	// Bottom ranks the smallest first.
	Bottom bool
	// Threshold leaves groups out whose sum is lower (with Bottom: higher). 0: none.
	Threshold uint64
	// Percent leaves groups out whose share of the total is lower (with Bottom:
	// higher), 0 to 100. 0: none.
	Percent float64
	// ByKey orders the groups by key rather than by value: for series in time.
	ByKey bool
	// Memory is how many bytes the tables may take; 0: 48 MB. A question that needs
	// more reads the files twice or more often.
	Memory int
}

// Top is the answer to a question for the largest groups.
type Top struct {
	Records uint64 // that the filter accepted
	Groups  int    // different groups, before Count and Threshold
	// Estimated says that Groups is not counted but estimated, to 1%: there were more
	// than memory allows. The sums are exact all the same.
	Estimated bool
	// Total is the sum over all records, and zero where addresses are counted: those of
	// two groups may be the same.
	Total uint64
	Rows  []TopRow
}

// TopRow is one group.
type TopRow struct {
	Value uint64
	// Percent is the share of the total, Cumulative that of this and all rows before;
	// zero without a total.
	Percent, Cumulative float64
	// Packed is what the group has in common: the values of all Keys one after another,
	// which Key.Value reads.
	Packed []byte
}

// KeyOf returns what the group of a row has in common: a value for each of Keys, as
// Key.Value has it.
func (o *TopOptions) KeyOf(r *TopRow) (out []any) {
	rest := r.Packed
	for i := range o.Keys {
		k := &o.Keys[i]
		out, rest = append(out, k.Value(rest)), rest[k.Width():]
	}
	return out
}

const (
	topMemory = 48 << 20
	maxPasses = 64
)

// Top groups the records that a question accepts by keys and ranks the groups by a sum.
func (d *Data) Top(ctx context.Context, q Question, o TopOptions) (*Top, error) {
	if len(o.Keys) == 0 {
		return nil, errors.New("no field to group by")
	}
	if o.Memory == 0 {
		o.Memory = topMemory
	}
	r := &reading{d: d, q: &q, o: &o, passes: 1}
	if t, err := r.fromLists(ctx); !errors.Is(err, errUnlisted) {
		return t, err
	}
	s, err := r.sum(ctx, share{}, o.bounded())
	switch {
	case errors.Is(err, errFull):
		return r.inTurn(ctx)
	case err != nil:
		return nil, err
	case s.bounds != nil:
		return r.candidates(ctx, s)
	}
	t := &Top{Records: s.records, Total: s.total}
	best := newRanking(&o, s.total, nil)
	if o.Count == 0 {
		best.all(t, s.table)
	} else {
		best.addAll(t, s.table)
		best.answer(t)
	}
	if t.Estimated = o.bounded() && s.crowded(); t.Estimated {
		t.Groups = s.estimate()
	}
	return t, nil
}

// bounded reports whether what all groups of a bucket have tells where the wanted ones
// can be.
func (o *TopOptions) bounded() bool {
	return !o.Bottom && !o.ByKey && (o.Count > 0 || o.Threshold > 0 || o.Percent > 0)
}

// tooMany is the error when a question cannot be answered within its memory.
func tooMany() error {
	return fmt.Errorf("%w: ask for fewer fields or a shorter time, group networks (sip/24), or set a count", errFull)
}

// reading reads the files for one question as often as it takes.
type reading struct {
	d            *Data
	q            *Question
	o            *TopOptions
	pass, passes int64 // readings that are over, and how many are expected
	part         float64
	mu           sync.Mutex
}

// show tells how far a reading is.
func (r *reading) show(done, total int64) {
	r.mu.Lock()
	r.part = max(r.part, float64(done)/float64(max(total, 1)))
	pass, passes := r.pass, r.passes
	r.mu.Unlock()
	if r.q.Progress != nil {
		r.q.Progress(pass*total+done, passes*total)
	}
}

// more says that another reading will follow.
func (r *reading) more() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.passes = max(r.passes, r.pass+2)
}

// inTurn answers in several readings, each of which adds up every so many-th group.
func (r *reading) inTurn(ctx context.Context) (*Top, error) {
	for {
		// A part of the files filled the table: guess from that how many readings it takes.
		r.passes = max(r.passes+1, int64(float64(r.passes)/max(r.part, 0.01)*1.3))
		if r.passes > maxPasses || r.o.Count == 0 {
			return nil, tooMany()
		}
		t := &Top{}
		var best ranking
		var err error
		r.part = 0
		for r.pass = 0; r.pass < r.passes && err == nil; r.pass++ {
			var s *sums
			if s, err = r.sum(ctx, share{pass: uint64(r.pass), passes: uint64(r.passes)}, false); err == nil {
				t.Records, t.Total = s.records, s.total
				best = newRanking(r.o, s.total, best.groups)
				best.addAll(t, s.table)
			}
		}
		if !errors.Is(err, errFull) {
			return best.answer(t), err
		}
	}
}

// candidates adds up the groups of the buckets that have the most, until the buckets that
// are left have less than the groups that were found.
func (r *reading) candidates(ctx context.Context, first *sums) (*Top, error) {
	b := first.bounds
	t := &Top{Records: first.records, Total: first.total, Estimated: true}
	groups := b.seen.Estimate()
	best := newRanking(r.o, first.total, nil)
	entries := newTable(first.table.width, r.o.Memory).most
	size := min(max(entries/(groups>>bucketBits+1)/2, 1), 1<<14+64*r.o.Count)
	for r.pass = 1; r.pass < maxPasses; r.pass++ {
		taken := b.take(size, best.need())
		if taken == nil {
			t.Groups = groups
			return best.answer(t), nil
		}
		r.passes = r.pass + 1
		s, err := r.sum(ctx, share{buckets: taken}, false)
		switch {
		case errors.Is(err, errFull) && size > 1:
			size /= 4
			continue
		case errors.Is(err, errFull):
			return nil, tooMany()
		case err != nil:
			return nil, err
		}
		best.addAll(t, s.table)
		b.finish(taken)
	}
	return nil, tooMany()
}

// sum reads the files once and adds up a share of the groups. With bounded, bounds take
// over when the table is full.
func (r *reading) sum(ctx context.Context, part share, bounded bool) (*sums, error) {
	workers := r.workers(part, bounded)
	parts := r.d.parts(r.q)
	if from := rolledUp(r.q, r.o); from != noRollup {
		whole, borders := r.q.hours()
		covered, err := r.d.addRollups(&whole, from, workers[0])
		if err != nil {
			return nil, err
		}
		parts, err = r.scanBorders(ctx, workers, parts, covered, borders)
		if err != nil {
			return nil, err
		}
	}
	if err := r.scan(ctx, workers, parts, r.q); err != nil {
		return nil, err
	}
	return r.gather(ctx, workers)
}

// workers returns the sums of each worker, still empty.
func (r *reading) workers(part share, bounded bool) []*sums {
	workers := make([]*sums, r.q.workers())
	for i := range workers {
		workers[i] = newSums(r.o.Keys, r.o.Value, r.q.Raw, part, r.o.Memory/len(workers))
		if bounded {
			workers[i].spill = r.more
		}
	}
	return workers
}

// scan adds what q accepts in parts.
func (r *reading) scan(ctx context.Context, workers []*sums, parts []Part, q *Question) error {
	asked := *q
	asked.Progress = r.show
	scan := scan{q: &asked, parts: parts, visit: func(worker int, g *group, found [2][]int32) error { return workers[worker].visit(g, found) }}
	return scan.run(ctx)
}

// scanBorders reads of files that a roll-up stands for what began before and after its
// whole hours. It returns the other files.
func (r *reading) scanBorders(ctx context.Context, workers []*sums, parts []Part, covered []bool, borders []Question) (others []Part, err error) {
	done := map[string]bool{}
	for i, c := range covered {
		if c {
			done[r.d.Files[i].Path] = true
		}
	}
	for i := range borders {
		q := &borders[i]
		from, to := q.bounds()
		var some []Part
		for _, p := range parts {
			if done[p.Path] && p.overlaps(from, to) {
				some = append(some, p)
			}
		}
		if err := r.scan(ctx, workers, some, q); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(parts, func(p Part) bool { return done[p.Path] }), nil
}

// gather merges the sums of workers and adds what is in no file yet.
func (r *reading) gather(ctx context.Context, workers []*sums) (*sums, error) {
	all := workers[0]
	if all.spill != nil { // the memory of those that are done; without bounds what one holds is the limit
		all.table.widen(len(workers))
		if all.seen != nil {
			all.seen.widen(len(workers))
		}
	}
	for i, w := range workers[1:] {
		if err := all.merge(w); err != nil {
			return nil, err
		}
		workers[i+1] = nil
	}
	return all, r.d.recent(ctx, r.q, func(c *Conversation, found [2]bool) error {
		for w, r := range []*Record{&c.Record, &c.Answer} {
			if found[w] {
				if err := all.record(r); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
