package flow

import (
	"net/netip"
	"slices"
	"testing"
)

func TestRangeOf(t *testing.T) {
	for p, want := range map[string][2]string{
		"0.0.0.0/0":        {"0.0.0.0", "255.255.255.255"},
		"198.51.100.77/25": {"198.51.100.0", "198.51.100.127"},
		"192.0.2.1/32":     {"192.0.2.1", "192.0.2.1"},
		"2001:db8::1/47":   {"2001:db8::", "2001:db8:1:ffff:ffff:ffff:ffff:ffff"},
		"2001:db8::/64":    {"2001:db8::", "2001:db8::ffff:ffff:ffff:ffff"},
		"2001:db8::5/126":  {"2001:db8::4", "2001:db8::7"},
	} {
		r := RangeOf(netip.MustParsePrefix(p))
		if r.First.String() != want[0] || r.Last.String() != want[1] {
			t.Errorf("%s: %s to %s", p, r.First, r.Last)
		}
		if !r.Contains(r.First) || !r.Contains(r.Last) || r.Contains(r.Last.Next()) || r.Contains(r.First.Prev()) {
			t.Errorf("%s: wrong bounds", p)
		}
	}
}

func TestMerge(t *testing.T) {
	r := func(first, last uint32) Range { return Range{Addr4(first), Addr4(last)} }
	got := Merge([]Range{r(20, 29), r(1, 1), r(30, 31), r(5, 9), r(6, 7), r(33, 33), r(9, 12)})
	if want := []Range{r(1, 1), r(5, 12), r(20, 31), r(33, 33)}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	end := Addr{Hi: ^uint64(0), Lo: ^uint64(0)}
	all := []Range{{Addr{}, Addr{}}, {end, end}} // the last address's next is the first
	if got := Merge(slices.Clone(all)); !slices.Equal(got, all) {
		t.Errorf("%v", got)
	}
}

func TestNeighbours(t *testing.T) {
	for _, a := range []Addr{{}, {Lo: 1}, {Lo: ^uint64(0)}, {Hi: 1}, {Hi: ^uint64(0), Lo: ^uint64(0)}, Addr4(7)} {
		if n := a.Next(); n.Prev() != a || n != (Addr{}) && (a.Compare(n) != -1 || n.Compare(a) != 1) || a.Compare(a) != 0 {
			t.Errorf("%s", a)
		}
	}
}
