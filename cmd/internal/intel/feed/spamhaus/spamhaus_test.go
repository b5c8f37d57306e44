package spamhaus

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest/ingesttest"
)

func parse(text string) (got []intel.Indicator, drops ingest.Drops, err error) {
	o := ingest.Options{Template: intel.Indicator{Feed: "drop", Name: "drop", Category: intel.Malware, Score: 60, Ref: "https://ref.example/"}}
	drops, err = Parse(strings.NewReader(text), o, ingesttest.Keep(func(i intel.Indicator) { got = append(got, i) }))
	return got, drops, err
}

func drop(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("testdata/drop.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestParse(t *testing.T) {
	got, drops, err := parse(drop(t))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, i := range got {
		lines = append(lines, i.Prefix.String()+" "+i.Name+" "+i.Ref)
	}
	want := []string{
		"192.0.2.0/24 Spamhaus DROP SBL100001 https://www.spamhaus.org/sbl/query/SBL100001",
		"198.51.100.0/22 Spamhaus DROP SBL100002 https://www.spamhaus.org/sbl/query/SBL100002",
		"203.0.113.0/24 drop https://ref.example/", // its number is none
	}
	if !slices.Equal(lines, want) {
		t.Errorf("%s", strings.Join(lines, "\n"))
	}
	wantDrops := "2 not an address, network, domain or URL (first: line 5, 192.0.2.256/24), 1 special-use network (first: line 3, 10.0.0.0/8), " +
		"1 unsupported type (first: line 8, AS64496 EXAMPLE [31m)"
	if s := drops.String(); s != wantDrops {
		t.Errorf("left out: %s", s)
	}
}

// A list of autonomous systems gives no indicators, and is fine.
func TestOnlySystems(t *testing.T) {
	got, drops, err := parse(`{"asn":64496}` + "\n" + `{"type":"metadata","records":1}`)
	if err != nil || len(got) != 0 || drops[ingest.Unsupported].Count != 1 {
		t.Errorf("%v, %v, %v", got, drops, err)
	}
}

func TestRefusedWhole(t *testing.T) {
	whole := drop(t)
	lines := strings.SplitAfter(whole, "\n")
	for name, tt := range map[string]struct {
		text string
		want error
	}{
		"without metadata":      {strings.Join(lines[:6], ""), io.ErrUnexpectedEOF},
		"second list truncated": {strings.Join(lines[:8], ""), io.ErrUnexpectedEOF},
		"one record lost":       {strings.Join(slices.Delete(slices.Clone(lines), 1, 2), ""), io.ErrUnexpectedEOF},
		"cut in a record":       {whole[:30], ErrNotDROP},
		"plain text":            {"; Spamhaus DROP\n192.0.2.0/24 ; SBL1\n", ErrNotDROP},
		"nothing":               {"", ErrNotDROP},
		"web page":              {"<html>", ingest.ErrWebPage},
		"binary":                {"\x1f\x8b\x00", ingest.ErrBinary},
	} {
		if _, _, err := parse(tt.text); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", name, err, tt.want)
		}
	}
	broken := errors.New("disk on fire")
	if _, err := Parse(io.MultiReader(strings.NewReader(whole), iotest.ErrReader(broken)), ingest.Options{}, func(*intel.Indicator) ingest.Reason { return "" }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func FuzzParse(f *testing.F) {
	b, err := os.ReadFile("testdata/drop.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(b))
	f.Fuzz(func(t *testing.T, text string) {
		n := 0
		_, _ = Parse(strings.NewReader(text), ingest.Options{Limit: 50}, func(i *intel.Indicator) ingest.Reason {
			if !i.Prefix.IsValid() || i.Prefix != i.Prefix.Masked() || i.Ref != ingest.Link(i.Ref) {
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
