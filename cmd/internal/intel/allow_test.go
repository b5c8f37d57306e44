package intel

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

func allowed(things ...string) []AllowEntry {
	var out []AllowEntry
	for _, text := range things {
		e := AllowEntry{List: "allow.txt", Reason: "said so"}
		if p, err := netip.ParsePrefix(text); err == nil {
			e.Prefix = p
		} else if text[0] == '.' {
			e.Domain, e.Subdomains = text[1:], true
		} else {
			e.Domain = text
		}
		out = append(out, e)
	}
	return out
}

func TestAllow(t *testing.T) {
	a := NewAllow(allowed("192.0.2.7/24", "192.0.2.9/32", "::ffff:198.51.100.0/120", "2001:db8::/32",
		"Exact.Example.", ".wide.example", "both.example", ".both.example", "sub.wide.example")...)
	for ask, want := range map[string]string{
		"192.0.2.9":           "192.0.2.9", // the narrowest
		"192.0.2.10":          "192.0.2.0/24",
		"::ffff:192.0.2.10":   "192.0.2.0/24",
		"192.0.3.0":           "",
		"198.51.100.255":      "198.51.100.0/24",
		"2001:db8:ffff::1":    "2001:db8::/32",
		"2001:db9::":          "",
		"exact.example":       "exact.example",
		"EXACT.EXAMPLE.":      "exact.example",
		"below.exact.example": "",
		"wide.example":        ".wide.example",
		"a.b.wide.example":    ".wide.example",
		"sub.wide.example":    "sub.wide.example",
		"x.sub.wide.example":  ".wide.example",
		"notwide.example":     "",
		"x.both.example":      ".both.example",
		"example":             "",
		"":                    "",
	} {
		e, ok := a.Host(ask)
		if ok != (want != "") || ok && e.String() != want || ok && (e.List != "allow.txt" || e.Reason != "said so") {
			t.Errorf("%q: %v %v, want %q", ask, e, ok, want)
		}
	}
	var all []string
	for e := range a.All() {
		all = append(all, e.String())
	}
	want := []string{"192.0.2.0/24", "192.0.2.9", "198.51.100.0/24", "2001:db8::/32", ".both.example", "exact.example", "sub.wide.example", ".wide.example"}
	if !slices.Equal(all, want) || a.Len() != len(want) {
		t.Errorf("All: %q (%d), want %q", all, a.Len(), want)
	}
	for range a.All() {
		break // must not go on
	}
}

func TestNilAllow(t *testing.T) {
	var a *Allow
	_, addr := a.Addr(netip.MustParseAddr("192.0.2.1"))
	_, name := a.Domain("bad.example")
	if addr || name || a.Len() != 0 || len(slices.Collect(a.All())) != 0 {
		t.Error("a nil Allow allows something")
	}
	if p := netip.MustParsePrefix("192.0.2.0/24"); !slices.Equal(a.Outside(p), []netip.Prefix{p}) {
		t.Error("a nil Allow takes something away")
	}
}

func TestFirstReasonStays(t *testing.T) {
	a := NewAllow(
		AllowEntry{Domain: "a.example", Reason: "first"}, AllowEntry{Domain: "a.example", Reason: "second"},
		AllowEntry{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Reason: "first"},
		AllowEntry{Prefix: netip.MustParsePrefix("192.0.2.1/24"), Reason: "second"},
	)
	for e := range a.All() {
		if e.Reason != "first" {
			t.Errorf("%v: %s", e, e.Reason)
		}
	}
	if b := NewAllowBuilder(); b.Add(AllowEntry{}) || b.Add(AllowEntry{Domain: string(make([]byte, 300))}) {
		t.Error("took an entry without anything, or with too much")
	}
}

func TestOutside(t *testing.T) {
	a := NewAllow(allowed("192.0.2.64/26", "192.0.2.255/32", "198.51.100.0/24", "2001:db8::1/128", "203.0.113.0/25", "203.0.113.128/25")...)
	for in, want := range map[string]string{
		"192.0.2.0/24":    "[192.0.2.0/26 192.0.2.128/26 192.0.2.192/27 192.0.2.224/28 192.0.2.240/29 192.0.2.248/30 192.0.2.252/31 192.0.2.254/32]",
		"192.0.2.64/27":   "[]",
		"192.0.2.128/26":  "[192.0.2.128/26]",
		"198.51.100.9/32": "[]",
		"203.0.113.0/24":  "[]", // two entries make up all of it
		"2001:db8::/126":  "[2001:db8::/128 2001:db8::2/127]",
	} {
		if got := fmt.Sprint(a.Outside(netip.MustParsePrefix(in))); got != want {
			t.Errorf("Outside(%s) = %s, want %s", in, got, want)
		}
	}
}

