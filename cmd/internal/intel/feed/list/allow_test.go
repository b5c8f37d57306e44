package list

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

func parseAllow(text string) (got []string, drops ingest.Drops, err error) {
	drops, err = ParseAllow(strings.NewReader(text), func(e intel.AllowEntry) ingest.Reason {
		what := e.String()
		if e.Reason != "" {
			what += " (" + e.Reason + ")"
		}
		got = append(got, what)
		return ""
	})
	return got, drops, err
}

func TestParseAllow(t *testing.T) {
	got, drops, err := parseAllow("\ufeff# ours\r\n" + `
192.0.2.53           # our resolver
198.51.100.77/24     ; the "partner"
192.0.2.0 - 192.0.2.2
2001:db8::1 mail host
::ffff:203.0.113.9
Good.Example.
.wide.example
*.Star.Example       everything
bücher.example
1[.]0[.]0[.]1
192.0.2.53:443
good.example:8080
https://good.example/page
com
.co.uk
localhost
010.1.1.1
192.0.2.9-192.0.2.1
.
*.
a..b.example
` + strings.Repeat("x", ingest.MaxLine) + "\nlast.example")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"192.0.2.53 (our resolver)", `198.51.100.0/24 (the "partner")`, "192.0.2.0/31", "192.0.2.2", "2001:db8::1 (mail host)", "203.0.113.9",
		"good.example", ".wide.example", ".star.example (everything)", "xn--bcher-kva.example", "1.0.0.1", "last.example",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	counts := map[ingest.Reason]int{}
	for why, d := range drops {
		counts[why] = d.Count
	}
	if want := (map[ingest.Reason]int{
		ingest.TooNarrow: 3, ingest.SingleLabel: 2, ingest.PublicSuffix: 1, ingest.LeadingZero: 1, ingest.Reversed: 1, ingest.Unreadable: 3, ingest.LongLine: 1,
	}); !maps.Equal(counts, want) {
		t.Errorf("left out %v, want %v", counts, want)
	}
}

func TestParseAllowRefuses(t *testing.T) {
	for text, want := range map[string]error{
		"<html>":                                 ingest.ErrWebPage,
		"\x7fELF\x00":                            ingest.ErrBinary,
		"Sorry!\nWe are down for maintenance.\n": ErrNotAList,
		"[\"192.0.2.1\"]":                        ErrNotAList,
	} {
		if got, _, err := parseAllow(text); !errors.Is(err, want) {
			t.Errorf("%q: %q, %v, want %v", text, got, err, want)
		}
	}
	if got, _, err := parseAllow("# nothing yet\n"); err != nil || got != nil {
		t.Errorf("a list of comments: %q, %v", got, err)
	}
}

// Whatever a line holds, it allows something definite and no more than it names.
func FuzzParseAllow(f *testing.F) {
	for _, s := range []string{"192.0.2.1 # x", ".wide.example", "*.x.example;y", "a - b", "192.0.2.0-192.0.2.9", "x.example:80", "2001:db8::/32", "..", "*.*."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = ParseAllow(strings.NewReader(text), func(e intel.AllowEntry) ingest.Reason {
			a := intel.NewAllow(e)
			if a.Len() != 1 || e.Prefix.IsValid() == (e.Domain != "") || e.Prefix != e.Prefix.Masked() || len(e.Reason) > ingest.MaxName {
				t.Errorf("%q allows %+v", text, e)
			}
			if strings.HasPrefix(e.Domain, ".") || e.Domain != strings.ToLower(e.Domain) {
				t.Errorf("%q allows the name %q", text, e.Domain)
			}
			if _, ok := a.Domain("below." + e.Domain); e.Domain != "" && len(e.Domain) < 240 && ok != e.Subdomains {
				t.Errorf("%q: names below are allowed: %v", text, ok)
			}
			return ""
		})
	})
}
