package query

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// numRange is the numbers first to last, both included.
type numRange struct{ first, last uint64 }

// numSet is an immutable set of numbers: sorted ranges that do not touch.
type numSet []numRange

func newNumSet(ranges []numRange) numSet {
	ranges = slices.Clone(ranges)
	slices.SortFunc(ranges, func(a, b numRange) int { return cmp.Compare(a.first, b.first) })
	merged := ranges[:0]
	for _, r := range ranges {
		if n := len(merged); n > 0 && (merged[n-1].last == math.MaxUint64 || r.first <= merged[n-1].last+1) {
			merged[n-1].last = max(merged[n-1].last, r.last)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

func (s numSet) contains(n uint64) bool {
	if len(s) == 1 { // nearly always
		return s[0].first <= n && n <= s[0].last
	}
	i := sort.Search(len(s), func(i int) bool { return s[i].last >= n })
	return i < len(s) && s[i].first <= n
}
