package query

import (
	"slices"
	"sort"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// AddrSet is an immutable set of addresses: sorted ranges that do not touch. A list of
// 100,000 networks costs a question no more than one network does, but for the memory.
type AddrSet struct {
	ranges []flow.Range
	// front has one bit for each IPv4 /24 that any range touches: most addresses that
	// are asked for lie in none.
	front []uint64
}

// frontFrom is how many ranges make the front worth its 2 MiB.
const frontFrom = 64

// NewAddrSet makes a set of ranges in any order, which may overlap.
func NewAddrSet(ranges []flow.Range) *AddrSet {
	merged := flow.Merge(slices.Clone(ranges))
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
func (s *AddrSet) mark(r flow.Range) {
	first, last := r.First, r.Last
	if first.Compare(flow.Addr4(0)) < 0 {
		first = flow.Addr4(0)
	}
	if last.Compare(flow.Addr4(1<<32-1)) > 0 {
		last = flow.Addr4(1<<32 - 1)
	}
	if first.Compare(last) > 0 {
		return
	}
	for n := first.V4() >> 8; n <= last.V4()>>8; n++ {
		s.front[n>>6] |= 1 << (n & 63)
	}
}

// Ranges returns the set's ranges, sorted; they must not be changed.
func (s *AddrSet) Ranges() []flow.Range { return s.ranges }

// Contains reports whether a is in the set.
func (s *AddrSet) Contains(a flow.Addr) bool {
	if s.front != nil && a.Is4() {
		n := a.V4() >> 8
		if s.front[n>>6]>>(n&63)&1 == 0 {
			return false
		}
	}
	i := sort.Search(len(s.ranges), func(i int) bool { return s.ranges[i].Last.Compare(a) >= 0 })
	return i < len(s.ranges) && s.ranges[i].First.Compare(a) <= 0
}

// Overlaps reports whether any address of first to last is in the set.
func (s *AddrSet) Overlaps(first, last flow.Addr) bool {
	i := sort.Search(len(s.ranges), func(i int) bool { return s.ranges[i].Last.Compare(first) >= 0 })
	return i < len(s.ranges) && s.ranges[i].First.Compare(last) <= 0
}
