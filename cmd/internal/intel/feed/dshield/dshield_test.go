package dshield

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest/ingesttest"
)

func parse(text string, o ingest.Options) (got []intel.Indicator, drops ingest.Drops, err error) {
	drops, err = Parse(strings.NewReader(text), o, ingesttest.Keep(func(i intel.Indicator) { got = append(got, i) }))
	return got, drops, err
}

func block(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("testdata/block.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestParse(t *testing.T) {
	o := ingest.Options{Template: intel.Indicator{Feed: "dshield", Name: "dshield", Category: intel.Scanner, Score: 60}}
	for _, text := range []string{block(t), "\xef\xbb\xbf" + strings.ReplaceAll(block(t), "\n", "\r\n")} {
		got, drops, err := parse(text, o)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 2 {
			t.Fatalf("%d indicators: %+v", len(got), got)
		}
		updated := time.Date(2026, 6, 7, 6, 33, 38, 0, time.UTC)
		if i := got[0]; i.Prefix.String() != "192.0.2.0/24" || i.Name != "EXAMPLE-NET" || i.Category != intel.Scanner || !i.LastSeen.Equal(updated) {
			t.Errorf("first: %+v", i)
		}
		if i := got[1]; i.Prefix.String() != "198.51.100.0/24" || i.Name != "dshield" {
			t.Errorf("second: %+v", i)
		}
		want := "2 not an address, network, domain or URL (first: line 10, 203.0.113.0 203.0.113.127 24 12 SHORT), " +
			"1 range that ends before it begins (first: line 13, 203.0.113.255 203.0.113.0 24 1 BACK), 1 special-use network (first: line 11, 10.9.8.0 10.9.8.255 24 11 LAN)"
		if s := drops.String(); s != want {
			t.Errorf("left out: %s", s)
		}
	}
}

// The list as it is today: no heading row, no end, an ISO date, placeholders.
func TestParseToday(t *testing.T) {
	b, err := os.ReadFile("testdata/block-2026.txt")
	if err != nil {
		t.Fatal(err)
	}
	got, drops, err := parse(string(b), ingest.Options{Template: intel.Indicator{Feed: "dshield", Name: "dshield", Category: intel.Scanner, Score: 60}})
	if err != nil || len(drops) != 0 {
		t.Fatalf("%v, left out: %s", err, drops)
	}
	want := []string{"192.0.2.0/24 EXAMPLE-NET", "198.51.100.0/24 dshield", "203.0.113.0/24 EXAMPLE-AS, Example Inc.", "192.0.2.128/25 dshield"}
	for n, i := range got {
		if said := i.Prefix.String() + " " + i.Name; n >= len(want) || said != want[n] || i.LastSeen.Format(time.RFC3339) != "2026-10-01T14:00:24Z" {
			t.Errorf("%s, seen %s, want %q", said, i.LastSeen, want)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d networks, want %d", len(got), len(want))
	}
}

func TestRefusedWhole(t *testing.T) {
	whole := block(t)
	for name, tt := range map[string]struct {
		text string
		want error
	}{
		"truncated":       {whole[:strings.Index(whole, "# END")], io.ErrUnexpectedEOF},
		"only its header": {whole[:strings.Index(whole, "192.0.2.0")], io.ErrUnexpectedEOF},
		"only comments":   {"# DShield.org Recommended Block List\n#    updated: 2026-10-01T00:00:00\n", ErrNotDShield},
		"no rows":         {"# DShield.org\n# END\n", ErrNotDShield},
		"empty":           {"", ErrNotDShield},
		"another list":    {"192.0.2.1\n192.0.2.2\n", ErrNotDShield},
		"web page":        {"<html>", ingest.ErrWebPage},
		"binary":          {"\x1f\x8b\x00", ingest.ErrBinary},
	} {
		if _, _, err := parse(tt.text, ingest.Options{}); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", name, err, tt.want)
		}
	}
	broken := errors.New("disk on fire")
	if _, err := Parse(io.MultiReader(strings.NewReader(whole), iotest.ErrReader(broken)), ingest.Options{}, func(*intel.Indicator) ingest.Reason { return "" }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func FuzzParse(f *testing.F) {
	b, err := os.ReadFile("testdata/block.txt")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(b))
	if b, err = os.ReadFile("testdata/block-2026.txt"); err != nil {
		f.Fatal(err)
	}
	f.Add(string(b))
	f.Fuzz(func(t *testing.T, text string) {
		n := 0
		_, _ = Parse(strings.NewReader(text), ingest.Options{Limit: 50}, func(i *intel.Indicator) ingest.Reason {
			if !i.Prefix.IsValid() || i.Prefix != i.Prefix.Masked() || ingest.Text(i.Name, ingest.MaxName) != i.Name {
				t.Fatalf("emitted %+v", i)
			}
			n++
			return ""
		})
		if n > 50 {
			t.Fatalf("%d emitted", n)
		}
	})
}
