package export

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var now = time.Date(2026, 6, 7, 12, 0, 0, 0, time.UTC)

func on(prefix string, c intel.Category, score uint8) intel.Indicator {
	return intel.Indicator{Prefix: netip.MustParsePrefix(prefix), Category: c, Score: score}
}

func feed(name string, is ...intel.Indicator) *intel.Block {
	b := intel.NewBuilder(name)
	for _, i := range is {
		b.Add(&i)
	}
	return b.Block()
}

// sample has something of everything, in two feeds.
func sample() *intel.Set {
	wave := intel.Indicator{
		Category: intel.C2, Score: 80, Ref: "https://otx.example/pulse/1", Name: "Wave 3:\t\"quoted\", back\\slash \x1b[31m", Tags: "emotet, c2",
		FirstSeen: now.Add(-48 * time.Hour), LastSeen: now.Add(-time.Hour), Expires: now.Add(90 * 24 * time.Hour),
	}
	with := func(change func(*intel.Indicator)) intel.Indicator {
		i := wave
		change(&i)
		return i
	}
	return intel.NewSet(
		feed("otx",
			with(func(i *intel.Indicator) { i.Prefix = netip.MustParsePrefix("198.51.100.23/32") }),
			with(func(i *intel.Indicator) { i.Prefix = netip.MustParsePrefix("2001:db8:bad::23/128") }),
			with(func(i *intel.Indicator) { i.Domain = "bad.example" }),
			with(func(i *intel.Indicator) { i.URL = "http://Bad.example:80/gate.php?id=1&it='x'" }),
			with(func(i *intel.Indicator) { i.URL = "https://198.51.100.24:8443" }),
			with(func(i *intel.Indicator) { i.Domain = "old.example"; i.Expires = now }),
			on("203.0.113.0/24", intel.Scanner, 40),
			on("192.0.2.128/30", intel.Other, 0),
		),
		feed("lists/b:c.txt",
			on("203.0.113.0/24", intel.Spam, 60), // better than otx's
			on("203.0.113.9/32", intel.C2, 90),
			on("198.51.100.23/32", intel.Policy, 10), // worse than otx's
			on("2001:db8:f00::/48", intel.Anonymizer, 50),
			intel.Indicator{Domain: "Bücher.example.", Category: intel.Phishing, Score: 70},
		),
	)
}

func write(t *testing.T, set *intel.Set, o Options) (string, Stats) {
	t.Helper()
	if o.Now.IsZero() {
		o.Now = now
	}
	var b bytes.Buffer
	s, err := Write(&b, set, o)
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), s
}

func plain(t *testing.T, set *intel.Set, f Filter) []string {
	t.Helper()
	text, _ := write(t, set, Options{Format: "plain", Filter: f})
	return strings.Fields(text)
}

// TestGolden holds each format to a file that was read by eye and, where there is
// such a program, by the one it is for.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, format := range Formats() {
		t.Run(format, func(t *testing.T) {
			got, s := write(t, sample(), Options{Format: format})
			got += fmt.Sprintf("==\nwritten %d, left %v\n", s.Written, s.Left)
			path := filepath.Join("testdata", "golden", format)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if again, _ := write(t, sample(), Options{Format: format}); !strings.HasPrefix(got, again) {
				t.Error("a second time it is different")
			}
			for _, set := range []*intel.Set{nil, intel.NewSet()} {
				if _, s := write(t, set, Options{Format: format}); s.Written != 0 || s.Left != nil {
					t.Errorf("of nothing: %+v", s)
				}
			}
		})
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		f    Filter
		want string
	}{
		{"all", Filter{}, "192.0.2.128/30 198.51.100.23 203.0.113.0/24 203.0.113.9 2001:db8:bad::23 2001:db8:f00::/48 " +
			"https://198.51.100.24:8443 bad.example http://Bad.example:80/gate.php?id=1&it='x' xn--bcher-kva.example"},
		{"feed", Filter{Feeds: []string{"lists/b:c.txt"}}, "198.51.100.23 203.0.113.0/24 203.0.113.9 2001:db8:f00::/48 xn--bcher-kva.example"},
		{"category that another feed knows better", Filter{Categories: []intel.Category{intel.Policy, intel.Scanner}}, "198.51.100.23 203.0.113.0/24"},
		{"score", Filter{MinScore: 81}, "203.0.113.9"},
		{"kinds", Filter{Kinds: []Kind{Address, Domain}}, "198.51.100.23 203.0.113.9 2001:db8:bad::23 bad.example xn--bcher-kva.example"},
		{"unknown feed", Filter{Feeds: []string{"x"}}, ""},
		{"the best one", Filter{Max: 1}, "203.0.113.9"},
		{"the best, first of a tie", Filter{Max: 3}, "198.51.100.23 203.0.113.9 2001:db8:bad::23"},
		{"the best of a kind", Filter{Max: 2, Kinds: []Kind{Prefix}}, "203.0.113.0/24 2001:db8:f00::/48"},
		{"more than there are", Filter{Max: 100, Kinds: []Kind{Prefix}}, "192.0.2.128/30 203.0.113.0/24 2001:db8:f00::/48"},
	} {
		if got := plain(t, sample(), c.f); !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%s: %q\nwant %q", c.name, got, strings.Fields(c.want))
		}
	}
}

