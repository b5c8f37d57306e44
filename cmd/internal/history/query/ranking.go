package query

import (
	"bytes"
	"cmp"
	"slices"
)

// ranking keeps the rows that come first.
type ranking struct {
	o     *TopOptions
	total uint64
	rows  []TopRow
	worst *TopRow // of the rows that were kept last
	room  []byte  // for copies of keys
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
	return bytes.Compare(a.Packed, b.Packed)
}

func (r *ranking) add(key []byte, value uint64) {
	if !r.wanted(value) {
		return
	}
	row := TopRow{Value: value, Packed: key}
	if n := r.o.Count; n > 0 && len(r.rows) >= 2*n {
		r.trim(n)
	}
	if n := r.o.Count; n > 0 && len(r.rows) >= n && r.worst != nil && r.compare(&row, r.worst) > 0 {
		return
	}
	row.Packed = r.clone(key)
	r.rows = append(r.rows, row)
}

// clone returns a copy of a key. Where all rows are kept, copies stand side by side.
func (r *ranking) clone(key []byte) []byte {
	if r.o.Count > 0 {
		return bytes.Clone(key)
	}
	if cap(r.room)-len(r.room) < len(key) {
		r.room = make([]byte, 0, max(1<<16, len(key)))
	}
	at := len(r.room)
	r.room = append(r.room, key...)
	return r.room[at:len(r.room):len(r.room)]
}

// addAll adds the groups of a table, and counts them in t.
func (r *ranking) addAll(t *Top, from *table) {
	t.Groups += from.len()
	if r.o.Count == 0 && r.need() == 0 {
		r.rows = slices.Grow(r.rows, from.len())
	}
	for i := range from.len() {
		r.add(from.key(i), from.sum(i))
	}
}

// need returns what a group must have at least to be among the first ones, as far as is
// known.
func (r *ranking) need() uint64 {
	need := max(r.o.Threshold, uint64(float64(r.total)/100*r.o.Percent*(1-1e-9)))
	if n := r.o.Count; n > 0 && len(r.rows) >= n {
		r.trim(n)
		need = max(need, r.worst.Value)
	}
	return need
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
	r.sort()
	if len(r.rows) >= n {
		clear(r.rows[n:])
		r.rows = r.rows[:n]
		last := r.rows[n-1]
		r.worst = &last
	}
}

// answer sets the rows of t in order, with their keys and shares.
func (r *ranking) answer(t *Top) *Top {
	o := r.o
	if o == nil {
		return t
	}
	if o.Value.counts() {
		t.Total = 0
	}
	n := o.Count
	if n == 0 || n > len(r.rows) {
		n = len(r.rows)
	}
	r.trim(max(n, 1))
	sum := uint64(0)
	for i := range r.rows {
		row := &r.rows[i]
		if sum += row.Value; t.Total > 0 {
			row.Percent, row.Cumulative = 100*float64(row.Value)/float64(t.Total), 100*float64(sum)/float64(t.Total)
		}
	}
	t.Rows = r.rows
	return t
}
