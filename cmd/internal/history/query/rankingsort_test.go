package query

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSortedAsCompared: however groups are sorted, their order is that of comparing each
// with each.
func TestSortedAsCompared(t *testing.T) {
	rnd := rand.New(rand.NewPCG(rand.Uint64(), 5))
	for _, c := range []struct {
		name          string
		width         int
		values, bytes uint64 // how many different ones
		digits        bool
	}{
		{"a series", 10, 1 << 30, 3, true},
		{"the same value", 6, 1, 256, true},
		{"all different", 20, 1 << 62, 256, false},
		{"the same key", 4, 1 << 60, 1, true},
	} {
		for _, o := range []TopOptions{{}, {Bottom: true}, {ByKey: true}, {Count: 700}} {
			r := newRanking(&o, 0, nil)
			for range 3 * fewToSort {
				key := make([]byte, c.width)
				for i := range key {
					if i == 0 || i >= c.width-3 { // as in a series in time
						key[i] = byte(rnd.Uint64N(c.bytes))
					} else if !c.digits {
						key[i] = byte(rnd.Uint32())
					}
				}
				r.groups = append(r.groups, groupSum{rnd.Uint64N(c.values), key})
			}
			want := slices.Clone(r.groups)
			slices.SortStableFunc(want, func(a, b groupSum) int { return r.compare(&a, &b) })
			if _, _, ok := r.digits(); ok != c.digits {
				t.Errorf("%s, %+v: digits: %v", c.name, o, ok)
			}
			r.sort()
			for i := range want {
				if a, b := &r.groups[i], &want[i]; a.value != b.value && !o.ByKey || !bytes.Equal(a.key, b.key) {
					t.Fatalf("%s, %+v: group %d is %d %x, want %d %x", c.name, o, i, a.value, a.key, b.value, b.key)
				}
			}
		}
	}
}

// BenchmarkSortSeries sorts a month by hour and country.
func BenchmarkSortSeries(b *testing.B) {
	var groups []groupSum
	for i := range 170_000 {
		key := binary.BigEndian.AppendUint64(nil, 1<<63+490_000+uint64(i%720))
		groups = append(groups, groupSum{uint64(i), binary.BigEndian.AppendUint16(key, uint16(i/720)*251)})
	}
	r := newRanking(&TopOptions{ByKey: true}, 0, nil)
	for b.Loop() {
		r.groups = slices.Clone(groups)
		r.sort()
	}
}