// What no reader should be handed is in no format, and counted once however
// often a format looks at the entries.
func TestUnsafeIsLeftOut(t *testing.T) {
	t.Parallel()
	bad := []intel.Indicator{
		on("0.0.0.0/0", intel.C2, 90), on("::/0", intel.C2, 90), on("128.0.0.0/7", intel.C2, 90), on("2000::/18", intel.C2, 90),
		on("0.0.0.0/32", intel.C2, 90), on("::/128", intel.C2, 90),
		{URL: "http://bad.example/a b"}, {URL: "http://bad.example/a\xff"}, {URL: "http://bad.example/a\u00fc"}, {URL: "http://bad.example/\x7f"},
	}
	for _, name := range []string{
		strings.Repeat("a", 70) + ".example", "two words.example", `quo"te.example`, "semi;colon.example",
		"$dollar.example", "a..example", "192.0.2.1", "2001:db8::1", "new\nline.example", "tab\tbed.example", "sla/sh.example",
	} {
		bad = append(bad, intel.Indicator{Domain: name})
	}
	good := on("128.0.0.0/8", intel.C2, 50)
	set := intel.NewSetExcept(
		intel.NewAllow(intel.AllowEntry{Prefix: netip.MustParsePrefix("9.9.9.9/32")}), // does not make parts of 0.0.0.0/0 acceptable
		feed("x", append(bad, good)...))
	for _, format := range Formats() {
		o := Options{Format: format}
		if format != "suricata-categories" { // lets nothing be chosen
			o.Filter.Max = 1000 // ranges over all entries twice
		}
		text, s := write(t, set, o)
		for _, never := range []string{"two", "quo", "semi", "dollar", "\xff", "bed", "0.0.0.0/", "::/", "9.9"} {
			if strings.Contains(text, never) {
				t.Errorf("%s: holds %q:\n%s", format, never, text)
			}
		}
		n, _ := formatOf(format)
		want := 0
		for _, k := range n.kinds {
			want += map[Kind]int{Address: 2, Prefix: 4, Domain: 11, URL: 4}[k]
		}
		left := 0
		for _, count := range s.Left {
			left += count
		}
		if left != want {
			t.Errorf("%s: left %d, want %d: %v", format, left, want, s.Left)
		}
	}
	if got := plain(t, set, Filter{}); !slices.Equal(got, []string{"128.0.0.0/8"}) {
		t.Errorf("plain: %q", got)
	}
}

func TestAllowedIsNeverExported(t *testing.T) {
	t.Parallel()
	set := intel.NewSetExcept(intel.NewAllow(
		intel.AllowEntry{Prefix: netip.MustParsePrefix("203.0.113.64/26")},
		intel.AllowEntry{Prefix: netip.MustParsePrefix("198.51.100.23/32")},
		intel.AllowEntry{Domain: "bad.example", Subdomains: true},
	), feed("x", on("203.0.113.0/24", intel.C2, 60), on("203.0.113.70/32", intel.C2, 60), on("198.51.100.23/32", intel.C2, 60),
		intel.Indicator{Domain: "www.bad.example"}, intel.Indicator{Domain: "worse.example"}))
	if got, want := plain(t, set, Filter{}), []string{"203.0.113.0/26", "203.0.113.128/25", "worse.example"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestOptionsThatDoNothingAreRefused(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{
		{}, {Format: "csv"}, {Format: "plain", Name: "x"}, {Format: "rpz", Name: "x"}, {Format: "nftables", Zone: "rpz.example"},
		{Format: "zeek", Action: "drop"}, {Format: "stix", CNAME: "walled.example"},
		{Format: "nftables", Name: "x; flush ruleset"}, {Format: "ipset", Name: strings.Repeat("x", 27)}, {Format: "ipset", Name: "X"},
		{Format: "plain", Filter: Filter{MinScore: 101}}, {Format: "plain", Filter: Filter{Max: -1}},
		{Format: "silk", Filter: Filter{Kinds: []Kind{Address, URL}}}, {Format: "suricata-categories", Filter: Filter{MinScore: 1}},
		{Format: "rpz", Action: "allow", Filter: Filter{Feeds: []string{"otx"}}},
	} {
		var b bytes.Buffer
		if _, err := Write(&b, sample(), o); err == nil || b.Len() > 0 {
			t.Errorf("%+v: wrote %q, error %v", o, b.String(), err)
		}
	}
}
