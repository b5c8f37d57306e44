package taxii

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest/ingesttest"
)

var (
	now      = time.Date(2026, 6, 7, 12, 0, 0, 0, time.UTC)
	template = intel.Indicator{Feed: "taxii", Name: "taxii", Category: intel.Malware, Score: 60}
)

func keeper(got *[]string) ingest.Keep {
	return ingesttest.Keep(func(i intel.Indicator) { *got = append(*got, what(i)+fmt.Sprintf(" %s %d", i.Category, i.Score)) })
}

// what prints what an indicator is.
func what(i intel.Indicator) string {
	out := i.Domain + i.URL
	if i.Prefix.IsValid() {
		out = i.Prefix.String()
	}
	if i.Port != 0 {
		out += fmt.Sprintf(" port=%d", i.Port)
	}
	return out
}

func parse(text string) (got []string, drops ingest.Drops, err error) {
	drops, err = Format{}.Parse(strings.NewReader(text), ingest.Options{Template: template, Now: now}, keeper(&got))
	return got, drops, err
}

func bundle(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("testdata/bundle.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestParse(t *testing.T) {
	t.Parallel()
	got, drops, err := parse(bundle(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"198.51.100.23/32 c2 80", "192.0.2.0/24 c2 60", "2001:db8::/32 c2 60",
		"bad.example anonymizer 60", "http://bad.example/it's anonymizer 60", "198.51.100.31/32 malware 60",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	wantDrops := "3 not an address, network, domain or URL (first: object without type or id), " +
		"3 unsupported type (first: [domain-name:value = 'bad.example' OR file:hashes.'SHA-256'), 1 expired (first: [ipv4-addr:value = '198.51.100.28']), " +
		"1 no longer active (first: [ipv4-addr:value = '198.51.100.27']), 1 not valid yet (first: [ipv4-addr:value = '198.51.100.29']), " +
		"1 number with a leading zero (octal to some, decimal to others) (first: 198.51.100.032), 1 said to be benign (first: [ipv4-addr:value = '198.51.100.30']), " +
		"1 special-use network (first: 10.0.0.1)"
	if s := drops.String(); s != wantDrops {
		t.Errorf("left out: %s", s)
	}
	var whole []intel.Indicator
	_, _ = Format{}.Parse(strings.NewReader(bundle(t)), ingest.Options{Template: template, Now: now}, func(i *intel.Indicator) ingest.Reason {
		whole = append(whole, *i)
		return ""
	})
	i := whole[0]
	if i.Name != "Wave [31m 3" || i.Ref != "https://otx.alienvault.com/pulse/64e38336d783f91d6948a7b1" || i.Tags != "x,c2,malicious-activity" ||
		i.FirstSeen.Format(time.DateOnly) != "2026-05-20" || i.LastSeen.Format(time.DateOnly) != "2026-06-01" || i.Expires.Format(time.DateOnly) != "2026-12-20" {
		t.Errorf("%+v", i)
	}
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern string
		want    string // what is found, then, behind a bar, how many alternatives are not understood
	}{
		{"[ipv4-addr:value = '198.51.100.23']", "198.51.100.23/32"},
		{"[ipv4-addr:value = '203.0.113.0/24']", "203.0.113.0/24"},
		{"  [ ipv4-addr:value='198.51.100.23' ]\n", "198.51.100.23/32"},
		{"[(ipv4-addr:value = '198.51.100.23')]", "198.51.100.23/32"},
		{"[ipv6-addr:value = '2001:DB8::1']", "2001:db8::1/128"},
		{"[ipv6-addr:value ISSUBSET '2001:db8::/32']", "2001:db8::/32"},
		{"[domain-name:value IN ('a.example','b.example')]", "a.example b.example"},
		{"[domain-name:value = 'a.example'] OR [url:value = 'http://b.example/[x]']", "a.example http://b.example/[x]"},
		{"[network-traffic:dst_ref.value = '198.51.100.24' AND network-traffic:dst_port = 8080]", "198.51.100.24/32 port=8080"},
		{"[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '198.51.100.24' AND network-traffic:dst_port = 8080]", "198.51.100.24/32 port=8080"},
		{"[network-traffic:dst_ref.value IN ('198.51.100.24', '2001:db8::2') AND (network-traffic:dst_port = 80 OR network-traffic:dst_port = 443)]",
			"198.51.100.24/32 port=80 2001:db8::2/128 port=80 198.51.100.24/32 port=443 2001:db8::2/128 port=443"},
		{"[network-traffic:dst_ref.type = 'domain-name' AND network-traffic:dst_ref.value = 'a.example' AND network-traffic:dst_port = 443]", "a.example port=443"},
		{`[url:value = 'http://bad.example/it\'s\\x']`, `http://bad.example/it's\x`},

		{"[file:hashes.'SHA-256' = 'aa' OR ipv4-addr:value = '198.51.100.23']", "198.51.100.23/32 |1"},
		{"[file:hashes.MD5 = 'aa'] OR [ipv4-addr:value = '198.51.100.23']", "198.51.100.23/32 |1"},
		{"[process:args[0].'x y' = 'a' OR x:y[*].z = 1]", "|2"},
		{"[ipv4-addr:value = '198.51.100.25'] FOLLOWEDBY [domain-name:value = 'x.example'] WITHIN 300 SECONDS", "|2"},
		{"[ipv4-addr:value = '198.51.100.25'] AND [domain-name:value = 'x.example']", "|2"},
		{"[ipv4-addr:value = '198.51.100.25'] REPEATS 5 TIMES", "198.51.100.25/32"},
		{"[ipv4-addr:value = '198.51.100.25'] REPEATS 5 TIMES WITHIN 60.5 SECONDS", "198.51.100.25/32"},
		{"[ipv4-addr:value = '198.51.100.25'] START t'2026-01-01T00:00:00Z' STOP t'2027-01-01T00:00:00Z'", "198.51.100.25/32 until=2027-01-01"},
		{"([ipv4-addr:value = '198.51.100.25'])", "198.51.100.25/32"},
		{"(([ipv4-addr:value = '198.51.100.25'] OR [domain-name:value = 'x.example']) WITHIN 5 MINUTES)", "198.51.100.25/32 x.example"},
		{"[ipv4-addr:value = '198.51.100.25'] OR [domain-name:value = 'x.example'] AND [domain-name:value = 'y.example']", "198.51.100.25/32 |2"},
		{"[ipv4-addr:value == '198.51.100.25']", "198.51.100.25/32"},
		{"[ipv4-addr:value = /* why */ '198.51.100.25' // end\n]", "198.51.100.25/32"},
		{"// first\n[ipv4-addr:value = '198.51.100.25']", "198.51.100.25/32"},
		{"[ipv4-addr:value = '198.51.100.25' /* no end", "|1"},
		{"[EXISTS ipv4-addr:value]", "|1"},
		{"[NOT EXISTS ipv4-addr:value OR ipv4-addr:value = '198.51.100.25']", "198.51.100.25/32 |1"},
		{"[network-traffic:dst_ref.value = '198.51.100.24' AND network-traffic:dst_port IN (80, '443')]", "198.51.100.24/32 port=80 198.51.100.24/32 port=443"},
		{"[network-traffic:src_ref.type = 'ipv4-addr' AND network-traffic:src_ref.value = '198.51.100.24' AND network-traffic:dst_port = 22]", "198.51.100.24/32"},
		{"[network-traffic:src_ref.value = '198.51.100.24' AND network-traffic:dst_ref.value = '198.51.100.25']", "|1"},
		{"[network-traffic:src_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '198.51.100.24']", "|1"},
		{"[(network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '198.51.100.24') AND (network-traffic:dst_ref.type = 'domain-name' AND network-traffic:dst_ref.value = 'a.example') AND network-traffic:dst_port = '443' AND network-traffic:start = '2026-01-01T00:00:00Z']",
			"198.51.100.24/32 port=443 a.example port=443"},
		{"[url:value = 'http://a.example/x' AND url:x_misp_domain = 'a.example']", "http://a.example/x"},
		{"[url:value = 'a.example/x']", "http://a.example/x"},
		{"[domain-name:value = '198.51.100.23']", "198.51.100.23/32"},
		{"[domain-name:value LIKE '%.x.example']", "x.example"},
		{"[domain-name:value LIKE 'a.x.example']", "a.x.example"},
		{"[a:b = b'AA==' OR a:b = h'ff' OR a:b = true OR a:b < 1.5 OR a:b <> -1]", "|5"},
		{"[ipv4-addr:value = '198.51.100.25'] START t'soon' STOP t'2027-01-01T00:00:00Z'", "|1"},
		{"[ipv4-addr:value = '198.51.100.25'] WITHIN -1 SECONDS", "|1"},
		{"[ipv4-addr:value = '198.51.100.25'] FOLLOWEDBY", "|1"},
		{"[ipv4-addr:value LOOKSLIKE '198.51.100.25']", "|1"},
		{strings.Repeat("(", 10_000) + "[ipv4-addr:value = '198.51.100.1']", "|1"},
		{"[ipv4-addr:value != '198.51.100.26']", "|1"},
		{"[ipv4-addr:value NOT = '198.51.100.26']", "|1"},
		{"[ipv4-addr:value NOT IN ('198.51.100.26')]", "|1"},
		{"[ipv4-addr:value ISSUPERSET '198.51.100.0/24']", "|1"},
		{"[domain-name:value LIKE '%x.example']", "|1"},
		{"[domain-name:value MATCHES 'x+']", "|1"},
		{"[domain-name:value ISSUBSET 'x.example']", "|1"},
		{"[ipv4-addr:value = '198.51.100.23' AND domain-name:value = 'x.example']", "|1"},
		{"[domain-name:value = 'x.example' AND domain-name:resolves_to_refs[*].value = '198.51.100.23']", "x.example"},
		{"[ipv4-addr:value = '198.51.100.23' AND network-traffic:dst_port = 80]", "198.51.100.23/32 port=80"},
		{"[network-traffic:dst_port = 80]", "|1"},
		{"[network-traffic:dst_ref.value = '198.51.100.24' AND network-traffic:protocols[*] = 'udp']", "198.51.100.24/32"},
		{"[network-traffic:dst_ref.value = '198.51.100.24' AND network-traffic:dst_port > 80]", "|1"},
		{"[network-traffic:dst_ref.value = '198.51.100.24' AND network-traffic:dst_port = '80']", "198.51.100.24/32 port=80"},
		{"[network-traffic:dst_ref.value = '198.51.100.24' AND network-traffic:dst_port = 99999]", "|1"},
		{"[network-traffic:dst_ref.type = 'mac-addr' AND network-traffic:dst_ref.value = '198.51.100.24']", "|1"},
		{"[network-traffic:src_ref.value = '198.51.100.24']", "198.51.100.24/32"},
		{"[network-traffic:dst_ref.type = 'ipv6-addr' AND network-traffic:dst_ref.value = '198.51.100.24']", "198.51.100.24/32"},
		{"[ipv4-addr:value = '2001:db8::1']", "2001:db8::1/128"},
		{"[ipv6-addr:value = '198.51.100.1']", "198.51.100.1/32"},
		{"[ipv4-addr:value = 'bad.example']", "|1"},
		{"[ipv4-addr:value = '198.51.100.1:80']", "198.51.100.1/32 port=80"},
		{"[ipv4-addr:value = '198.51.100.1:80' AND network-traffic:dst_port = 443]", "|1"},
		{"[ipv4-addr:value = 7]", "|1"},
		{"[ipv4-addr:value = t'2026-01-01T00:00:00Z']", "|1"},
		{"[ipv4-addr:value = '198.51.100.1", "|1"},
		{"[ipv4-addr:value = '198.51.100.1'", "|1"},
		{"[ipv4-addr:value = '198.51.100.1']]", "|1"},
		{"ipv4-addr:value = '198.51.100.1'", "|1"},
		{"[]", "|1"}, {"", "|1"}, {"[[[[", "|1"}, {"[ipv4-addr:value IN ()]", "|1"}, {"[ipv4-addr:value IN ('198.51.100.1'", "|1"}, {"\x00", "|1"},
		{"[" + strings.Repeat("(", 10_000) + "ipv4-addr:value = '198.51.100.1'", "|1"},
		{"[" + strings.Repeat("(a:b = 1 OR a:b = 2) AND ", 30) + "a:b = 1]", "|1"},
		{"[network-traffic:dst_ref.value IN ('192.0.2.1'" + strings.Repeat(",'192.0.2.1'", maxAlternatives-1) + ") AND (network-traffic:dst_port = 1 OR network-traffic:dst_port = 2) AND network-traffic:dst_ref.type = 'ipv4-addr']",
			strings.Repeat("192.0.2.1/32 port=1 ", maxAlternatives) + "|1"},
		{"[a:b = 1" + strings.Repeat(" OR a:b = 1", maxAlternatives) + "]", "|1"},
		{"[ipv4-addr:value = '" + strings.Repeat("x", maxPattern) + "']", "|1"},
	} {
		var found []string
		left := 0
		match(tt.pattern, intel.Indicator{}, func(i intel.Indicator, _ string) {
			said := what(i)
			if !i.Expires.IsZero() {
				said += " until=" + i.Expires.Format(time.DateOnly)
			}
			found = append(found, said)
		}, func(ingest.Reason, string) { left++ })
		got := strings.Join(found, " ")
		if left > 0 {
			got = strings.TrimSpace(got + fmt.Sprintf(" |%d", left))
		}
		if got != tt.want {
			t.Errorf("%.120s\ngives %.200s, want %.200s", tt.pattern, got, tt.want)
		}
	}
}

// Of several versions of an object the newest counts, wherever it stands.
func TestVersions(t *testing.T) {
	t.Parallel()
	x := func(id, modified, address, more string) string {
		return fmt.Sprintf(`{"type":"indicator","id":"indicator--%s","modified":"%s","pattern":"[ipv4-addr:value = '%s']"%s}`, id, modified, address, more)
	}
	got, drops, err := parse(`{"type":"bundle","id":"bundle--1","objects":[` + strings.Join([]string{
		x("1", "2026-01-01T00:00:00.000Z", "192.0.2.1", ""), x("2", "2026-01-01T00:00:00Z", "192.0.2.3", ""),
		x("1", "2026-01-01T00:00:00.001Z", "192.0.2.2", ""), x("2", "2026-01-02T00:00:00Z", "192.0.2.3", `,"revoked":true`),
		x("3", "2026-01-02T01:00:00+01:00", "192.0.2.4", ""), x("3", "2026-01-01T23:59:59Z", "192.0.2.5", ""),
		x("4", "2026-01-01T00:00:00Z", "192.0.2.6", `,"valid_until":"some day"`),
	}, ",") + "]}")
	want := []string{"192.0.2.2/32 malware 60", "192.0.2.4/32 malware 60"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if s := drops.String(); s != "1 expiry that cannot be read (first: some day), 1 no longer active (first: [ipv4-addr:value = '192.0.2.3'])" {
		t.Errorf("left out: %s", s)
	}
}

func TestShapes(t *testing.T) {
	t.Parallel()
	x := `{"type":"indicator","id":"indicator--1","pattern":"[ipv4-addr:value = '192.0.2.1']"}`
	deep := strings.Repeat("[", 9990) + strings.Repeat("]", 9990)
	for name, tt := range map[string]struct {
		text    string
		objects int
	}{
		"one object":       {x, 1},
		"array":            {"[" + x + "," + x + "]", 2},
		"NDJSON":           {x + "\n" + x + "\n", 2},
		"envelope":         {`{"more":true,"next":"2","objects":[` + x + `]}`, 1},
		"empty envelope":   {"{}", 0},
		"empty array":      {"[]", 0},
		"empty bundle":     {`{"type":"bundle","id":"bundle--1"}`, 0},
		"objects null":     {`{"objects":null}`, 0},
		"deep beside":      {`{"x":` + deep + "," + x[1:], 1},
		"deep object":      {`{"objects":[` + deep + "," + x + "]}", 1},
		"wrong everywhere": {`{"labels":7,"confidence":"x","revoked":[],"kill_chain_phases":{},"external_references":[7],"name":{},"valid_from":1,` + x[1:], 1},
	} {
		p := newParser(ingest.Options{Now: now}, func(*intel.Indicator) ingest.Reason { return "" })
		if err := p.read(strings.NewReader(tt.text)); err != nil || p.objects != tt.objects {
			t.Errorf("%s: %d objects, %v", name, p.objects, err)
		}
	}
}

func TestRefusedWhole(t *testing.T) {
	t.Parallel()
	whole := bundle(t)
	for name, tt := range map[string]struct {
		text string
		want error
	}{
		"web page":    {"<html>", ingest.ErrWebPage},
		"binary":      {"\x00", ingest.ErrBinary},
		"half":        {whole[:len(whole)/2], io.ErrUnexpectedEOF},
		"TAXII error": {`{"title": "Forbidden", "http_status": "403"}`, ErrNotSTIX},
		"a number":    {"7", ErrNotSTIX},
		"nothing":     {"", ErrNotSTIX},
		"endless":     {`{"name":"` + strings.Repeat("x", 12<<20), ingest.ErrValueTooLong},
	} {
		if _, _, err := parse(tt.text); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", name, err, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(bundle(f))
	f.Fuzz(func(t *testing.T, text string) {
		n := 0
		_, _ = Format{}.Parse(strings.NewReader(text), ingest.Options{Now: now, Limit: 50}, func(i *intel.Indicator) ingest.Reason {
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

// A pattern gives one kind of thing each, and always an answer.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{"[ipv4-addr:value = '198.51.100.23' OR domain-name:value IN ('a.example', 'b.example')] OR [x:y[*].'z' = 1]",
		"[network-traffic:dst_ref.type = 'ipv4-addr' AND (network-traffic:dst_ref.value ISSUBSET '198.51.100.0/24') AND network-traffic:dst_port = 80]", `[url:value = 'http://x.example/\'']`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		answers := 0
		match(pattern, intel.Indicator{}, func(i intel.Indicator, _ string) {
			answers++
			if kinds := strings.Count(fmt.Sprint(i.Prefix.IsValid(), i.Domain != "", i.URL != ""), "true"); kinds != 1 {
				t.Fatalf("emitted %+v", i)
			}
		}, func(ingest.Reason, string) { answers++ })
		if answers == 0 || answers > maxAlternatives*2 {
			t.Fatalf("%d answers", answers)
		}
	})
}
