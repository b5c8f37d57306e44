package query

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"testing"
)

// tableOf returns a table of groups.
func tableOf(t testing.TB, groups []groupSum) *table {
	t.Helper()
	out := newTable(len(groups[0].key), 1<<28)
	for _, g := range groups {
		if _, err := out.add(g.key, maphash.Bytes(hashSeed, g.key), g.value); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestAllAsCompared: however groups are sorted, their order is that of comparing each with
// each.
func TestAllAsCompared(t *testing.T) {
	rnd := rand.New(rand.NewPCG(rand.Uint64(), 5))
	for _, c := range []struct {
		name          string
		width         int
		values, bytes uint64 // how many different ones
		same          bool   // bytes in the middle of keys
	}{
		{"a series", 10, 1 << 30, 30, true},
		{"the same value", 6, 1, 256, true},
		{"all different", 20, 1 << 62, 256, false},
		{"few keys", 4, 1 << 60, 5, true},
		{"keys of a byte", 1, 3, 200, true},
	} {
		for _, o := range []TopOptions{{}, {Bottom: true}, {ByKey: true}, {Threshold: 1 << 29}} {
			var groups []groupSum
			known := map[string]bool{}
			for range 3000 {
				key := make([]byte, c.width)
				for i := range key {
					if i == 0 || i >= c.width-3 { // as in a series in time
						key[i] = byte(rnd.Uint64N(c.bytes))
					} else if !c.same {
						key[i] = byte(rnd.Uint32())
					}
				}
				if !known[string(key)] {
					known[string(key)] = true
					groups = append(groups, groupSum{rnd.Uint64N(c.values), key})
				}
			}
			r := newRanking(&o, 1<<40, nil)
			var got Top
			r.all(&got, tableOf(t, groups))
			if got.Groups != len(groups) {
				t.Errorf("%s, %+v: %d groups, want %d", c.name, o, got.Groups, len(groups))
			}
			groups = slices.DeleteFunc(groups, func(g groupSum) bool { return g.value < o.Threshold })
			slices.SortFunc(groups, func(a, b groupSum) int { return r.compare(&a, &b) })
			if len(got.Rows) != len(groups) {
				t.Fatalf("%s, %+v: %d rows, want %d", c.name, o, len(got.Rows), len(groups))
			}
			for i, want := range groups {
				if row := &got.Rows[i]; row.Value != want.value || !bytes.Equal(row.Packed, want.key) {
					t.Fatalf("%s, %+v: row %d is %d %x, want %d %x", c.name, o, i, row.Value, row.Packed, want.value, want.key)
				}
			}
		}
	}
}

// BenchmarkAllOfSeries ranks a month by hour and country.
func BenchmarkAllOfSeries(b *testing.B) {
	var groups []groupSum
	for i := range 170_000 {
		key := binary.BigEndian.AppendUint64(nil, 1<<63+490_000+uint64(i%720))
		groups = append(groups, groupSum{uint64(i), binary.BigEndian.AppendUint16(key, uint16(i/720)*251)})
	}
	t := tableOf(b, groups)
	r := newRanking(&TopOptions{ByKey: true}, 1<<40, nil)
	for b.Loop() {
		r.all(&Top{Total: 1 << 40}, t)
	}
}
