package export

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// TestHolding: what is said of an address is what the file holds, whatever the filter.
func TestHolding(t *testing.T) {
	b := intel.NewAllowBuilder()
	b.Add(intel.AllowEntry{Prefix: netip.MustParsePrefix("203.0.113.128/25")})
	set := intel.NewSetExcept(b.Allow(),
		feed("otx", on("198.51.100.23/32", intel.C2, 80), on("203.0.113.0/24", intel.Scanner, 40), on("192.0.0.0/6", intel.Other, 90), on("2001:db8::7/128", intel.Malware, 70)),
		feed("ours", on("198.51.100.23/32", intel.Policy, 60), on("203.0.113.9/32", intel.C2, 90), on("198.51.100.24/32", intel.Spam, 60)),
	)
	filters := []Filter{
		{}, {MinScore: 65}, {MinScore: 91}, {Categories: []intel.Category{intel.C2}}, {Feeds: []string{"ours"}}, {Kinds: []Kind{Prefix}},
		{Max: 1}, {Max: 2}, {Max: 100}, {Categories: []intel.Category{intel.Scanner}, Max: 1},
	}
	held, whys := 0, map[string]bool{}
	for _, name := range []string{"198.51.100.23", "198.51.100.24", "203.0.113.9", "203.0.113.10", "203.0.113.200", "193.0.0.1", "2001:db8::7", "8.8.8.8"} {
		addr := netip.MustParseAddr(name)
		for _, f := range filters {
			o := Options{Format: "silk", Filter: f, Now: now}
			var file bytes.Buffer
			if _, err := Write(&file, set, o); err != nil {
				t.Fatal(err)
			}
			want := false
			for line := range strings.FieldsSeq(file.String()) {
				if !strings.Contains(line, "/") {
					want = want || line == name
				} else {
					want = want || netip.MustParsePrefix(line).Contains(addr)
				}
			}
			got, why := Holding(set, addr, set.Lookup(addr, now), o)
			if got != want || got == (why != "") {
				t.Errorf("%s, %+v: %v %q, and the file says %v:\n%s", name, f, got, why, want, file.String())
			}
			if whys[why] = true; got {
				held++
			}
		}
	}
	if held < 10 {
		t.Errorf("%d times held", held)
	}
	for o, want := range map[*Options]string{
		{Format: "ossec"}:                    "left out: no-ipv6",
		{Format: "suricata-domains"}:         "its format holds no addresses",
		{Format: "rpz", Action: ActionAllow}: "it holds nothing that is listed",
		{Format: "rpz"}:                      "",
	} {
		addr := netip.MustParseAddr("2001:db8::7")
		if held, why := Holding(set, addr, set.Lookup(addr, now), *o); why != want || held != (want == "") {
			t.Errorf("%s: %v %q", o.Format, held, why)
		}
	}
	for _, want := range []string{
		"", "no list names it", "takes a score of 65 and more; this has 60", "takes c2 only", "takes list ours only", "takes prefix only",
		"takes the 1 with the highest score only", "left out: too-wide",
	} {
		if !whys[want] {
			t.Errorf("nothing was said to be %q: %v", want, whys)
		}
	}
}
