package export

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// lineForms is what every line of a format looks like, whatever feeds say. Formats
// that hold no text of a feed are not among them.
var lineForms = map[string]*regexp.Regexp{
	"rpz":   regexp.MustCompile(`^(;.*|\$TTL 60|@ (SOA|NS) .*|[*a-z0-9._-]+ CNAME \.( ; [^\x00-\x1f\x7f]*)?)$`),
	"zeek":  regexp.MustCompile(`^(#fields\t.*|[^\x00-\x20\x7f]+\tIntel::[A-Z]+\t[^\x00-\x1f\x7f]+\t[^\x00-\x1f\x7f]+\t[^\x00-\x1f\x7f]+\tF)$`),
	"cdb":   regexp.MustCompile(`^("[0-9a-f:]+"|[a-z0-9._-]+):[a-z0-9]+,[^:"#\x00-\x20\x7f-\xff]*$`),
	"wazuh": regexp.MustCompile(`^("[0-9a-f:]+"|[a-z0-9._-]+):[a-z0-9]+,[^:"#\x00-\x20\x7f-\xff]*$`),
	"ossec": regexp.MustCompile(`^[a-z0-9._-]+:[a-z0-9]+,[^:"#\x00-\x20\x7f-\xff]*$`),
	"plain": regexp.MustCompile(`^[!-~]+$`),
}

// FuzzText puts a feed's text wherever an indicator has some.
func FuzzText(f *testing.F) {
	f.Add("otx", "bad.example", "http://bad.example/x?a='b'", "Wave 3", "https://otx.example/1", "a,b")
	f.Add("a:b \"c", "bücher.example", `https://[2001:db8::1]:80/\x09`, "tab\tline\n\\x0a", "-", ",, ,")
	f.Add("#", "*.x.example.", "HTTP://u:p@Host:80#f", "\xff\xfe", "\x00", "'")
	f.Fuzz(func(t *testing.T, feedName, domain, url, name, ref, tags string) {
		text := intel.Indicator{Ref: ref, Name: name, Tags: tags, Score: 60}
		d, u, p := text, text, text
		d.Domain, u.URL, p.Prefix = domain, url, on("2001:db8::1/128", 0, 0).Prefix
		set := intel.NewSet(feed(feedName, d, u, p))
		for format, form := range lineForms {
			got, _ := write(t, set, Options{Format: format})
			for line := range strings.SplitSeq(strings.TrimSuffix(got, "\n"), "\n") {
				if got != "" && !form.MatchString(line) {
					t.Errorf("%s: %q", format, line)
				}
			}
		}
		checkSTIX(t, set)
		got, _ := write(t, set, Options{Format: "suricata-domains"})
		for line := range strings.Lines(got) {
			b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line))
			if _, r := hostName(string(b)); err != nil || r != "" {
				t.Errorf("suricata-domains: %q: %v", line, err)
			}
		}
	})
}

func checkSTIX(t *testing.T, set *intel.Set) {
	t.Helper()
	got, s := write(t, set, Options{Format: "stix"})
	var bundle struct {
		Objects []struct{ ID, Pattern string }
	}
	if err := json.Unmarshal([]byte(got), &bundle); err != nil || len(bundle.Objects) != s.Written+1 {
		t.Fatalf("stix: %d objects, %v:\n%s", len(bundle.Objects), err, got)
	}
	pattern := regexp.MustCompile(`^\[(ipv6-addr|domain-name|url):value = '([^'\\]|\\.)*'\]$`)
	seen := map[string]bool{}
	for _, o := range bundle.Objects[1:] {
		if !pattern.MatchString(o.Pattern) || seen[o.ID] {
			t.Errorf("stix: %+v", o)
		}
		seen[o.ID] = true
	}
}

// FuzzZeekFormer lets anything stand where the former file is: what is taken from
// it are whole lines of this format.
func FuzzZeekFormer(f *testing.F) {
	f.Add(zeekFields + "192.0.2.1\tIntel::ADDR\tx\tc2, score 60\t-\tF\n192.0.2.2\tIntel::ADDR\tx\t-\t-\tT\n")
	f.Add("a\tF\n\tF\nF\n\t\t\t\t\tF")
	f.Fuzz(func(t *testing.T, former string) {
		got, _ := write(t, sample(), Options{Format: "zeek", former: strings.NewReader(former)})
		was := map[string]bool{}
		for line := range strings.Lines(former) {
			was[strings.TrimRight(line, "\r\n")] = true
		}
		for line := range strings.Lines(got) {
			line, removed := strings.CutSuffix(line, "\tT\n")
			if removed && (!was[line+"\tF"] || strings.Count(line, "\t") != 4) {
				t.Errorf("%q", line)
			}
		}
	})
}
