package misp

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest/ingesttest"
)

const (
	first  = "5a000000-0000-4000-8000-000000000001"
	second = "5a000000-0000-4000-8000-000000000002"
)

var template = intel.Indicator{Feed: "misp", Name: "misp", Category: intel.Malware, Score: 60}

// keeper gathers what a policy lets through, as brief lines.
func keeper(got *[]string) ingest.Keep {
	return ingesttest.Keep(func(i intel.Indicator) { *got = append(*got, brief(i)) })
}

func brief(i intel.Indicator) string {
	out := i.Domain + i.URL
	if i.Prefix.IsValid() {
		out = i.Prefix.String()
	}
	if i.Port != 0 {
		out += fmt.Sprintf(" port=%d", i.Port)
	}
	out += fmt.Sprintf(" %s %d %s", i.Category, i.Score, i.FirstSeen.Format("01-02"))
	if !i.LastSeen.IsZero() {
		out += "/" + i.LastSeen.Format("01-02T15")
	}
	return out
}

func parse(text string) (got []string, drops ingest.Drops, err error) {
	drops, err = Format{}.Parse(strings.NewReader(text), ingest.Options{Template: template}, keeper(&got))
	return got, drops, err
}

func document1(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("testdata/feed/" + first + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var wantFirst = []string{
	"198.51.100.23/32 c2 80 06-01/06-07T06", // the comment says so
	"198.51.100.24/32 port=8080 botnet 80 06-01/06-07T06",
	"198.51.100.26/32 port=22 scanner 80 06-01/06-07T06", // its own tag says so
	"bad.example botnet 80 06-01/06-07T06",
	"198.51.100.25/32 botnet 80 06-01/06-07T06",
	"203.0.113.0/24 botnet 80 05-01/06-05T00",
	"c2.bad.example port=443 botnet 80 06-01",
	"http://bad.example/malware?x=1 botnet 80 06-01",
	"obj.example botnet 80 06-01/06-07T06",
}

func TestParse(t *testing.T) {
	t.Parallel()
	got, drops, err := parse(document1(t))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, wantFirst) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(wantFirst, "\n"))
	}
	want := "5 not an address, network, domain or URL, 2 unsupported type (first: 177add288b289d43236d2dba33e65956), " +
		"1 context, not for detection (first: http://bad.example/context), 1 no longer active (first: gone.bad.example), 1 special-use network (first: 10.1.1.1)"
	if s := drops.String(); s != want {
		t.Errorf("left out: %s", s)
	}
	var whole []intel.Indicator
	_, _ = Format{}.Parse(strings.NewReader(document1(t)), ingest.Options{Template: template}, func(i *intel.Indicator) ingest.Reason {
		whole = append(whole, *i)
		return ""
	})
	if i := whole[2]; i.Name != "Sample C2 [31m event" || i.Ref != "https://report.example/1" || i.Tags != `tlp:clear,misp-galaxy:botnet="Mozi",scanner` {
		t.Errorf("%+v", i)
	}
}

func TestShapes(t *testing.T) {
	t.Parallel()
	event := `{"info":"n","Attribute":[{"type":"ip-dst","value":"192.0.2.1","to_ids":true}]}`
	deep := strings.Repeat("[", 9990) + strings.Repeat("]", 9990)
	for name, tt := range map[string]struct {
		text   string
		events int
	}{
		"an event by itself": {event, 1},
		"wrapped":            {`{"Event":` + event + `}`, 1},
		"array":              {"[" + event + `,{"Event":` + event + "}, [], 7]", 2},
		"search":             {`{"response":[{"Event":` + event + `}]}`, 1},
		"NDJSON":             {event + "\n" + event, 2},
		"deep beside":        {`{"x":` + deep + "," + event[1:], 1},
		"deep attribute":     {strings.Replace(event, "[{", "["+deep+",{", 1), 1},
		"without attributes": {`{"Event":{"info":"x"}}`, 1},
		"attributes null":    {`{"Event":{"info":"x","Attribute":null,"Object":{},"Tag":"x"}}`, 1},
	} {
		p := newParser(ingest.Options{}, func(*intel.Indicator) ingest.Reason { return "" })
		if err := p.document(strings.NewReader(tt.text)); err != nil || p.events != tt.events {
			t.Errorf("%s: %d events, %v", name, p.events, err)
		}
	}
}

func TestRefusedWhole(t *testing.T) {
	t.Parallel()
	whole := document1(t)
	for name, tt := range map[string]struct {
		text string
		want error
	}{
		"web page":   {"<html>", ingest.ErrWebPage},
		"binary":     {"\x00", ingest.ErrBinary},
		"half":       {whole[:len(whole)/2], io.ErrUnexpectedEOF},
		"other JSON": {`{"name":"Invalid event."}`, ErrNoEvents},
		"a number":   {"7", ErrNoEvents},
		"nothing":    {"", ErrNoEvents},
		"empty":      {"[]", ErrNoEvents},
		"endless":    {`{"Event":{"info":"` + strings.Repeat("x", 12<<20), ingest.ErrValueTooLong},
	} {
		if _, _, err := parse(tt.text); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", name, err, tt.want)
		}
	}
}

