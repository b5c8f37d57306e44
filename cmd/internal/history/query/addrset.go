package query

import (
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

// front tells quickly that an IPv4 address is not in a set, or where in it to look.
type front struct {
	// touched has one bit for each /24 that any range touches: most addresses that
	// are asked for lie in none.
	touched [1 << 18]uint64
	// from is the first range that ends in or behind each /16.
	from [1<<16 + 1]int32
}

// frontFrom is how many ranges make the front worth its 2 MiB.
const frontFrom = 64

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
	f := &front{}
	next, behind := 0, len(ranges) // the first /16 whose from is not known, the first range behind all of IPv4
	for i, r := range ranges {
		first, last := flow.Addr4(0), flow.Addr4(1<<32-1)
		if r.Last.Compare(first) < 0 {
			continue
		}
		if r.First.Compare(last) > 0 {
			behind = i
			break
		}
		if r.First.Compare(first) > 0 {
			first = r.First
		}
		if r.Last.Compare(last) < 0 {
			last = r.Last
		}
		for ; next <= int(last.V4()>>16); next++ {
			f.from[next] = int32(i)
		}
		for n := first.V4() >> 8; n <= last.V4()>>8; n++ {
			f.touched[n>>6] |= 1 << (n & 63)
		}
	}
	for ; next < len(f.from); next++ {
		f.from[next] = int32(behind)
	}
	return f
}

// touches reports whether any range touches an address's /24.
func (f *front) touches(n uint32) bool { return f.touched[n>>14]>>(n>>8&63)&1 != 0 }

// Contains reports whether a is in the set.
func (s *AddrSet) Contains(a flow.Addr) bool {
	ranges := s.ranges
	if s.front != nil && a.Is4() {
		f, n := s.front(), a.V4()
		if !f.touches(n) {
			return false
		}
		ranges = ranges[f.from[n>>16]:min(int(f.from[n>>16+1])+1, len(ranges))]
	}
	i := sort.Search(len(ranges), func(i int) bool { return ranges[i].Last.Compare(a) >= 0 })
	return i < len(ranges) && ranges[i].First.Compare(a) <= 0
}
