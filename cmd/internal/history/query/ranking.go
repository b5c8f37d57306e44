package query

import (
	"bytes"
	"cmp"
	"slices"
)

// ranking keeps the groups that come first.
type ranking struct {
	o      *TopOptions
	total  uint64
	groups []groupSum
	worst  *groupSum // of the groups that were kept last
}

// groupSum is a group with its sum.
type groupSum struct {
	value uint64
	key   []byte
}

func newRanking(o *TopOptions, total uint64, groups []groupSum) ranking {
	return ranking{o: o, total: total, groups: groups}
}

// compare orders groups as they are printed. Equal values are ordered by key, so that an
// answer is always the same.
func (r *ranking) compare(a, b *groupSum) int {
	if !r.o.ByKey {
		c := cmp.Compare(b.value, a.value)
		if r.o.Bottom {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return bytes.Compare(a.key, b.key)
}

func (r *ranking) add(key []byte, value uint64) {
	if g := (groupSum{value, key}); r.wanted(value) && r.room(&g) {
		g.key = bytes.Clone(key)
		r.groups = append(r.groups, g)
	}
}

// room reports whether a group can be among the first ones.
func (r *ranking) room(g *groupSum) bool {
	n := r.o.Count
	if n > 0 && len(r.groups) >= 2*n {
		r.trim(n)
	}
	return n == 0 || len(r.groups) < n || r.worst == nil || r.compare(g, r.worst) <= 0
}

// addAll adds the groups of a table, and counts them in t.
func (r *ranking) addAll(t *Top, from *table) {
	t.Groups += from.len()
	for i := range from.len() {
		r.add(from.key(i), from.sum(i))
	}
}

// need returns what a group must have at least to be among the first ones, as far as is
// known.
func (r *ranking) need() uint64 {
	need := max(r.o.Threshold, uint64(float64(r.total)/100*r.o.Percent*(1-1e-9)))
	if n := r.o.Count; n > 0 && len(r.groups) >= n {
		r.trim(n)
		need = max(need, r.worst.value)
	}
	return need
}

func (r *ranking) wanted(value uint64) bool {
	inShare := true
	if r.o.Percent != 0 && r.total > 0 {
		share := 100 * float64(value) / float64(r.total)
		inShare = !r.o.Bottom && share >= r.o.Percent || r.o.Bottom && share <= r.o.Percent
	}
	if r.o.Bottom {
		return inShare && (r.o.Threshold == 0 || value <= r.o.Threshold)
	}
	return inShare && value >= r.o.Threshold
}

// trim keeps the first n groups.
func (r *ranking) trim(n int) {
	slices.SortFunc(r.groups, func(a, b groupSum) int { return r.compare(&a, &b) })
	if len(r.groups) >= n {
		clear(r.groups[n:])
		r.groups = r.groups[:n]
		last := r.groups[n-1]
		r.worst = &last
	}
}

// answer sets the rows of t in order, with their shares.
func (r *ranking) answer(t *Top) *Top {
	o := r.o
	if o == nil {
		return t
	}
	if o.Value.counts() {
		t.Total = 0
	}
	n := o.Count
	if n == 0 || n > len(r.groups) {
		n = len(r.groups)
	}
	r.trim(max(n, 1))
	t.Rows = make([]TopRow, len(r.groups))
	for i, g := range r.groups {
		t.Rows[i] = TopRow{Value: g.value, Packed: g.key}
	}
	t.share()
	return t
}

// share sets the shares of all rows.
func (t *Top) share() {
	sum := uint64(0)
	for i := range t.Rows {
		row := &t.Rows[i]
		if sum += row.Value; t.Total > 0 {
			row.Percent, row.Cumulative = 100*float64(row.Value)/float64(t.Total), 100*float64(sum)/float64(t.Total)
		}
	}
}