func TestCategoryOfTags(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]intel.Category{
		"C2": intel.C2, "phishing": intel.Phishing, `misp-galaxy:botnet="Mozi"`: intel.Botnet, `malware_classification:malware-category="Ransomware"`: intel.Malware,
		`misp-galaxy:mitre-attack-pattern="Phishing - T1566"`: intel.Phishing, "kill-chain:Command and Control": intel.C2, `misp-galaxy:ransomware="x"`: intel.Malware,
	} {
		if got, ok := tagCategory(name); !ok || got != want {
			t.Errorf("%s is %v, %v", name, got, ok)
		}
	}
	for _, name := range []string{"tlp:clear", "", ":", `a:b="c"`, "type:OSINT"} {
		if got, ok := tagCategory(name); ok {
			t.Errorf("%s is %v", name, got)
		}
	}
}

func TestParseDir(t *testing.T) {
	t.Parallel()
	var got []string
	if _, err := (Format{}).ParseDir("testdata/feed", ingest.Options{Template: template}, keeper(&got)); err != nil {
		t.Fatal(err)
	}
	want := append(slices.Clone(wantFirst), "2001:db8::23/128 malware 75 06-02/06-07T07")
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

// copyFeed copies the feed of the test data, for a test to harm.
func copyFeed(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/feed")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Damage costs what is damaged.
func TestDamagedDir(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret.json")
	write(t, secret, document1(t))
	for name, tt := range map[string]struct {
		harm   func(dir string)
		events int
		bad    int
		fails  bool
	}{
		"no manifest":         {func(dir string) { _ = os.Remove(filepath.Join(dir, manifestFile)) }, 2, 0, false},
		"event cut":           {func(dir string) { _ = os.Truncate(filepath.Join(dir, first+".json"), 300) }, 1, 1, false},
		"event gone":          {func(dir string) { _ = os.Remove(filepath.Join(dir, first+".json")) }, 1, 1, false},
		"event is a web page": {func(dir string) { write(t, filepath.Join(dir, first+".json"), "<html>") }, 1, 1, false},
		"event is no event":   {func(dir string) { write(t, filepath.Join(dir, first+".json"), "{}") }, 1, 1, false},
		"all gone": {func(dir string) {
			_ = os.Remove(filepath.Join(dir, first+".json"))
			_ = os.Remove(filepath.Join(dir, second+".json"))
		}, 0, 2, true},
		"manifest cut":   {func(dir string) { _ = os.Truncate(filepath.Join(dir, manifestFile), 30) }, 0, 0, true},
		"manifest empty": {func(dir string) { write(t, filepath.Join(dir, manifestFile), "{}") }, 0, 0, false},
		"manifest that leads out": {func(dir string) {
			write(t, filepath.Join(dir, manifestFile), `{"../`+first+`": {}, "`+second+`": {}, "x": {}}`)
		}, 1, 2, false},
		"manifest of paths only": {func(dir string) { write(t, filepath.Join(dir, manifestFile), `{"../../etc/passwd": {}}`) }, 0, 0, true},
		"link that leads out": {func(dir string) {
			_ = os.Remove(filepath.Join(dir, first+".json"))
			if err := os.Symlink(secret, filepath.Join(dir, first+".json")); err != nil {
				t.Fatal(err)
			}
		}, 1, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyFeed(t)
			tt.harm(dir)
			var got []string
			p := newParser(ingest.Options{Template: template}, keeper(&got))
			err := p.folder(dir)
			if p.events != tt.events || p.drops[ingest.BadDocument].Count != tt.bad || (err != nil) != tt.fails {
				t.Errorf("%d events, %v, %v", p.events, p.drops, err)
			}
		})
	}
	if _, err := (Format{}).ParseDir(t.TempDir(), ingest.Options{}, nil); !errors.Is(err, ErrNoEvents) {
		t.Errorf("an empty folder says %v", err)
	}
	if _, err := (Format{}).ParseDir("testdata/none", ingest.Options{}, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing folder says %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(document1(f))
	f.Add(`[{"Event":{"Attribute":[{"type":"ip-dst|port","value":"[2001:db8::1]|1","to_ids":1}]}}]`)
	f.Fuzz(func(t *testing.T, text string) {
		n := 0
		_, _ = Format{}.Parse(strings.NewReader(text), ingest.Options{Limit: 50}, func(i *intel.Indicator) ingest.Reason {
			if kinds := strings.Count(fmt.Sprint(i.Prefix.IsValid(), i.Domain != "", i.URL != ""), "true"); kinds != 1 {
				t.Fatalf("emitted %+v", i)
			}
			if ingest.Text(i.Name, ingest.MaxName) != i.Name || len(i.Tags) > ingest.MaxTags || i.Score > 100 || i.Ref != ingest.Link(i.Ref) {
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

func FuzzManifest(f *testing.F) {
	f.Add(`{"5a000000-0000-4000-8000-000000000001": {"timestamp": "1"}, "../x": {"timestamp": 2}}`)
	f.Fuzz(func(t *testing.T, text string) {
		entries, _, _ := readManifest(strings.NewReader(text))
		for uuid := range entries {
			if filepath.Base(uuid) != uuid || strings.ContainsAny(uuid, "/\\%?#.") {
				t.Fatalf("took %q", uuid)
			}
		}
	})
}
