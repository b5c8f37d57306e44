package otx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest/ingesttest"
)

var now = time.Date(2026, 6, 7, 12, 0, 0, 0, time.UTC)

func parse(r io.Reader) (got []intel.Indicator, drops ingest.Drops, err error) {
	o := ingest.Options{Now: now, Template: intel.Indicator{Feed: "otx", Category: intel.Phishing, Score: 60, Ref: "https://ref.example/"}}
	drops, err = Format{}.Parse(r, o, ingesttest.Keep(func(i intel.Indicator) { got = append(got, i) }))
	return got, drops, err
}

func brief(is []intel.Indicator) (out []string) {
	for _, i := range is {
		what := i.Domain + i.URL
		if i.Prefix.IsValid() {
			what = i.Prefix.String()
		}
		expires := "never"
		if !i.Expires.IsZero() {
			expires = i.Expires.Format("2006-01-02")
		}
		out = append(out, fmt.Sprintf("%s %s %d %s", what, i.Category, i.Score, expires))
	}
	return out
}

func page(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/page.json")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParse(t *testing.T) {
	t.Parallel()
	got, drops, err := parse(bytes.NewReader(page(t)))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"198.51.100.23/32 c2 60 2026-12-20",
		"2001:db8:bad::23/128 malware 60 2026-08-30", // 90 days after the pulse was modified; "backdoor" is a tag
		"203.0.113.0/24 scanner 60 2026-08-30",
		"bad.example malware 60 2026-08-30",
		"c2.bad.example malware 60 2026-08-30",
		"http://198.51.100.23:8080/gate.php malware 60 2026-08-30",
		"198.51.100.98/32 malware 60 2026-06-07", // expired, and kept for people
		"203.0.113.5/32 phishing 60 never",       // no date to count from, the feed's own category
	}
	if s := brief(got); !slices.Equal(s, want) {
		t.Fatalf("got\n%s\nwant\n%s", strings.Join(s, "\n"), strings.Join(want, "\n"))
	}
	wantDrops := "4 not an address, network, domain or URL, 2 unsupported type (first: /gate.php), 1 no longer active (first: 198.51.100.99), " +
		"1 number with a leading zero (octal to some, decimal to others) (first: 198.51.100.023), 1 special-use network (first: 192.168.1.1)"
	if s := drops.String(); s != wantDrops {
		t.Errorf("left out %s\nwant     %s", s, wantDrops)
	}
	first, last := got[0], got[len(got)-1]
	if first.Name != "Wave 3 of Emotet" || first.Tags != "backdoor,a  b,Emotet" || first.Ref != "https://otx.alienvault.com/pulse/5f0000000000000000000001" ||
		first.LastSeen.Format(time.RFC3339) != "2026-06-01T09:00:00Z" || first.FirstSeen.Format(time.RFC3339) != "2026-05-20T09:43:18Z" {
		t.Errorf("first: %+v", first)
	}
	if last.Ref != "https://ref.example/" || last.Name != "legacy" {
		t.Errorf("a pulse id that is none led to %q", last.Ref)
	}
}

// What people save is not always one page.
func TestShapes(t *testing.T) {
	t.Parallel()
	pulse := `{"id":"5f0000000000000000000002","name":"n","indicators":[{"indicator":"192.0.2.1","type":"IPv4"}]}`
	for name, tt := range map[string]struct {
		text   string
		pulses int
	}{
		"one pulse":           {pulse, 1},
		"array of pulses":     {"[" + pulse + ",\n" + pulse + "]", 2},
		"NDJSON":              {pulse + "\n" + pulse + "\n" + pulse + "\n", 3},
		"pages concatenated":  {`{"results":[` + pulse + `]}{"results":[` + pulse + `],"next":null}`, 2},
		"empty page":          {`{"results":[],"count":0}`, 0},
		"results null":        {`{"results":null}` + pulse, 1},
		"empty array":         {"[]", 0},
		"byte order mark":     {"\xef\xbb\xbf" + pulse, 1},
		"indicators null":     {`{"id":"x","indicators":null}`, 1},
		"tags are a string":   {`{"tags":"apt","malware_families":{"a":1},"modified":7,` + pulse[1:], 1},
		"nested 10,000 deep":  {`{"x":` + strings.Repeat("[", 9999) + strings.Repeat("]", 9999) + `,` + pulse[1:], 1},
		"deep in the results": {`{"results":[[[[1]]],` + pulse + `]}`, 1},
	} {
		p := newParser(Choice{}, ingest.Options{Now: now}, func(*intel.Indicator) ingest.Reason { return "" })
		if err := p.read(strings.NewReader(tt.text)); err != nil || p.pulses != tt.pulses {
			t.Errorf("%s: %d pulses, %v", name, p.pulses, err)
		}
	}
}

func TestRefusedWhole(t *testing.T) {
	t.Parallel()
	whole := page(t)
	for name, tt := range map[string]struct {
		text string
		want error
		says string
	}{
		"web page":         {"<html>504</html>", ingest.ErrWebPage, ""},
		"binary":           {"\x00\x01", ingest.ErrBinary, ""},
		"half a page":      {string(whole[:len(whole)/2]), io.ErrUnexpectedEOF, "ended early"},
		"without its end":  {string(bytes.TrimRight(whole, "}\n")), io.ErrUnexpectedEOF, "ended early"},
		"OTX's refusal":    {`{"detail": "Authentication required"}`, ErrNoPulses, `"Authentication required"`},
		"other JSON":       {`{"a":1}`, ErrNoPulses, ""},
		"a number":         {`7`, ErrNoPulses, ""},
		"events":           {`{"results":[{"action":"delete"}]}`, ErrNoPulses, ""},
		"nothing":          {"", ErrNoPulses, ""},
		"damaged":          {`{"results":[}`, nil, "at byte"},
		"too deep":         {strings.Repeat("[", 200_000), io.ErrUnexpectedEOF, ""},
		"string sans fin":  {`{"name":"` + strings.Repeat("x", 12<<20), ingest.ErrValueTooLong, ""},
		"a list":           {"192.0.2.1\n", nil, "at byte"},
		"deep indicator":   {`{"indicators":[` + strings.Repeat("[", 20_000), io.ErrUnexpectedEOF, ""},
		"text after pulse": {`{"indicators":[]} x`, nil, "invalid character"},
	} {
		_, _, err := parse(strings.NewReader(tt.text))
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadError(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	_, _, err := parse(io.MultiReader(bytes.NewReader(page(t)[:400]), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func FuzzParse(f *testing.F) {
	b, err := os.ReadFile("testdata/page.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	for _, s := range []string{`{"results":[]}[{"indicators":[]}]`, `{"detail":"x"}`, `[[[{}]]]`, `{"tags":["c2"],"malware_families":["x"],"indicators":null}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		n := 0
		_, _ = Format{}.Parse(bytes.NewReader(doc), ingest.Options{Now: now, Limit: 50}, func(i *intel.Indicator) ingest.Reason {
			if !i.Prefix.IsValid() && i.Domain == "" && i.URL == "" {
				t.Fatalf("emitted %+v", i)
			}
			if ingest.Outdated(i.Expires, now) != "" {
				t.Fatalf("expired: %+v", i)
			}
			if ingest.Text(i.Name, ingest.MaxName) != i.Name || len(i.Tags) > ingest.MaxTags {
				t.Fatalf("name %q, tags %q", i.Name, i.Tags)
			}
			n++
			return ""
		})
		if n > 50 {
			t.Fatalf("%d emitted", n)
		}
	})
}
