package query

import (
	"math/bits"
	"slices"
	"sort"
	"sync"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// AddrSet is an immutable set of addresses: sorted ranges that do not touch. A list of
// 100,000 networks costs a question no more than one network does, but for the memory.
type AddrSet struct {
	ranges []flow.Range
	front  func() *front // nil: not worth it
}

// front tells quickly that an address is not in a set, or where in it to look for one of
// IPv4. The addresses of a day's files that a hunt for 100,000 asks for are 4 M, of which
// hardly any is in the set.
type front struct {
	// narrow has one bit for each address of ranges of few, or for some. The fewer ranges
	// there are, the smaller it is: more of it stays in the processor's caches.
	narrow []uint64
	shift  uint // of a hash, which leaves a line of narrow
	// wide has one bit for each /24 that any other range touches, or for some; nil: there is
	// none.
	wide      []uint64
	wideShift uint // of a hash, which leaves a bit of wide
	// wide6: some other range holds addresses that are not of IPv4.
	wide6 bool
	// from is the first range that ends in or behind each /16.
	from [1<<16 + 1]int32
}

// narrowest is how many addresses a range has at most whose addresses are marked one by one.
const narrowest = 16

// frontFrom is how many ranges make the front worth its 256 KiB and more, and frontBits how
// many bits narrow has for each, up to frontMost.
const (
	frontFrom = 64
	frontBits = 64
	frontMost = 1 << 22
)

// NewAddrSet makes a set of ranges in any order, which may overlap. It may keep the slice,
// which must not change from then on.
func NewAddrSet(ranges []flow.Range) *AddrSet {
	if !flow.Merged(ranges) {
		ranges = flow.Merge(slices.Clone(ranges))
	}
	s := &AddrSet{ranges: ranges}
	if len(s.ranges) >= frontFrom { // when it is first asked: an index needs the ranges alone
		s.front = sync.OnceValue(func() *front { return newFront(s.ranges) })
	}
	return s
}

func newFront(ranges []flow.Range) *front {
	size := min(1<<bits.Len(uint(frontBits*len(ranges))), frontMost)
	f := &front{narrow: make([]uint64, size/64), shift: 64 - uint(bits.Len(uint(size/lineBits-1)))}
	next, behind := 0, len(ranges) // the first /16 whose from is not known, the first range behind all of IPv4
	least, most := flow.Addr4(0), flow.Addr4(1<<32-1)
	var wide [][2]uint32 // first and last /24
	for i, r := range ranges {
		narrow := f.markNarrow(r)
		f.wide6 = f.wide6 || !narrow && (r.First.Compare(least) < 0 || r.Last.Compare(most) > 0)
		switch {
		case r.Last.Compare(least) < 0:
			continue
		case r.First.Compare(most) > 0:
			behind = min(behind, i)
			continue
		}
		if r.First.Compare(least) < 0 {
			r.First = least
		}
		if r.Last.Compare(most) > 0 {
			r.Last = most
		}
		for ; next <= int(r.Last.V4()>>16); next++ {
			f.from[next] = int32(i)
		}
		if !narrow {
			wide = append(wide, [2]uint32{r.First.V4() >> 8, r.Last.V4() >> 8})
		}
	}
	f.markWide(wide)
	for ; next < len(f.from); next++ {
		f.from[next] = int32(behind)
	}
	return f
}

// markNarrow marks the addresses of a range of few, and reports whether it is one.
func (f *front) markNarrow(r flow.Range) bool {
	if r.First.Hi != r.Last.Hi || r.Last.Lo-r.First.Lo >= narrowest {
		return false
	}
	for lo := r.First.Lo; lo-r.First.Lo <= r.Last.Lo-r.First.Lo; lo++ {
		n := f.bitOf(flow.Addr{Hi: r.First.Hi, Lo: lo})
		f.narrow[n>>6] |= 1 << (n & 63)
	}
	return true
}

// markWide marks /24s from first to last.
func (f *front) markWide(wide [][2]uint32) {
	count := 0
	for _, w := range wide {
		count += int(w[1]-w[0]) + 1
	}
	if count == 0 {
		return
	}
	size := max(min(1<<bits.Len(uint(frontBits*count)), 1<<24), 64)
	f.wide, f.wideShift = make([]uint64, size/64), 32-uint(bits.Len(uint(size-1)))
	for _, w := range wide {
		for n := w[0]; n <= w[1]; n++ {
			bit := f.wideBit(n)
			f.wide[bit>>6] |= 1 << (bit & 63)
		}
	}
}

// wideBit returns the bit of a /24 in wide.
func (f *front) wideBit(n uint32) uint32 { return n * 0x9e3779b1 >> f.wideShift }

// lineBits is how many bits a line of the processor's cache has.
const lineBits = 512

// bitOf returns the bit of an address in narrow. Neighbours, of which dictionaries are
// full, have theirs in one line.
func (f *front) bitOf(a flow.Addr) uint64 {
	line := (a.Hi*0x9e3779b97f4a7c15 ^ a.Lo/lineBits) * 0xd6e8feb86659fd93 >> f.shift
	return line*lineBits | a.Lo%lineBits
}

// may reports whether an address may be in the set: of those that are not, hardly any.
func (f *front) may(a flow.Addr) bool {
	if n := f.bitOf(a); f.narrow[n>>6]>>(n&63)&1 != 0 {
		return true
	}
	if !a.Is4() {
		return f.wide6
	}
	if f.wide == nil {
		return false
	}
	n := f.wideBit(a.V4() >> 8)
	return f.wide[n>>6]>>(n&63)&1 != 0
}

// Contains reports whether a is in the set.
func (s *AddrSet) Contains(a flow.Addr) bool {
	ranges := s.ranges
	if s.front != nil {
		f := s.front()
		if !f.may(a) {
			return false
		}
		if a.Is4() {
			n := a.V4() >> 16
			ranges = ranges[f.from[n]:min(int(f.from[n+1])+1, len(ranges))]
		}
	}
	i := sort.Search(len(ranges), func(i int) bool { return ranges[i].Last.Compare(a) >= 0 })
	return i < len(ranges) && ranges[i].First.Compare(a) <= 0
}
