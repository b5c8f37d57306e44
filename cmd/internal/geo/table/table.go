// Package table is a compact map from all addresses of the Internet to small numbers:
// countries, or autonomous systems. It is built once from ranges and never changes.
//
// It knows nothing of files and of what the numbers mean; it imports flow alone.
package table

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// Value is what an address maps to; 0 stands for nothing.
type Value interface{ ~uint16 | ~uint32 }

// Range maps the addresses from First to Last, both included and of one family.
type Range[V Value] struct {
	First, Last netip.Addr
	Value       V
}

// Table maps addresses to values. An index over the first bits finds the few boundaries of
// ranges that can matter, and what is left of these stands in one number with the value:
// a look-up reads the index, mostly one line of boundaries, and allocates nothing. It may
// run on any goroutine. IPv6 is told apart by its first 64 bits: nobody is given less.
//
// The zero Table is not ready: use New.
type Table[V Value] struct {
	values []V // by their numbers, which boundaries have

	// index4 says for the first bits4 bits of an IPv4 address how many boundaries are
	// before it; one more entry ends the last. four has the other bits of a boundary
	// above the number of the value that holds from it on.
	index4 []uint32
	four   []uint32

	// index6 says for the first 12 bits of an IPv6 address which block of blocks6 has
	// the next 16, or, negative, the one boundary that holds for all of them. six is as
	// four.
	index6  [1 << 12]int32
	blocks6 []uint32 // of block6 entries each, as those of index4
	six     []uint64
}

