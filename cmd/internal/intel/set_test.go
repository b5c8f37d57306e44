package intel

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

var now = time.Date(2026, 6, 7, 12, 0, 0, 0, time.UTC)

func at(prefix string, score uint8) Indicator {
	return Indicator{Prefix: netip.MustParsePrefix(prefix), Score: score}
}

func block(feed string, is ...Indicator) *Block {
	b := NewBuilder(feed)
	for _, i := range is {
		b.Add(&i)
	}
	return b.Block()
}

func contains(s *Set, ip string) bool {
	hi, lo, _ := halves(netip.MustParseAddr(ip))
	return s.Contains(hi, lo)
}

// said is what a person reads of the answer: feed and network, best first.
func said(is []Indicator) []string {
	var out []string
	for _, i := range is {
		what := i.Domain + i.URL
		if i.Prefix.IsValid() {
			what = i.Prefix.String()
		}
		out = append(out, i.Feed+" "+what)
	}
	return out
}

func TestLookupRanks(t *testing.T) {
	s := NewSet(
		block("a", at("198.51.100.0/24", 60), at("198.51.100.7/32", 60), at("203.0.113.9/32", 10)),
		nil,
		block("b", at("198.51.100.7/32", 60), at("198.51.100.7/32", 90), at("198.51.0.0/16", 70)),
		block("c", at("2001:db8::/32", 50), at("2001:db8::7/128", 50)),
	)
	for ip, want := range map[string][]string{
		"198.51.100.7":        {"b 198.51.100.7/32", "a 198.51.100.7/32", "b 198.51.100.7/32", "b 198.51.0.0/16", "a 198.51.100.0/24"},
		"::ffff:198.51.100.8": {"b 198.51.0.0/16", "a 198.51.100.0/24"},
		"203.0.113.9":         {"a 203.0.113.9/32"},
		"203.0.113.8":         nil,
		"2001:db8::7":         {"c 2001:db8::7/128", "c 2001:db8::/32"},
		"2001:db8:ffff::":     {"c 2001:db8::/32"},
		"2001:db9::":          nil,
	} {
		addr := netip.MustParseAddr(ip)
		if got := said(s.Lookup(addr, now)); !slices.Equal(got, want) {
			t.Errorf("Lookup(%s) = %q, want %q", ip, got, want)
		}
		if got := contains(s, ip); got != (want != nil) {
			t.Errorf("Contains(%s) = %v", ip, got)
		}
	}
	if s.Len() != 8 {
		t.Errorf("Len() = %d, want 8", s.Len())
	}
	if got, want := s.Feeds(), []FeedSize{{Feed: "a", Indicators: 3}, {Feed: "b", Indicators: 3}, {Feed: "c", Indicators: 2}}; !slices.Equal(got, want) {
		t.Errorf("Feeds() = %v, want %v", got, want)
	}
}

func TestIndicatorComesBackWhole(t *testing.T) {
	in := Indicator{
		Prefix: netip.MustParsePrefix("192.0.2.77/24"), Category: C2, Score: 88, Port: 443,
		Ref: "https://ref.example/1", Name: "Wave 3", Tags: "a,b",
		FirstSeen: now.Add(-48 * time.Hour), LastSeen: now, Expires: now.Add(time.Hour),
	}
	want := in
	want.Prefix, want.Feed, want.Combined = netip.MustParsePrefix("192.0.2.0/24"), "f", 88
	s := NewSet(block("f", in, in, in))
	got := s.Lookup(netip.MustParseAddr("192.0.2.1"), now)
	if len(got) != 1 || got[0] != want {
		t.Errorf("Lookup = %+v, want one %+v", got, want)
	}
	if got := s.Lookup(netip.MustParseAddr("192.0.2.1"), in.Expires); got != nil {
		t.Errorf("expired indicator returned: %+v", got)
	}
	if got := s.LookupAll(netip.MustParseAddr("192.0.2.1"), now); len(got) != 1 || got[0].Base != 88 || got[0].Name != want.Name {
		t.Errorf("LookupAll = %+v, want one %+v", got, want)
	}
}

func TestEmptySets(t *testing.T) {
	for name, s := range map[string]*Set{"nil": nil, "zero": {}, "no blocks": NewSet(), "empty block": NewSet(block("x"))} {
		if contains(s, "192.0.2.1") || contains(s, "2001:db8::1") ||
			s.Lookup(netip.MustParseAddr("192.0.2.1"), now) != nil || s.LookupDomain("bad.example", now) != nil || s.Len() != 0 {
			t.Errorf("%s set matches something", name)
		}
	}
}

