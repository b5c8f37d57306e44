// Package table is a compact map from all addresses of the Internet to small numbers:
// countries, or autonomous systems. It is built once from ranges and never changes.
//
// It knows nothing of files and of what the numbers mean; it imports flow alone.
package table

import (
	"cmp"
	"net/netip"
	"slices"
	"sort"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// Value is what an address maps to; 0 stands for nothing.
type Value interface{ ~uint16 | ~uint32 }

// Range maps the addresses from First to Last, both included and of one family.
type Range[V Value] struct {
	First, Last netip.Addr
	Value       V
}

// Table maps addresses to values. The boundaries of ranges lie in flat arrays, and an
// index over the first bits finds the few that can matter: a look-up takes 10 to 40
// ns for IPv4 and 25 to 100 ns for IPv6, allocates nothing, and may run on any goroutine.
// IPv6 is told apart by its first 64 bits: nobody is given less.
//
// The zero Table is not ready: use New.
type Table[V Value] struct {
	four side[uint32, V]
	six  side[uint64, V]

	// index4 says for the first bits4 bits of an IPv4 address which boundary holds at their
	// start; one more entry ends the search.
	index4 []uint32
	// index6 says for the first 12 bits of an IPv6 address which block of blocks6 has
	// the next 16, or, negative, the one boundary that holds for all of them.
	index6  [1 << 12]int32
	blocks6 [][]uint32
}

// bits4 is how many bits of an IPv4 address the index has: with 18 few searches have more
// than three steps.
const bits4 = 18

// side is one family: starts are sorted, and the value beside one holds to the next.
type side[K uint32 | uint64, V Value] struct {
	starts []K
	values []V
}

// New returns the table of ranges. Where ranges overlap, the later one in the slice
// holds. Ranges with mixed families or a last before their first are left out.
func New[V Value](ranges []Range[V]) *Table[V] { return (&Table[V]{}).With(ranges) }

// With returns t with ranges over it: as New of t's own ranges and these, with a third
// of the memory.
func (t *Table[V]) With(ranges []Range[V]) *Table[V] {
	four, six := t.four.spans(len(ranges)), t.six.spans(len(ranges))
	for i, r := range ranges {
		first, last := r.First.Unmap(), r.Last.Unmap()
		switch {
		case !first.IsValid() || first.Is4() != last.Is4() || last.Less(first):
		case first.Is4():
			four = append(four, span[uint32, V]{key4(first), key4(last), 1 + i, r.Value})
		default:
			six = append(six, span[uint64, V]{key6(first), key6(last), 1 + i, r.Value})
		}
	}
	next := &Table[V]{four: flatten(four), six: flatten(six)}
	next.index()
	return next
}

// spans are what s maps to a value, with room for more; they are below all others.
func (s *side[K, V]) spans(more int) []span[K, V] {
	out := make([]span[K, V], 0, len(s.starts)+more)
	for i, start := range s.starts {
		last := ^K(0)
		if i+1 < len(s.starts) {
			last = s.starts[i+1] - 1
		}
		if s.values[i] != 0 {
			out = append(out, span[K, V]{first: start, last: last, value: s.values[i]})
		}
	}
	return out
}

func key4(a netip.Addr) uint32 { return flow.AddrFrom(a).V4() }
func key6(a netip.Addr) uint64 { return flow.AddrFrom(a).Hi }

// span is a range of keys; the one with the highest rank holds.
type span[K uint32 | uint64, V Value] struct {
	first, last K
	rank        int
	value       V
}

// flatten turns spans into boundaries, the first of them at 0. A sweep from the lowest
// key keeps the spans that hold in a heap by rank, so that any overlap costs n log n.
func flatten[K uint32 | uint64, V Value](spans []span[K, V]) side[K, V] {
	slices.SortFunc(spans, func(a, b span[K, V]) int { return cmp.Compare(a.first, b.first) })
	out := side[K, V]{starts: make([]K, 0, len(spans)+1), values: make([]V, 0, len(spans)+1)}
	put := func(at K, value V) {
		n := len(out.starts)
		switch {
		case n > 0 && out.starts[n-1] == at:
			out.values[n-1] = value
			if n > 1 && out.values[n-2] == value {
				out.starts, out.values = out.starts[:n-1], out.values[:n-1]
			}
		case n == 0 || out.values[n-1] != value:
			out.starts, out.values = append(out.starts, at), append(out.values, value)
		}
	}
	put(0, 0)
	var open heap[K, V]
	// close ends the spans that end before key, and tells what holds behind each.
	closeBefore := func(key K, all bool) {
		for len(open) > 0 && (all || open[0].last < key) {
			end := open[0].last
			for len(open) > 0 && open[0].last <= end {
				open.pop()
			}
			if end == ^K(0) {
				return
			}
			next := V(0)
			if len(open) > 0 {
				next = open[0].value
			}
			put(end+1, next)
		}
	}
	for _, s := range spans {
		closeBefore(s.first, false)
		open.push(s)
		put(s.first, open[0].value)
	}
	closeBefore(0, true)
	out.starts, out.values = slices.Clip(out.starts), slices.Clip(out.values)
	return out
}

// heap has the span of the highest rank first. Those of a lower rank that end sooner
// are dropped when they come to the top.
type heap[K uint32 | uint64, V Value] []span[K, V]

func (h *heap[K, V]) push(s span[K, V]) {
	*h = append(*h, s)
	for i := len(*h) - 1; i > 0; {
		up := (i - 1) / 2
		if (*h)[up].rank > (*h)[i].rank {
			return
		}
		(*h)[up], (*h)[i] = (*h)[i], (*h)[up]
		i = up
	}
}

func (h *heap[K, V]) pop() {
	last := len(*h) - 1
	(*h)[0] = (*h)[last]
	*h = (*h)[:last]
	for i := 0; ; {
		down := 2*i + 1
		if down >= last {
			return
		}
		if down+1 < last && (*h)[down+1].rank > (*h)[down].rank {
			down++
		}
		if (*h)[i].rank > (*h)[down].rank {
			return
		}
		(*h)[i], (*h)[down] = (*h)[down], (*h)[i]
		i = down
	}
}

// Lookup returns the value of an address.
func (t *Table[V]) Lookup(a flow.Addr) V {
	if a.Is4() {
		return t.lookup4(a.V4())
	}
	return t.lookup6(a.Hi)
}

func (t *Table[V]) lookup4(key uint32) V {
	at := key >> (32 - bits4)
	low, high := t.index4[at], t.index4[at+1]
	for low < high { // the last boundary that is not above key lies in low..high
		middle := (low + high + 1) / 2
		if t.four.starts[middle] <= key {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return t.four.values[low]
}

func (t *Table[V]) lookup6(key uint64) V {
	at := t.index6[key>>52]
	if at < 0 {
		return t.six.values[^at]
	}
	block := t.blocks6[at]
	next := key >> 36 & 0xffff
	low, high := block[next], block[next+1]
	for low < high {
		middle := (low + high + 1) / 2
		if t.six.starts[middle] <= key {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return t.six.values[low]
}

// index fills the indexes from the boundaries. A block without a boundary of its own
// inherits the range that spans it.
func (t *Table[V]) index() {
	t.index4 = make([]uint32, 1<<bits4+1)
	at := 0
	for i := range t.index4 {
		at = t.four.advance(at, uint64(i)<<(32-bits4))
		t.index4[i] = uint32(at)
	}
	at = 0
	for i := range t.index6 {
		start := uint64(i) << 52
		at = t.six.advance(at, start)
		if end := t.six.advance(at, start+(1<<52-1)); end == at {
			t.index6[i] = ^int32(at)
			continue
		}
		block := make([]uint32, 1<<16+1)
		for k := range block {
			key := start + uint64(k)<<36
			if k == 1<<16 { // the last search ends with the block
				key = start + (1<<52 - 1)
			}
			at = t.six.advance(at, key)
			block[k] = uint32(at)
		}
		t.index6[i] = int32(len(t.blocks6))
		t.blocks6 = append(t.blocks6, block)
	}
}

// advance returns the last boundary that is not above key, which is at or behind at.
func (s *side[K, V]) advance(at int, key uint64) int {
	for at+1 < len(s.starts) && uint64(s.starts[at+1]) <= key {
		at++
	}
	return at
}

// Len returns the number of boundaries of both families.
func (t *Table[V]) Len() (four, six int) { return len(t.four.starts), len(t.six.starts) }

// Bytes returns how much memory the table takes.
func (t *Table[V]) Bytes() int {
	size := 2
	if uint64(^V(0)) > 1<<16 {
		size = 4
	}
	return len(t.four.starts)*(4+size) + len(t.six.starts)*(8+size) + 4*len(t.index4) + len(t.index6)*4 + len(t.blocks6)*4*(1<<16+1)
}

// Ranges returns the table as ranges, IPv4 first, in order, without those of value 0.
func (t *Table[V]) Ranges() []Range[V] {
	four, six := t.four.spans(0), t.six.spans(0)
	out := make([]Range[V], 0, len(four)+len(six))
	for _, s := range four {
		out = append(out, Range[V]{flow.Addr4(s.first).IP(), flow.Addr4(s.last).IP(), s.value})
	}
	for _, s := range six {
		out = append(out, Range[V]{flow.Addr{Hi: s.first}.IP(), flow.Addr{Hi: s.last, Lo: ^uint64(0)}.IP(), s.value})
	}
	return out
}

// WithGaps returns t with the values that other has where t has none.
func (t *Table[V]) WithGaps(other *Table[V]) *Table[V] {
	return other.With(t.Ranges())
}

// Values returns the values that occur, sorted.
func (t *Table[V]) Values() []V {
	seen := map[V]bool{}
	for _, values := range [][]V{t.four.values, t.six.values} {
		for _, v := range values {
			seen[v] = true
		}
	}
	delete(seen, 0)
	out := make([]V, 0, len(seen))
	for v := range seen {
		out = append(out, v)
	}
	sort.Slice(out, func(i, j int) bool { return out[i] < out[j] })
	return out
}
