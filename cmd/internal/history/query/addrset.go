package query

import (
	"cmp"
	"slices"
	"sort"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// AddrRange is the addresses First to Last, both included.
type AddrRange struct{ First, Last flow.Addr }

// AddrSet is an immutable set of addresses: sorted ranges that do not touch. A list of
// 100,000 networks costs a question no more than one network does, but for the memory.
type AddrSet struct {
	ranges []AddrRange
	// front has one bit for each IPv4 /24 that any range touches: most addresses that
	// are asked for lie in none.
	front []uint64
}

// frontFrom is how many ranges make the front worth its 2 MiB.
const frontFrom = 64

// NewAddrSet makes a set of ranges in any order, which may overlap.
func NewAddrSet(ranges []AddrRange) *AddrSet {
	ranges = slices.Clone(ranges)
	slices.SortFunc(ranges, func(a, b AddrRange) int { return compareAddr(a.First, b.First) })
	merged := ranges[:0]
	for _, r := range ranges {
		if n := len(merged); n > 0 && (compareAddr(r.First, merged[n-1].Last) <= 0 || next(merged[n-1].Last) == r.First) {
			if compareAddr(r.Last, merged[n-1].Last) > 0 {
				merged[n-1].Last = r.Last
			}
			continue
		}
		merged = append(merged, r)
	}
	s := &AddrSet{ranges: merged}
	if len(merged) >= frontFrom {
		s.front = make([]uint64, 1<<18)
		for _, r := range merged {
			s.mark(r)
		}
	}
	return s
}

// mark sets the bits of the /24s that r touches.
func (s *AddrSet) mark(r AddrRange) {
	first, last := r.First, r.Last
	if compareAddr(first, flow.Addr4(0)) < 0 {
		first = flow.Addr4(0)
	}
	if compareAddr(last, flow.Addr4(1<<32-1)) > 0 {
		last = flow.Addr4(1<<32 - 1)
	}
	if compareAddr(first, last) > 0 {
		return
	}
	for n := first.V4() >> 8; n <= last.V4()>>8; n++ {
		s.front[n>>6] |= 1 << (n & 63)
	}
}

// Ranges returns the set's ranges, sorted; they must not be changed.
func (s *AddrSet) Ranges() []AddrRange { return s.ranges }

// Contains reports whether a is in the set.
func (s *AddrSet) Contains(a flow.Addr) bool {
	if s.front != nil && a.Is4() {
		n := a.V4() >> 8
		if s.front[n>>6]>>(n&63)&1 == 0 {
			return false
		}
	}
	i := sort.Search(len(s.ranges), func(i int) bool { return compareAddr(s.ranges[i].Last, a) >= 0 })
	return i < len(s.ranges) && compareAddr(s.ranges[i].First, a) <= 0
}

// Overlaps reports whether any address of first to last is in the set.
func (s *AddrSet) Overlaps(first, last flow.Addr) bool {
	i := sort.Search(len(s.ranges), func(i int) bool { return compareAddr(s.ranges[i].Last, first) >= 0 })
	return i < len(s.ranges) && compareAddr(s.ranges[i].First, last) <= 0
}

func compareAddr(a, b flow.Addr) int {
	if c := cmp.Compare(a.Hi, b.Hi); c != 0 {
		return c
	}
	return cmp.Compare(a.Lo, b.Lo)
}

// next returns the address after a; after the last one comes the zero address.
func next(a flow.Addr) flow.Addr {
	a.Lo++
	if a.Lo == 0 {
		a.Hi++
	}
	return a
}
