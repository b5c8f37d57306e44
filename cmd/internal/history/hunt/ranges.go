package hunt

import (
	"net/netip"
	"slices"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// RangesOf returns the addresses that a set lists at now and that wanted accepts (nil:
// all), sorted and disjoint.
func RangesOf(set *intel.Set, now time.Time, wanted func(*intel.Indicator) bool) []Range {
	var out []Range
	all := set.All(now, func(i *intel.Indicator) bool { return i.Prefix.IsValid() && (wanted == nil || wanted(i)) })
	for i := range all {
		out = append(out, RangeOf(i.Prefix))
	}
	return merged(out)
}

// RangeOf returns the addresses of a prefix.
func RangeOf(p netip.Prefix) Range {
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	first := flow.AddrFrom(p.Masked().Addr())
	last := first
	if bits < 64 {
		last.Hi |= ^uint64(0) >> bits
		last.Lo = ^uint64(0)
	} else if bits < 128 {
		last.Lo |= ^uint64(0) >> (bits - 64)
	}
	return Range{first, last}
}

// merged sorts ranges, in place, and joins those that touch.
func merged(ranges []Range) []Range {
	slices.SortFunc(ranges, func(a, b Range) int { return compare(a.First, b.First) })
	out := ranges[:0]
	for _, r := range ranges {
		if n := len(out); n > 0 && (compare(r.First, out[n-1].Last) <= 0 || after(out[n-1].Last) == r.First) {
			if compare(r.Last, out[n-1].Last) > 0 {
				out[n-1].Last = r.Last
			}
			continue
		}
		out = append(out, r)
	}
	return out
}

// Common returns the addresses that stand in both lists, which are sorted and disjoint.
func Common(a, b []Range) (out []Range) {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		r := a[i]
		if compare(b[j].First, r.First) > 0 {
			r.First = b[j].First
		}
		if compare(b[j].Last, r.Last) < 0 {
			r.Last = b[j].Last
		}
		if compare(r.First, r.Last) <= 0 {
			out = append(out, r)
		}
		if compare(a[i].Last, b[j].Last) < 0 {
			i++
		} else {
			j++
		}
	}
	return out
}