// What is allowed is told by no method of a Set, except by those that say so.
func TestAllowWins(t *testing.T) {
	feed := block("a",
		at("192.0.2.8/32", 100), at("192.0.2.9/32", 100), at("198.51.100.0/24", 100), at("2001:db8::/64", 100), at("2001:db8:1::1/128", 100),
		Indicator{Domain: "good.example", Score: 100}, Indicator{Domain: "x.good.example"}, Indicator{Domain: "bad.example"},
		Indicator{URL: "http://good.example/x"}, Indicator{URL: "http://192.0.2.8/x"}, Indicator{URL: "http://[2001:db8:1::1]:80/x"}, Indicator{URL: "http://bad.example/x"},
	)
	s := NewSetExcept(NewAllow(allowed("192.0.2.8/32", "198.51.100.128/25", "2001:db8::/64", "2001:db8:1::1/128", "good.example", ".fine.bad.example")...), feed)
	for ip, want := range map[string]bool{
		"192.0.2.8": false, "192.0.2.9": true, "198.51.100.1": true, "198.51.100.200": false, "::ffff:192.0.2.8": false,
		"2001:db8::1": false, "2001:db8:1::1": false,
	} {
		ip := netip.MustParseAddr(ip)
		if got := len(s.Lookup(ip, now)) > 0; got != want || contains(s, ip.String()) != want {
			t.Errorf("%v: Lookup %v, Contains %v, want %v", ip, got, contains(s, ip.String()), want)
		}
		if len(s.LookupAll(ip, now)) == 0 {
			t.Errorf("LookupAll(%v) hides what feeds say", ip)
		}
	}
	for name, want := range map[string][]string{
		"good.example":       nil,
		"y.good.example":     nil, // the indicator on good.example is gone, whoever asks
		"x.good.example":     {"a x.good.example"},
		"bad.example":        {"a bad.example", "a http://bad.example/x"},
		"x.bad.example":      {"a bad.example"},
		"x.fine.bad.example": nil,
		"192.0.2.8":          nil,
	} {
		if got := said(s.LookupDomain(name, now)); !slices.Equal(got, want) {
			t.Errorf("LookupDomain(%s) = %q, want %q", name, got, want)
		}
	}
	if got := s.LookupDomainAll("good.example", now); len(got) != 2 {
		t.Errorf("LookupDomainAll hides what feeds say: %+v", got)
	}
	want := []string{"a 192.0.2.9/32", "a 198.51.100.0/25", "a bad.example", "a http://bad.example/x", "a x.good.example"}
	if got := said(slices.Collect(s.All(now, nil))); !slices.Equal(got, want) {
		t.Errorf("All = %q, want %q", got, want)
	}
	size := s.Feeds()[0]
	if size.Allowed != 7 || size.Indicators != 5 || s.Len() != 5 || size.AllowedBy.String() != "192.0.2.8" {
		t.Errorf("%+v", size)
	}
	if feed.Len() != 12 {
		t.Error("the block was changed")
	}
	if s.Allow().Len() != 6 || NewSetExcept(NewAllow(), feed).Allow() != nil {
		t.Error("Allow() does not tell what is left out")
	}
}

// A Set with an Allow must tell the same story as a plain scan.
func TestAllowAgainstScan(t *testing.T) {
	peer.Long(t)
	r := rand.New(rand.NewPCG(3, 3))
	list := mixed(r, 2000)
	var entries []AllowEntry
	for _, i := range list[:400] {
		// The indicator itself, half of it, or what it lies in.
		p := i.Prefix
		switch bits := p.Bits(); r.IntN(3) {
		case 0:
			p = netip.PrefixFrom(p.Addr(), min(bits+1, p.Addr().BitLen()))
		case 1:
			p = netip.PrefixFrom(p.Addr(), bits-4).Masked()
		}
		entries = append(entries, AllowEntry{Prefix: p})
	}
	s := NewSetExcept(NewAllow(entries...), block("x", list...))
	rest := slices.Collect(s.All(now, nil))
	for range 20_000 {
		ip := list[r.IntN(len(list))].Prefix.Addr()
		for range r.IntN(2) {
			ip = ip.Next()
		}
		listed := slices.ContainsFunc(list, func(i Indicator) bool { return i.Prefix.Contains(ip) })
		free := !slices.ContainsFunc(entries, func(e AllowEntry) bool { return e.Prefix.Contains(ip) })
		want := listed && free
		if got := len(s.Lookup(ip, now)) > 0; got != want || contains(s, ip.String()) != want {
			t.Fatalf("%v: Lookup %v, Contains %v, want %v", ip, got, contains(s, ip.String()), want)
		}
		if got := slices.ContainsFunc(rest, func(i Indicator) bool { return i.Prefix.Contains(ip) }); got != want {
			t.Fatalf("%v: among All %v, want %v", ip, got, want)
		}
	}
}
