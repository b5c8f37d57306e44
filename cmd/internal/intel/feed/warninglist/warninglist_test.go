package warninglist

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

func parse(text string) (got []string, drops ingest.Drops, err error) {
	drops, err = Parse(strings.NewReader(text), func(e intel.AllowEntry) ingest.Reason {
		got = append(got, e.String()+" "+e.Reason)
		return ""
	})
	return got, drops, err
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string
		left int
	}{
		// As MISP writes them, sorted by key: the list stands before its type.
		{"\ufeff" + `{"description": "d", "list": ["192.0.2.0/24", "198.51.100.7", "2001:DB8::/32", "203.0.113.9/24", 7, null, {"a": 1}, "good.example",
			".192.0.2.1", "192.0.2.1:80"], "matching_attributes": ["ip-src"], "name": "Some\tcloud", "type": "cidr", "version": 3}`,
			[]string{"192.0.2.0/24 Some cloud", "198.51.100.7 Some cloud", "2001:db8::/32 Some cloud", "203.0.113.0/24 Some cloud"}, 6},
		{`{"name": "Top", "type": "hostname", "list": [".dyn.example", "example.com", "NS1.Example.NET", "bücher.example", "*.star.example", "com", "192.0.2.1", "a b"]}`,
			[]string{".dyn.example Top", ".example.com Top", ".ns1.example.net Top", ".xn--bcher-kva.example Top", ".star.example Top"}, 3},
		{`{"name": "Exact", "type": "string", "list": ["Example.com", "192.0.2.1", "captive.example", "*.star.example"]}`,
			[]string{"example.com Exact", "captive.example Exact", ".star.example Exact"}, 1},
		{`{"type": "cidr", "list": []}`, nil, 0},
	} {
		got, drops, err := parse(tt.text)
		if err != nil || !slices.Equal(got, tt.want) || drops.Total() != tt.left {
			t.Errorf("%.60s: %v, left out %v\ngot  %q\nwant %q", tt.text, err, drops, got, tt.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]error{
		`{"type": "regex", "list": ["/x/"]}`:             ErrNotAWarninglist,
		`{"type": "cidr"}`:                               ErrNotAWarninglist,
		`{"list": ["192.0.2.1"]}`:                        ErrNotAWarninglist,
		`{"type": "cidr", "list": "192.0.2.1"}`:          ErrNotAWarninglist,
		`{"type": 7, "list": []}`:                        ErrNotAWarninglist,
		`[]`:                                             ErrNotAWarninglist,
		`{"type": "cidr", "list": ["192.0.2.1"]} {}`:     ErrNotAWarninglist,
		`{"type": "cidr", "list": ["192.0.2.1", "192.0.`: io.ErrUnexpectedEOF,
		``:       io.ErrUnexpectedEOF,
		"<html>": ingest.ErrWebPage,
		"\x00":   ingest.ErrBinary,
	} {
		if got, _, err := parse(text); !errors.Is(err, want) || got != nil {
			t.Errorf("%q: %q, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{`{"type": "cidr", "list": ["x", "y"]}`, `{"type": "cidr", "list": [}`, `{`, strings.Repeat("[", 20_000)} {
		if _, _, err := parse(text); err == nil {
			t.Errorf("%.40q is accepted", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"name": "a", "type": "cidr", "list": ["192.0.2.1", "2001:db8::/32"]}`)
	f.Add(`{"name": "a", "type": "hostname", "list": [".a.example", "*.b.example", 7]}`)
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = Parse(strings.NewReader(text), func(e intel.AllowEntry) ingest.Reason {
			if intel.NewAllow(e).Len() != 1 || e.Prefix.IsValid() == (e.Domain != "") {
				t.Errorf("%q allows %+v", text, e)
			}
			return ""
		})
	})
}