// Flows without addresses hold "::"; not even a list of everything is about them.
func TestUnspecifiedNeverMatches(t *testing.T) {
	s := NewSet(block("all", at("0.0.0.0/0", 60), at("::/0", 60)))
	for ip, want := range map[string]bool{"0.0.0.0": false, "::": false, "::ffff:0.0.0.0": false, "0.0.0.1": true, "::1": true, "192.0.2.1": true} {
		if contains(s, ip) != want || (s.Lookup(netip.MustParseAddr(ip), now) != nil) != want {
			t.Errorf("%s: matched %v, want %v", ip, !want, want)
		}
	}
}

func TestLookupDomain(t *testing.T) {
	name := func(d string, score uint8) Indicator { return Indicator{Domain: d, Score: score} }
	url := func(u string) Indicator { return Indicator{URL: u, Score: 60} }
	expired := name("old.example", 60)
	expired.Expires = now
	s := NewSet(
		block("a", name("Bad.Example.", 60), name("c2.bad.example", 60), url("http://bad.example/x"), expired),
		block("b", url("http://198.51.100.23:8080/gate.php"), url("https://[2001:db8::9]/"), name("bad.example", 90)),
	)
	for ask, want := range map[string][]string{
		"bad.example":      {"b bad.example", "a bad.example", "a http://bad.example/x"},
		"BAD.EXAMPLE.":     {"b bad.example", "a bad.example", "a http://bad.example/x"},
		"x.c2.bad.example": {"b bad.example", "a bad.example", "a c2.bad.example"},
		"notbad.example":   nil,
		"example":          nil,
		"old.example":      nil,
		"198.51.100.23":    {"b http://198.51.100.23:8080/gate.php"},
		"2001:db8::9":      {"b https://[2001:db8::9]/"},
		"":                 nil,
	} {
		if got := said(s.LookupDomain(ask, now)); !slices.Equal(got, want) {
			t.Errorf("LookupDomain(%q) = %q, want %q", ask, got, want)
		}
	}
}

// The table, its fronts and the rows must tell the same story as a plain scan.
func TestAgainstScan(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	all := mixed(r, 3000)
	all = append(all, at("11.0.0.0/8", 1), at("2c00::/19", 1), at("192.0.2.0/25", 1), at("2a00:10::/29", 1))
	sets := map[string]*Set{"two feeds": NewSet(block("x", all[:2000]...), block("y", all[2000:]...))}
	few := all[len(all)-40:]
	sets["small"] = NewSet(block("x", few...))
	sets["with a wide IPv6 network"] = NewSet(block("x", append(slices.Clone(all), at("2000::/12", 1))...))
	for name, s := range sets {
		list := all
		switch name {
		case "small":
			list = few
		case "with a wide IPv6 network":
			list = append(slices.Clone(all), at("2000::/12", 1))
		}
		for range 5000 {
			ip := list[r.IntN(len(list))].Prefix.Addr()
			if r.IntN(2) == 0 {
				ip = list[r.IntN(len(list))].Prefix.Addr().Next()
			}
			n := 0
			for _, i := range list {
				if i.Prefix.Contains(ip) {
					n++
				}
			}
			got := s.Lookup(ip, now)
			if len(got) != n || contains(s, ip.String()) != (n > 0) {
				t.Fatalf("%s: %v is covered by %d, Lookup says %v, Contains %v", name, ip, n, said(got), contains(s, ip.String()))
			}
		}
	}
}

func TestBuilderBounds(t *testing.T) {
	b := NewBuilder("x")
	for i := range 200 {
		i := Indicator{Prefix: netip.MustParsePrefix("192.0.2.1/32"), Score: uint8(i % 100), Name: fmt.Sprint("reason ", i)}
		b.Add(&i)
	}
	crowd := b.Block()
	got := NewSet(crowd).Lookup(netip.MustParseAddr("192.0.2.1"), now)
	if len(got) != maxReasons || crowd.Crowded() != 200-maxReasons || got[0].Score != 99 {
		t.Errorf("%d reasons kept, %d counted as left out, best %d", len(got), crowd.Crowded(), got[0].Score)
	}

	b = NewBuilder("x")
	long := string(make([]byte, 1<<20))
	for i := range 40 {
		b.Add(&Indicator{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 32), Category: C2, Name: fmt.Sprint(i, long)})
	}
	wordy := b.Block()
	if wordy.Len() != 40 || wordy.Unnamed() == 0 || wordy.Unnamed() > 30 {
		t.Errorf("%d of 40 kept, %d without name", wordy.Len(), wordy.Unnamed())
	}
	last := NewSet(wordy).Lookup(netip.MustParseAddr("192.0.2.39"), now)
	if len(last) != 1 || last[0].Name != "" || last[0].Category != C2 {
		t.Errorf("an indicator beyond the text bound came back as %d", len(last))
	}

	for _, i := range []Indicator{{}, {URL: "http://"}, {URL: "http://x.example/" + long[:maxURL]}, {URL: "%zz"}, {Domain: long[:300]}} {
		if b.Add(&i) {
			t.Errorf("accepted %.40v", i)
		}
	}
}
