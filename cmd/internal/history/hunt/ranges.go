package hunt

import (
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// RangesOf returns the addresses that a set lists at now and that wanted accepts (nil:
// all), sorted and disjoint.
func RangesOf(set *intel.Set, now time.Time, wanted func(*intel.Indicator) bool) []flow.Range {
	var out []flow.Range
	if wanted == nil {
		out = make([]flow.Range, 0, set.Len())
		for s := range set.Spans(now) {
			r := flow.Range{First: flow.Addr{Hi: s.FirstHi, Lo: s.FirstLo}, Last: flow.Addr{Hi: s.LastHi, Lo: s.LastLo}}
			switch n := len(out) - 1; {
			case n < 0:
				out = append(out, r)
			case out[n].Last.Compare(r.Last) >= 0: // it lies in a wider network
			case out[n].Last.Next() == r.First:
				out[n].Last = r.Last
			default:
				out = append(out, r)
			}
		}
		return out
	}
	all := set.All(now, func(i *intel.Indicator) bool { return i.Prefix.IsValid() && wanted(i) })
	for i := range all {
		out = append(out, flow.RangeOf(i.Prefix))
	}
	return flow.Merge(out)
}

// Common returns the addresses that stand in both lists, which are sorted and disjoint.
func Common(a, b []flow.Range) (out []flow.Range) {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		r := a[i]
		if b[j].First.Compare(r.First) > 0 {
			r.First = b[j].First
		}
		if b[j].Last.Compare(r.Last) < 0 {
			r.Last = b[j].Last
		}
		if r.First.Compare(r.Last) <= 0 {
			out = append(out, r)
		}
		if a[i].Last.Compare(b[j].Last) < 0 {
			i++
		} else {
			j++
		}
	}
	return out
}
