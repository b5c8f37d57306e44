package geo

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/plugin/hit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func addr(text string) flow.Addr { return flow.AddrFrom(netip.MustParseAddr(text)) }

func moment(t testing.TB, text string) Moment {
	t.Helper()
	var m Moment
	if text != "" {
		if err := m.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// TestEmbedded asks the built-in tables about addresses that will not move.
func TestEmbedded(t *testing.T) {
	v := Embedded()
	for text, want := range map[string]string{
		"8.8.8.8": "US AS15169 Google LLC", "193.0.6.139": "NL AS3333 Reseaux IP Europeens Network Coordination Centre (RIPE NCC)", // www.ripe.net
		"129.240.0.1": "NO AS224 SIKT - KUNNSKAPSSEKTORENS TJENESTELEVERANDOR", "2001:700:100::1": "NO AS224 SIKT - KUNNSKAPSSEKTORENS TJENESTELEVERANDOR",
		"10.1.2.3": "private", "172.31.255.255": "private", "192.168.0.1": "private", "100.64.0.1": "private", "127.0.0.1": "private", "169.254.1.1": "private",
		"fd00::1": "private", "fe80::1": "private", "::1": "private", "255.255.255.255": "private",
		"224.0.0.1": "multicast", "239.255.255.255": "multicast", "ff02::1": "multicast",
		"0.0.0.0": "--", "198.51.100.7": "--", "203.0.113.7": "--", "2001:db8::1": "--", "240.0.0.1": "--", "::": "--", "192.0.2.1": "--", "100::1": "--",
		// 6to4, Teredo and NAT64 of 8.8.8.8, and of addresses that are nobody's.
		"2002:808:808::1": "US AS15169 Google LLC", "2001:0:4136:e378:8000:63bf:f7f7:f7f7": "US AS15169 Google LLC", "64:ff9b::8.8.8.8": "US AS15169 Google LLC",
		"2002:a01:203::1": "--", "2002:e000:1::": "--", "64:ff9b::10.0.0.1": "--", "64:ff9b:1::8.8.8.8": "--",
	} {
		p := v.Place(addr(text), 0)
		got := p.Country.String()
		if p.AS != 0 {
			got += fmt.Sprintf(" AS%d %s", p.AS, v.Owner(p.AS))
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	if v.Source() != "DB-IP" || len(v.Date()) != len(time.DateOnly) {
		t.Errorf("source %q, date %q", v.Source(), v.Date())
	}
	for c := range map[Country]bool{v.Country(addr("8.8.8.8"), 0): true} {
		if !codes[c] {
			t.Errorf("%s is not a country", c)
		}
	}
}

// TestSizes holds what the tables may take: the countries in the program and in memory.
func TestSizes(t *testing.T) {
	if n := len(countryTable); n > 700<<10 {
		t.Errorf("the table of countries takes %d bytes of the program", n)
	}
	if n := builtIn.get().Bytes(); n > 12<<20 {
		t.Errorf("the table of countries takes %d bytes of memory", n)
	}
	for _, c := range builtIn.get().Values() {
		if c.IsCode() && !codes[c] {
			t.Errorf("the table has %s, which is not a country", c)
		}
	}
}

// TestAgreement holds the built-in countries against what other sources agree on, for
// addresses of published lists: testdata/README.md says how the sample was taken.
func TestAgreement(t *testing.T) {
	text, err := os.ReadFile("testdata/agreed.csv")
	if err != nil {
		t.Fatal(err)
	}
	v, all, same := Embedded(), 0, 0
	for line := range strings.Lines(string(text)) {
		ip, code, ok := strings.Cut(strings.TrimSpace(line), ",")
		if !ok || strings.HasPrefix(ip, "#") {
			continue
		}
		all++
		if v.Country(addr(ip), 0).String() == code {
			same++
		}
	}
	if all < 1000 {
		t.Fatalf("%d addresses are too few to tell", all)
	}
	share := float64(same) / float64(all)
	t.Logf("%d of %d: %.1f%%", same, all, 100*share)
	if share < 0.96 {
		t.Errorf("%.1f%% of %d addresses are where other sources agree that they are, want 96%%", 100*share, all)
	}
}

// TestChangingAddress: a site that has another address outside from a day on, and a
// tunnel that is registered elsewhere.
func TestChangingAddress(t *testing.T) {
	no := NewCountry("NO")
	c := Config{
		Sites: []Site{{Name: "home", Country: no, Inside: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16")}, Outside: []Outside{
			{Net: netip.MustParsePrefix("8.8.8.7/32"), From: moment(t, "2026-01-01"), To: moment(t, "2026-03-04T10:00Z")},
			{Net: netip.MustParsePrefix("8.8.8.99/32"), From: moment(t, "2026-03-04T10:00Z")},
		}}},
		Overrides: []Override{
			{Net: netip.MustParsePrefix("2001:470:1f0b:123::/64"), Country: no, Label: "tunnel"},
			{Net: netip.MustParsePrefix("8.8.0.0/16"), Country: NewCountry("SE"), Label: "wide", To: moment(t, "2026-02-01")},
			{Net: netip.MustParsePrefix("8.8.8.7" + "/32"), Country: NewCountry("DK"), Label: "after the site"},
			{Net: netip.MustParsePrefix("2001:470::/32"), Country: NewCountry("FI"), Label: "around"},
		},
	}
	before, v := Embedded(), Embedded().withRules(&c, nil)
	for _, x := range []struct{ addr, at, before, after, site string }{
		{"10.20.3.4", "2026-01-01", "private", "NO", "home"},
		{"8.8.8.7", "2025-12-31T23:59:59Z", "US", "DK", "after the site"},
		{"8.8.8.7", "2026-01-01", "US", "NO", "home"},
		{"8.8.8.7", "2026-03-04T09:59:59Z", "US", "NO", "home"},
		{"8.8.8.7", "2026-03-04T10:00:00Z", "US", "DK", "after the site"},
		{"8.8.8.99", "2026-03-04T09:59:59Z", "US", "US", ""},
		{"8.8.8.99", "2026-03-04T10:00:00Z", "US", "NO", "home"},
		{"8.8.1.1", "2026-01-31", "US", "SE", "wide"},
		{"8.8.1.1", "2026-02-01", "US", "US", ""},
		{"2001:470:1f0b:123::5", "2026-01-01", "RU", "NO", "tunnel"},
		{"2001:470:1f0b:124::5", "2026-01-01", "RU", "FI", "around"},
		{"2002:808:863::1", "2026-04-01", "US", "NO", "home"}, // 6to4 of 8.8.8.99
	} {
		at := moment(t, x.at).UnixNano()
		if got := before.Country(addr(x.addr), at).String(); got != x.before {
			t.Errorf("%s without configuration: %s, want %s", x.addr, got, x.before)
		}
		if p := v.Place(addr(x.addr), at); p.Country.String() != x.after || p.Site != x.site {
			t.Errorf("%s at %s: %s %q, want %s %q", x.addr, x.at, p.Country, p.Site, x.after, x.site)
		}
	}
}

func TestLocate(t *testing.T) {
	v := Embedded()
	at := time.Date(2026, 6, 7, 10, 0, 0, 0, time.UTC)
	h := hit.Hit{Src: netip.MustParseAddr("10.1.2.3"), Dst: netip.MustParseAddr("8.8.8.8"), Remote: netip.MustParseAddr("8.8.8.8"), Start: at}
	v.Locate(&h)
	want := hit.Place{Country: "US", AS: 15169, Owner: "Google LLC"}
	if h.Country != "US" || h.SrcPlace != (hit.Place{Country: hit.Private}) || h.DstPlace != want {
		t.Errorf("%q %+v %+v", h.Country, h.SrcPlace, h.DstPlace)
	}
	h = hit.Hit{Src: netip.MustParseAddr("8.8.8.8"), Dst: netip.MustParseAddr("224.0.0.5"), Remote: netip.MustParseAddr("8.8.8.8"), SrcPlace: hit.Place{AS: 3333, Host: "h"}}
	v.Locate(&h)
	want = hit.Place{Country: "US", AS: 3333, Owner: "Reseaux IP Europeens Network Coordination Centre (RIPE NCC)", Host: "h"}
	if h.Country != "US" || h.SrcPlace != want || h.DstPlace.Country != hit.Multicast {
		t.Errorf("the router's own system comes first: %q %+v %+v", h.Country, h.SrcPlace, h.DstPlace)
	}
	h = hit.Hit{}
	if v.Locate(&h); h.Country != "" || h.SrcPlace != (hit.Place{}) {
		t.Errorf("nothing: %+v", h)
	}
}

func TestCountry(t *testing.T) {
	for c, want := range map[Country][2]string{
		NewCountry("no"): {"NO", "NO"}, NewCountry("NO"): {"NO", "NO"}, Unknown: {"--", "--"}, Private: {"private", "xp"}, Multicast: {"multicast", "xm"},
	} {
		if got := [2]string{c.String(), c.Code()}; got != want {
			t.Errorf("%d: %q, want %q", c, got, want)
		}
	}
	for _, text := range []string{"", "n", "nor", "n1", "??", "é"} {
		if c := NewCountry(text); c != Unknown {
			t.Errorf("%q is %s", text, c)
		}
	}
	for _, c := range []Country{tunnel, 0x4040, 0x5b5b, 0xffff, 100} {
		if c.String() != "--" {
			t.Errorf("%d is %s", c, c)
		}
	}
	for code, want := range map[string]string{"UK": "GB", "eu": "--", "ZZ": "--", " de ": "DE", "-": "--", "": "--", "A1": "--"} {
		if got := Published(code).String(); got != want {
			t.Errorf("published %q is %s, want %s", code, got, want)
		}
	}
}

func TestLookupsDoNotAllocate(t *testing.T) {
	c := Config{Overrides: []Override{{Net: netip.MustParsePrefix("2001:470:1f0b:123::/64"), Country: NewCountry("NO")}}}
	v := Embedded().withRules(&c, nil)
	four, six, tunnel := addr("193.0.6.139"), addr("2001:700:100::1"), addr("2002:808:808::1")
	if n := testing.AllocsPerRun(100, func() {
		for _, a := range []flow.Addr{four, six, tunnel} {
			_, _ = v.CountryAndAS(a, 1)
			_ = v.Place(a, 1).Country.String()
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkCountry looks up addresses that are spread as the boundaries are, so that
// each finds other parts of the table.
func BenchmarkCountry(b *testing.B) {
	v := Embedded()
	var four, six [1 << 16]flow.Addr
	random := rand.New(rand.NewPCG(1, 2))
	all := builtIn.get().Ranges()
	n4, _ := builtIn.get().Len()
	for i := range four {
		four[i] = flow.Addr4(flow.AddrFrom(all[random.IntN(n4/2)].First).V4() + random.Uint32N(256))
		r := all[len(all)-1-random.IntN(300_000)]
		six[i] = flow.AddrFrom(r.First)
		six[i].Lo = random.Uint64()
	}
	const busy = 1 << 12 // as many as a network talks to all the time
	b.Run("v4", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			v.Country(four[i&(busy-1)], 0)
		}
	})
	b.Run("v6", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			v.Country(six[i&(busy-1)], 0)
		}
	})
	b.Run("v4 all over", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			v.Country(four[i&(len(four)-1)], 0)
		}
	})
	b.Run("v6 all over", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			v.Country(six[i&(len(six)-1)], 0)
		}
	})
	b.Run("v6 cold", func(b *testing.B) { // what else the program does takes the caches
		other := make([]byte, 64<<20)
		for i := 0; b.Loop(); i++ {
			if i&0xfff == 0 {
				b.StopTimer()
				for k := 0; k < len(other); k += 64 {
					other[k]++
				}
				b.StartTimer()
			}
			v.Country(six[i&(len(six)-1)], 0)
		}
	})
	b.Run("AS v4", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			v.AS(four[i&(len(four)-1)])
		}
	})
}
