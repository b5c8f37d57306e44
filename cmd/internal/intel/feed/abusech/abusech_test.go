package abusech

import (
	"errors"
	"fmt"
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

type parseFunc func(io.Reader, ingest.Options, ingest.Keep) (ingest.Drops, error)

var template = intel.Indicator{Feed: "f", Name: "f", Category: intel.Malware, Score: 60}

func parse(f parseFunc, r io.Reader) (got []string, drops ingest.Drops, err error) {
	drops, err = f(r, ingest.Options{Template: template}, ingesttest.Keep(func(i intel.Indicator) { got = append(got, brief(i)) }))
	return got, drops, err
}

// brief prints what an indicator is, and then what differs from the template.
func brief(i intel.Indicator) string {
	out := i.Domain + i.URL
	if i.Prefix.IsValid() {
		out = i.Prefix.String()
	}
	if i.Port != 0 {
		out += fmt.Sprintf(" port=%d", i.Port)
	}
	if i.Category != template.Category {
		out += " " + i.Category.String()
	}
	if i.Score != template.Score {
		out += fmt.Sprintf(" score=%d", i.Score)
	}
	if i.Name != template.Name {
		out += " name=" + i.Name
	}
	if i.Ref != "" {
		out += " " + i.Ref
	}
	if i.Tags != "" {
		out += " tags=" + i.Tags
	}
	if !i.FirstSeen.IsZero() {
		out += " first=" + i.FirstSeen.Format("01-02")
	}
	if !i.LastSeen.IsZero() {
		out += " last=" + i.LastSeen.Format("01-02")
	}
	return out
}

func TestParse(t *testing.T) {
	const cobalt = "198.51.100.7/32 port=4369 c2 score=75 name=Cobalt Strike https://threatfox.abuse.ch/ioc/1001/ tags=c2,AS64496 first=06-06"
	const unknown = "c2.bad.example c2 score=50 name=Unknown malware https://threatfox.abuse.ch/ioc/1003/ first=06-06"
	for _, tt := range []struct {
		file  string
		parse parseFunc
		want  []string
		drops string
	}{
		{"feodo.csv", ParseFeodo, []string{
			"198.51.100.32/32 port=4643 name=Dridex tags=Dridex first=05-17 last=06-06",
			"2001:db8::32/128 port=443 first=05-18",
		}, "1 damaged CSV record (first: line 10, \"2026-05-18 07:44:46\",\"198.51.100.33\"), " +
			"1 number with a leading zero (octal to some, decimal to others) (first: line 8, 198.51.100.032), 1 special-use network (first: line 9, 10.1.1.1)"},
		{"feodo.json", ParseFeodo, []string{
			"198.51.100.32/32 port=4643 name=Dridex tags=Dridex first=05-17 last=06-06",
			"2001:db8::32/128 port=443 first=05-18",
		}, "1 not an address, network, domain or URL (first: no object), " +
			"1 number with a leading zero (octal to some, decimal to others) (first: 198.51.100.032), 1 special-use network (first: 10.1.1.1)"},
		{"threatfox.csv", ParseThreatFox, []string{
			cobalt,
			"http://203.0.113.110:3478/a,b score=100 name=Vidar https://threatfox.abuse.ch/ioc/1002/ tags=Vidar first=06-06 last=06-07",
			"203.0.113.110/32 port=3478 score=100 name=Vidar https://threatfox.abuse.ch/ioc/1002/ tags=Vidar first=06-06 last=06-07",
			unknown,
			"other.bad.example https://report.example/1 first=06-06",
		}, "1 damaged CSV record (first: line 13, \"2026-06-06 01:05:00\", \"1007\", \"198.51.100.8), 1 host that anybody may upload to (first: line 11, cdn.discordapp.com), " +
			"1 not an address, network, domain or URL (first: line 12, bad.example), 1 unsupported type (first: line 10, 177add288b289d43236d2dba33e65956)"},
		{"threatfox_api.json", ParseThreatFox, []string{cobalt, unknown}, "1 not an address, network, domain or URL (first: 198.51.100.9)"},
		{"threatfox_export.json", ParseThreatFox, []string{cobalt}, "1 unsupported type (first: 177add288b289d43236d2dba33e65956)"},
		{"urlhaus.csv", ParseURLhaus, []string{
			"http://198.51.100.150:58801/i https://urlhaus.abuse.ch/url/2001/ tags=32-bit,elf,mips,Mozi first=06-06 last=06-07",
			"198.51.100.150/32 port=58801 https://urlhaus.abuse.ch/url/2001/ tags=32-bit,elf,mips,Mozi first=06-06 last=06-07",
			"https://raw.githubusercontent.com/x/y/z.exe https://urlhaus.abuse.ch/url/2002/ first=06-05",
			"https://[2001:db8::15]/x first=06-05",
			"2001:db8::15/128 port=443 first=06-05",
			"http://198.51.100.151/gone first=06-05",
			"http://192.168.1.1/x first=06-05",
		}, "1 not an address, network, domain or URL (first: line 11, bad.example), 1 special-use network (first: line 10, http://192.168.1.1/x)"},
		{"threatfox-2026.csv", ParseThreatFox, []string{
			"198.51.100.7/32 port=4369 c2 score=75 name=Dridex https://threatfox.abuse.ch/ioc/2001/ tags=exe first=09-01",
			"site.bad.example score=100 name=ClearFake https://threatfox.abuse.ch/ioc/2002/ first=09-01",
			"http://192.0.2.1/bin% score=50 name=X https://threatfox.abuse.ch/ioc/2003/ first=09-01",
			"192.0.2.1/32 port=80 score=50 name=X https://threatfox.abuse.ch/ioc/2003/ first=09-01",
		}, ""},
		{"urlhaus-2026.csv", ParseURLhaus, []string{
			"http://192.0.2.1/bin% https://urlhaus.abuse.ch/url/3001/ tags=elf,Mozi first=10-04 last=10-04",
			"192.0.2.1/32 port=80 https://urlhaus.abuse.ch/url/3001/ tags=elf,Mozi first=10-04 last=10-04",
			"http://192.0.2.2:8080/%%20x https://urlhaus.abuse.ch/url/3002/ tags=elf first=10-04 last=10-04",
			"192.0.2.2/32 port=8080 https://urlhaus.abuse.ch/url/3002/ tags=elf first=10-04 last=10-04",
			`http://bad.example/a"b https://urlhaus.abuse.ch/url/3003/ first=10-04`,
		}, ""},
		{"hostfile.txt", ParseURLhaus, []string{"malware.bad.example", "198.51.100.9/32", "second.bad.example"},
			"1 host that anybody may upload to (first: line 5, github.com), 1 not an address, network, domain or URL (first: line 7, 127.0.0.1 broken name here)"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			b, err := os.ReadFile("testdata/" + tt.file)
			if err != nil {
				t.Fatal(err)
			}
			got, drops, err := parse(tt.parse, strings.NewReader(string(b)))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			if s := drops.String(); s != tt.drops {
				t.Errorf("left out: %s\nwant: %s", s, tt.drops)
			}
		})
	}
}

