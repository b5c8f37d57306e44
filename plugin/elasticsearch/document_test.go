package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/integrations"
	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
)

var update = flag.Bool("update", false, "write testdata/hit.json")

// TestDocument holds the document of a hit with something in every field against
// testdata/hit.json, which is for reading.
func TestDocument(t *testing.T) {
	t.Parallel()
	h := fullHit()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, documentOf(t, h), "", "  "); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/hit.json"
	if *update {
		if err := os.WriteFile(golden, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || !bytes.Equal(want, pretty.Bytes()) {
		t.Errorf("%v; the document is not %s (see what changed with -update):\n%s", err, golden, pretty.Bytes())
	}
}

// documentOf returns the document of a hit as a bulk request has it, which is one line.
func documentOf(t *testing.T, h plugin.Hit) []byte {
	t.Helper()
	h.ID = firstOf(h.ID, "none")
	errs := make([]error, 1)
	body := newOutput().newBulk([]plugin.Hit{h}, errs).body
	lines := bytes.SplitAfter(body, []byte("\n"))
	if errs[0] != nil || len(lines) != 3 || len(lines[2]) != 0 {
		t.Fatalf("%v: %q is not an action and a document", errs[0], body)
	}
	return lines[1]
}

// notWritten are mapped for what others add: a GeoIP processor, for the maps.
var notWritten = []string{"source.geo.location", "destination.geo.location"}

// TestEveryFieldIsMapped: the mapping has the fields that a document can have, with
// types that take them, and no others.
func TestEveryFieldIsMapped(t *testing.T) {
	t.Parallel()
	b, err := integrations.Files.ReadFile("elasticsearch/mappings.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Template struct {
			Mappings mapping `json:"mappings"`
		} `json:"template"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	mapped, written := map[string]string{}, map[string][]string{}
	file.Template.Mappings.walk("", mapped)
	walkType(reflect.TypeFor[document](), "", written)
	for field, types := range written {
		if !slices.Contains(types, mapped[field]) {
			t.Errorf("%s is mapped as %q, not as one of %q", field, mapped[field], types)
		}
	}
	for field := range mapped {
		if written[field] == nil && !slices.Contains(notWritten, field) {
			t.Errorf("%s is mapped, but no document has it", field)
		}
	}
	if len(mapped) < 80 {
		t.Errorf("%d fields only", len(mapped))
	}
}

type mapping struct {
	Type       string             `json:"type"`
	Properties map[string]mapping `json:"properties"`
}

func (m mapping) walk(name string, into map[string]string) {
	if m.Type != "" {
		into[name] = m.Type
	}
	for n, p := range m.Properties {
		p.walk(strings.TrimPrefix(name+"."+n, "."), into)
	}
}

// walkType lists the fields that a type is written with, and the mapped types
// that take each.
func walkType(t reflect.Type, name string, into map[string][]string) {
	switch t {
	case reflect.TypeFor[time.Time]():
		into[name] = []string{"date"}
		return
	case reflect.TypeFor[netip.Addr]():
		into[name] = []string{"ip"}
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		walkType(t.Elem(), name, into)
	case reflect.Slice:
		walkType(t.Elem(), name, into)
		if t.Elem() == reflect.TypeFor[enrichment]() {
			into[name] = []string{"nested"}
		}
	case reflect.Struct:
		for f := range t.Fields() {
			tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			walkType(f.Type, strings.TrimPrefix(name+"."+tag, "."), into)
		}
	case reflect.String:
		into[name] = []string{"keyword", "text"}
	case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Uint32:
		into[name] = []string{"long", "float"}
	}
}

func TestDocumentOfOddHits(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 6, 7, 10, 0, 0, 0, time.UTC)
	icmp := fullHit()
	icmp.Proto, icmp.SrcPort, icmp.DstPort = 1, 8, 0
	network := fullHit()
	network.IOC = netip.MustParsePrefix("2001:db8::/32")
	network.Indicators = nil
	network.Proto, network.SrcPort, network.DstPort = 200, hit.NoPort, hit.NoPort
	many := fullHit()
	for len(many.Indicators) < 1000 {
		many.Indicators = append(many.Indicators, hit.Indicator{IOC: many.IOC, Feed: "otx", Tags: []string{string(rune('a' + len(many.Indicators)))}})
	}
	one := fullHit()
	one.Sources, one.Targets = 0, 0
	transit := fullHit()
	transit.Direction, transit.Matched, transit.Severity = hit.Transit, hit.MatchedNATSrc, 200
	for _, c := range []struct {
		name     string
		hit      plugin.Hit
		has, not []string
	}{
		{"nothing at all", plugin.Hit{SrcPort: hit.NoPort, DstPort: hit.NoPort}, []string{`"iana_number":"0"`}, []string{`"port"`, `@timestamp`, `0001-01-01`, `"ip"`}},
		{"no time but the last record's", plugin.Hit{Last: at}, []string{`"@timestamp":"2026-06-07T10:00:00Z"`}, []string{"0001-01-01"}},
		{"one conversation", one, []string{`"community_id":"1:`}, []string{`"sources"`}},
		{"icmp", icmp, []string{`"icmp":{"type":8,"code":0}`, "10.1.2.3 -> 198.51.100.7 icmp"}, []string{`"port"`}},
		{"a network, an odd protocol", network, []string{`"type":"ipv6-addr","name":"2001:db8::/32"`, `"iana_number":"200"`, "protocol 200"}, []string{`"transport"`, `"port"`}},
		{"many indicators", many, []string{`"indicators":1000`}, nil},
		{"transit, translated", transit, []string{`"direction":"external"`, `"direction":"transit"`, `"severity":99`, `source.ip 10.1.2.3 is listed`}, nil},
	} {
		doc := string(documentOf(t, c.hit))
		for _, want := range c.has {
			if !strings.Contains(doc, want) {
				t.Errorf("%s: no %s in %s", c.name, want, doc)
			}
		}
		for _, not := range c.not {
			if strings.Contains(doc, not) {
				t.Errorf("%s: %s in %s", c.name, not, doc)
			}
		}
		if n := strings.Count(doc, `"atomic"`); n > maxEnrichments {
			t.Errorf("%s: %d enrichments", c.name, n)
		}
	}
}
