package query

import (
	"bytes"
	"cmp"
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
	// Memory is how many bytes the tables may take; 0: 56 MB. A question that needs
	// more reads the files several times.
	Memory int
}

// Top is the answer to a question for the largest groups.
type Top struct {
	Records uint64 // that the filter accepted
	Groups  int    // different groups, before Count and Threshold
	// Total is the sum over all records, and zero where addresses are counted: those of
	// two groups may be the same.
	Total uint64
	Rows  []TopRow
}

// TopRow is one group.
type TopRow struct {
	Key   []any // a netip.Addr, netip.Prefix, string, uint64 or time.Time for each Key
	Value uint64
	// Percent is the share of the total, Cumulative that of this and all rows before;
	// zero without a total.
	Percent, Cumulative float64

	packed []byte
}

const (
	topMemory = 56 << 20
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
	for passes := uint64(1); ; {
		t, done, err := d.passes(ctx, &q, &o, passes)
		if !errors.Is(err, errFull) {
			return t, err
		}
		// done of the files filled the table: guess from that how many passes it takes.
		passes = max(passes+1, uint64(float64(passes)/max(done, 0.01)*1.3))
		if passes > maxPasses || o.Count == 0 {
			return nil, fmt.Errorf("%w: ask for fewer fields or a shorter time, group networks (sip/24), or set a count", errFull)
		}
	}
}

// passes reads the files as often as told. It returns which part of them was read.
func (d *Data) passes(ctx context.Context, q *Question, o *TopOptions, passes uint64) (*Top, float64, error) {
	t := &Top{}
	var best ranking
	for pass := range passes {
		s, done, err := d.sum(ctx, q, o, pass, passes)
		if err != nil {
			return nil, done, err
		}
		t.Records, t.Total = s.records, s.total
		t.Groups += s.table.len()
		best = newRanking(o, s.total, best.rows)
		for i := range s.table.len() {
			best.add(s.table.key(i), s.table.sum(i))
		}
	}
	if o.Value.counts() {
		t.Total = 0
	}
	t.Rows = best.finish(o, t.Total)
	return t, 1, nil
}

// sum adds up one pass. It returns which part of the files was read.
func (d *Data) sum(ctx context.Context, q *Question, o *TopOptions, pass, passes uint64) (*sums, float64, error) {
	workers := make([]*sums, q.workers())
	for i := range workers {
		workers[i] = newSums(o.Keys, o.Value, q.Raw, pass, passes, o.Memory/len(workers))
	}
	var mu sync.Mutex
	part := 0.0
	counted := *q
	counted.Progress = func(done, total int64) {
		mu.Lock()
		part = max(part, float64(done)/float64(max(total, 1)))
		mu.Unlock()
		if q.Progress != nil {
			q.Progress(int64(pass)*total+done, int64(passes)*total)
		}
	}
	parts, err := d.parts(&counted)
	if err != nil {
		return nil, 0, err
	}
	if rolledUp(q, o) && d.Countries != nil {
		if parts, err = d.addRollups(q, workers[0], parts); err != nil {
			return nil, 0, err
		}
	}
	scan := scan{q: &counted, parts: parts, visit: func(worker int, g *group, found [2][]int32) error { return workers[worker].visit(g, found) }}
	if err := scan.run(ctx); err != nil {
		return nil, part, err
	}
	all := workers[0]
	all.table.most *= len(workers) // the memory of those that are done
	if all.seen != nil {
		all.seen.most *= len(workers)
	}
	for i, w := range workers[1:] {
		if err := all.merge(w); err != nil {
			return nil, 1, err
		}
		workers[i+1] = nil
	}
	return all, 1, d.recent(ctx, q, func(c *Conversation, found [2]bool) error {
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

// ranking keeps the rows that come first.
type ranking struct {
	o     *TopOptions
	total uint64
	rows  []TopRow
	worst *TopRow // of the rows that were kept last
}

func newRanking(o *TopOptions, total uint64, rows []TopRow) ranking {
	return ranking{o: o, total: total, rows: rows}
}

// compare orders rows as they are printed. Equal values are ordered by key, so that an
// answer is always the same.
func (r *ranking) compare(a, b *TopRow) int {
	if !r.o.ByKey {
		c := cmp.Compare(b.Value, a.Value)
		if r.o.Bottom {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return bytes.Compare(a.packed, b.packed)
}

func (r *ranking) add(key []byte, value uint64) {
	if !r.wanted(value) {
		return
	}
	row := TopRow{Value: value, packed: key}
	if n := r.o.Count; n > 0 && len(r.rows) >= 2*n {
		r.trim(n)
	}
	if n := r.o.Count; n > 0 && len(r.rows) >= n && r.worst != nil && r.compare(&row, r.worst) > 0 {
		return
	}
	row.packed = bytes.Clone(key)
	r.rows = append(r.rows, row)
}

func (r *ranking) wanted(value uint64) bool {
	share := 0.0
	if r.total > 0 {
		share = 100 * float64(value) / float64(r.total)
	}
	if r.o.Bottom {
		return (r.o.Threshold == 0 || value <= r.o.Threshold) && (r.o.Percent == 0 || r.total == 0 || share <= r.o.Percent)
	}
	return value >= r.o.Threshold && (r.o.Percent == 0 || r.total == 0 || share >= r.o.Percent)
}

// trim keeps the first n rows.
func (r *ranking) trim(n int) {
	slices.SortFunc(r.rows, func(a, b TopRow) int { return r.compare(&a, &b) })
	if len(r.rows) >= n {
		clear(r.rows[n:])
		r.rows = r.rows[:n]
		last := r.rows[n-1]
		r.worst = &last
	}
}

// finish returns the rows in order, with their keys and shares.
func (r *ranking) finish(o *TopOptions, total uint64) []TopRow {
	if r.o == nil {
		return nil
	}
	n := o.Count
	if n == 0 || n > len(r.rows) {
		n = len(r.rows)
	}
	r.trim(max(n, 1))
	sum := uint64(0)
	for i := range r.rows {
		row := &r.rows[i]
		rest := row.packed
		for k := range o.Keys {
			var v any
			v, rest = o.Keys[k].value(rest)
			row.Key = append(row.Key, v)
		}
		if sum += row.Value; total > 0 {
			row.Percent, row.Cumulative = 100*float64(row.Value)/float64(total), 100*float64(sum)/float64(total)
		}
	}
	return r.rows
}