// No controllers, no new indicators, no hosts: all may be true.
func TestEmpty(t *testing.T) {
	for text, f := range map[string]parseFunc{
		"[]": ParseFeodo,
		"# c\n\"first_seen_utc\",\"dst_ip\",\"dst_port\"\n# END 0 entries\n":   ParseFeodo,
		`{"query_status": "no_result", "data": "Your search yielded nothing"}`: ParseThreatFox,
		`{"query_status": "ok", "data": []}`:                                   ParseThreatFox,
		"# \"ioc_id\",\"ioc_value\",\"ioc_type\"\n# Number of entries: 0\n":    ParseThreatFox,
		"# id,dateadded,url,url_status\n":                                      ParseURLhaus,
		"# abuse.ch URLhaus Host file\n127.0.0.1\tlocalhost\n":                 ParseURLhaus,
		"# abuse.ch URLhaus Host file\n":                                       ParseURLhaus,
	} {
		if got, _, err := parse(f, strings.NewReader(text)); err != nil || len(got) != 0 {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func TestRefusedWhole(t *testing.T) {
	broken := errors.New("disk on fire")
	for _, tt := range []struct {
		text string
		f    parseFunc
		want error
		says string
	}{
		{`{"error": "Unauthorized"}`, ParseFeodo, ErrNotFeodo, `"Unauthorized"`},
		{`{"error": "Unauthorized"}`, ParseThreatFox, ErrNotThreatFox, `"Unauthorized"`},
		{`{"error": "Unauthorized"}`, ParseURLhaus, ErrNotURLhaus, ""},
		{`{"query_status": "illegal_days", "data": "x"}`, ParseThreatFox, ErrNotThreatFox, `"illegal_days"`},
		{`{"query_status": "unknown_auth_key"}`, ParseThreatFox, ErrNotThreatFox, `"unknown_auth_key"`},
		{`{}`, ParseThreatFox, ErrNotThreatFox, ""},
		{`[1]`, ParseThreatFox, ErrNotThreatFox, ""},
		{`7`, ParseFeodo, ErrNotFeodo, ""},
		{"192.0.2.1\n", ParseFeodo, ErrNotFeodo, ""},
		{"192.0.2.1\n", ParseThreatFox, ErrNotThreatFox, "damaged"},
		{"192.0.2.1\n", ParseURLhaus, ErrNotURLhaus, "damaged"},
		{"127.0.0.1 a b c\n", ParseURLhaus, ErrNotURLhaus, ""},
		{"", ParseFeodo, ErrNotFeodo, ""},
		{`[{"ip_address": "192.0.2.1"}`, ParseFeodo, io.ErrUnexpectedEOF, ""},
		{`[{"ip_address": "192.0.2.1"}, {"port`, ParseFeodo, io.ErrUnexpectedEOF, ""},
		{`[] []`, ParseFeodo, nil, "more follows"},
		{`{"query_status": "ok", "data": [`, ParseThreatFox, io.ErrUnexpectedEOF, ""},
		{`{"x": ` + strings.Repeat("[", 200_000), ParseThreatFox, io.ErrUnexpectedEOF, ""},
		{`["` + strings.Repeat("x", 12<<20), ParseFeodo, ingest.ErrValueTooLong, ""},
		{"<html>", ParseFeodo, ingest.ErrWebPage, ""},
		{"<html>", ParseThreatFox, ingest.ErrWebPage, ""},
		{"PK\x03\x04\x00", ParseURLhaus, ingest.ErrBinary, ""},
	} {
		_, _, err := parse(tt.f, strings.NewReader(tt.text))
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%.60q: %v", tt.text, err)
		}
	}
	for _, f := range []parseFunc{ParseFeodo, ParseThreatFox, ParseURLhaus} {
		if _, _, err := parse(f, io.MultiReader(strings.NewReader("# \"url\",\"ioc_value\",\"dst_ip\"\n"), iotest.ErrReader(broken))); !errors.Is(err, broken) {
			t.Errorf("error %v", err)
		}
	}
}

// The exports are read over what is not wanted, 10,000 deep.
func TestDeep(t *testing.T) {
	deep := strings.Repeat("[", 9990) + strings.Repeat("]", 9990)
	got, _, err := parse(ParseThreatFox, strings.NewReader(`{"x":`+deep+`,"1":[{"tags":`+deep+`,"ioc_value":"198.51.100.7:1","ioc_type":"ip:port"}]}`))
	if err != nil || len(got) != 1 {
		t.Errorf("%q, %v", got, err)
	}
}

func FuzzParse(f *testing.F) {
	files, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		if file.IsDir() {
			continue
		}
		b, err := os.ReadFile("testdata/" + file.Name())
		if err != nil {
			f.Fatal(err)
		}
		for which := range 3 {
			f.Add(string(b), which)
		}
	}
	f.Fuzz(func(t *testing.T, text string, which int) {
		parse := [...]parseFunc{ParseFeodo, ParseThreatFox, ParseURLhaus}[uint(which)%3]
		n := 0
		_, _ = parse(strings.NewReader(text), ingest.Options{Limit: 50}, func(i *intel.Indicator) ingest.Reason {
			if !i.Prefix.IsValid() && i.Domain == "" && i.URL == "" || i.Prefix.IsValid() && i.URL != "" {
				t.Fatalf("emitted %+v", i)
			}
			if ingest.Text(i.Name, ingest.MaxName) != i.Name || i.Ref != ingest.Link(i.Ref) || len(i.Tags) > ingest.MaxTags || i.Score > 100 {
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