const (
	// bits4 is how many bits of an IPv4 address the index has: with 18 few searches have
	// more than three steps.
	bits4 = 18
	// valueBits4 are those of the number of a value: what 14 other bits leave of 32. Of
	// autonomous systems there are half as many. Values beyond are not kept.
	valueBits4 = bits4
	valueBits6 = 28
	block6     = 1<<16 + 1
)

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
	four4, six6 := t.sides()
	four, six := four4.spans(len(ranges)), six6.spans(len(ranges))
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
	return pack(flatten(four), flatten(six))
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
	limit := key<<valueBits4 | (1<<valueBits4 - 1)
	for low < high { // the first boundary above key lies in low..high
		middle := (low + high) / 2
		if t.four[middle] <= limit {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return t.values[t.four[low-1]&(1<<valueBits4-1)]
}

func (t *Table[V]) lookup6(key uint64) V {
	at := t.index6[key>>52]
	if at < 0 {
		return t.values[t.six[^at]&(1<<valueBits6-1)]
	}
	block := t.blocks6[int(at)*block6+int(key>>36&0xffff):]
	low, high := block[0], block[1]
	limit := key<<valueBits6 | (1<<valueBits6 - 1)
	for low < high {
		middle := (low + high) / 2
		if t.six[middle] <= limit {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return t.values[t.six[low-1]&(1<<valueBits6-1)]
}

// pack returns the table of boundaries.
func pack[V Value](four side[uint32, V], six side[uint64, V]) *Table[V] {
	t := &Table[V]{}
	numbers := map[V]uint32{}
	number := func(v V) uint32 {
		n, ok := numbers[v]
		if !ok && len(t.values) < 1<<valueBits4 {
			n = uint32(len(t.values))
			numbers[v], t.values = n, append(t.values, v)
		}
		return n
	}
	number(0)
	t.four, t.six = make([]uint32, len(four.starts)), make([]uint64, len(six.starts))
	for i, start := range four.starts {
		t.four[i] = start<<valueBits4 | number(four.values[i])
	}
	for i, start := range six.starts {
		t.six[i] = start<<valueBits6 | uint64(number(six.values[i]))
	}
	t.index(four.starts, six.starts)
	return t
}

// index fills the indexes. A block without a boundary of its own inherits the range that
// spans it.
func (t *Table[V]) index(four []uint32, six []uint64) {
	t.index4 = make([]uint32, 1<<bits4+1)
	next := 0
	for i := range t.index4 {
		next = below(four, next, uint64(i)<<(32-bits4))
		t.index4[i] = uint32(next)
	}
	next = 0
	for i := range t.index6 {
		start := uint64(i) << 52
		next = below(six, next, start)
		if end := throughout(six, next, start); end >= 0 {
			t.index6[i] = ^int32(end)
			continue
		}
		t.index6[i] = int32(len(t.blocks6) / block6)
		for k := range uint64(block6) {
			if key := start + k<<36; key > start || k == 0 {
				next = below(six, next, key)
			} else { // behind the last address
				next = len(six)
			}
			t.blocks6 = append(t.blocks6, uint32(next))
		}
	}
	t.blocks6 = slices.Clone(t.blocks6) // without what it could grow
}

// below returns how many of starts are below key, at being a part of them.
func below[K uint32 | uint64](starts []K, at int, key uint64) int {
	for at < len(starts) && uint64(starts[at]) < key {
		at++
	}
	return at
}

// throughout returns the one boundary that holds for all addresses with the same first 12
// bits, below 0 where there are several: next is the first that is not below start.
func throughout(six []uint64, next int, start uint64) int {
	holds := next - 1
	if next < len(six) && six[next] == start {
		holds, next = next, next+1
	}
	if next < len(six) && six[next] <= start+(1<<52-1) {
		return -1
	}
	return holds
}

// sides returns the boundaries of a table.
func (t *Table[V]) sides() (four side[uint32, V], six side[uint64, V]) {
	for i := range max(len(t.index4), 1) - 1 {
		for _, b := range t.four[t.index4[i]:t.index4[i+1]] {
			four.put(uint32(i)<<(32-bits4)|b>>valueBits4, t.values[b&(1<<valueBits4-1)])
		}
	}
	add := func(first uint64) {
		b := t.six[len(six.starts)]
		six.put(first|b>>valueBits6, t.values[b&(1<<valueBits6-1)])
	}
	for i, at := range t.index6 {
		start := uint64(i) << 52
		switch {
		case len(t.six) == 0:
		case at < 0:
			if int(^at) == len(six.starts) {
				add(start)
			}
		default:
			block := t.blocks6[int(at)*block6:][:block6]
			for k := range uint64(block6 - 1) {
				for len(six.starts) < int(block[k+1]) {
					add(start + k<<36)
				}
			}
		}
	}
	return four, six
}

func (s *side[K, V]) put(start K, value V) {
	s.starts, s.values = append(s.starts, start), append(s.values, value)
}

// Len returns the number of boundaries of both families.
func (t *Table[V]) Len() (four, six int) { return len(t.four), len(t.six) }

// Bytes returns how much memory the table takes.
func (t *Table[V]) Bytes() int {
	return 4*len(t.values) + 4*len(t.four) + 8*len(t.six) + 4*len(t.index4) + 4*len(t.index6) + 4*len(t.blocks6)
}

// Ranges returns the table as ranges, IPv4 first, in order, without those of value 0.
func (t *Table[V]) Ranges() []Range[V] {
	four4, six6 := t.sides()
	four, six := four4.spans(0), six6.spans(0)
	out := make([]Range[V], 0, len(four)+len(six))
	for _, s := range four {
		out = append(out, Range[V]{flow.Addr4(s.first).IP(), flow.Addr4(s.last).IP(), s.value})
	}
	for _, s := range six {
		out = append(out, Range[V]{flow.Addr{Hi: s.first}.IP(), flow.Addr{Hi: s.last, Lo: ^uint64(0)}.IP(), s.value})
	}
	return out
}

// Values returns the values that occur, sorted, without 0.
func (t *Table[V]) Values() []V {
	out := slices.DeleteFunc(slices.Clone(t.values), func(v V) bool { return v == 0 })
	slices.Sort(out)
	return out
}
