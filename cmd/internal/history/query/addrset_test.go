package query

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// A set of many ranges, which looks at a front first, says what looking at each range says:
// for IPv4 and IPv6, at the edges of ranges, and for ranges that span both.
func TestAddrSetContains(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	any := func() flow.Addr {
		switch r.IntN(4) {
		case 0:
			return flow.Addr{Hi: r.Uint64() >> (r.Uint32() & 63), Lo: r.Uint64()}
		case 1:
			return flow.Addr{Lo: r.Uint64() >> (r.Uint32() & 63)}
		}
		return flow.Addr4(r.Uint32())
	}
	for range 60 {
		var ranges []flow.Range
		for range 1 + r.IntN(400) {
			one := flow.Range{First: any()}
			one.Last = one.First
			switch r.IntN(5) {
			case 0:
				one.Last.Lo |= 1<<r.IntN(20) - 1
			case 1:
				if a := any(); r.IntN(20) == 0 && a.Compare(one.First) > 0 {
					one.Last = a
				}
			}
			ranges = append(ranges, one)
		}
		set := NewAddrSet(ranges)
		check := func(a flow.Addr) {
			want := slices.ContainsFunc(ranges, func(r flow.Range) bool { return r.First.Compare(a) <= 0 && a.Compare(r.Last) <= 0 })
			if got := set.Contains(a); got != want {
				t.Fatalf("%d ranges: %v: %v, want %v", len(set.ranges), a.IP(), got, want)
			}
		}
		for _, one := range ranges {
			for _, a := range []flow.Addr{one.First, one.Last, one.Last.Next(), {Hi: one.First.Hi, Lo: one.First.Lo - 1}} {
				check(a)
			}
		}
		for range 300 {
			check(any())
		}
		for _, a := range []flow.Addr{{}, flow.Addr4(0), flow.Addr4(1<<32 - 1), {Hi: ^uint64(0), Lo: ^uint64(0)}} {
			check(a)
		}
	}
}
