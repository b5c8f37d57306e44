package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
)

// fake answers as Elasticsearch 8 and OpenSearch 2 were seen to, for what the
// output asks of them. fault may answer in its place.
type fake struct {
	*httptest.Server
	t       *testing.T
	flavor  string
	key     string // the API key it wants, "" for none
	user    string // user:password it wants, "" for none
	limit   int    // of a body in bytes, 0 for none
	noISM   bool
	refuse  func(id string, doc map[string]any) (status int, why string)
	fault   func(w http.ResponseWriter, r *http.Request, body []byte) bool
	product string

	mu       sync.Mutex
	docs     map[string]map[string]any
	puts     map[string]string // what was PUT, by path and query
	requests []string
}

func newFake(t *testing.T, flavor string) *fake {
	f := &fake{t: t, flavor: flavor, docs: map[string]map[string]any{}, puts: map[string]string{}}
	if flavor == elasticFlavor {
		f.product = "Elasticsearch"
	}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil && r.Header.Get("Content-Encoding") == "gzip" {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, err = io.ReadAll(z)
		}
	}
	if err != nil {
		f.t.Errorf("the body of %s: %v", r.URL.Path, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, r.Method+" "+r.URL.Path)
	if f.fault != nil && f.fault(w, r, body) {
		return
	}
	if f.product != "" {
		w.Header().Set("X-Elastic-Product", f.product)
	}
	switch {
	case !f.knows(r.Header.Get("Authorization")):
		says(w, 401, "security_exception", "unable to authenticate")
	case strings.HasSuffix(r.URL.Path, "/_bulk"):
		f.bulk(w, r, body)
	case r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, "/_plugins/_ism/") && f.noISM,
		r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/_plugins/_ism/") && f.noISM:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":"no handler found for uri [%s] and method [%s]"}`, r.URL.Path, r.Method)
	case r.Method == http.MethodPut:
		f.put(w, r, body)
	case f.puts[r.URL.Path] == "":
		says(w, 404, "resource_not_found_exception", "["+r.URL.Path+"] not found")
	case strings.HasPrefix(r.URL.Path, "/_plugins/_ism/"):
		fmt.Fprint(w, `{"_id":"x","_version":3,"_primary_term":4,"_seq_no":7,"policy":{}}`)
	default:
		fmt.Fprint(w, `{"index_templates":[{"name":"logs-flowhound.hit"}]}`)
	}
}

// put wants what the server wants: JSON, components before what is composed of
// them, and the version of the policy that is replaced.
func (f *fake) put(w http.ResponseWriter, r *http.Request, body []byte) {
	var v struct {
		ComposedOf []string `json:"composed_of"`
		Ignore     []string `json:"ignore_missing_component_templates"`
	}
	if err := json.Unmarshal(body, &v); err != nil {
		says(w, 400, "parsing_exception", err.Error())
		return
	}
	for _, c := range v.ComposedOf {
		if f.puts["/_component_template/"+c] == "" && strings.Join(v.Ignore, "") != c {
			says(w, 400, "invalid_index_template_exception", "component template ["+c+"] does not exist")
			return
		}
	}
	if strings.HasPrefix(r.URL.Path, "/_plugins/") && f.puts[r.URL.Path] != "" && r.URL.RawQuery != "if_primary_term=4&if_seq_no=7" {
		says(w, 409, "version_conflict_engine_exception", "document already exists")
		return
	}
	f.puts[r.URL.Path] = string(body)
	fmt.Fprint(w, `{"acknowledged":true}`)
}

func (f *fake) knows(authorization string) bool {
	switch {
	case f.key != "":
		return authorization == "APIKey "+f.key
	case f.user != "":
		return authorization == "Basic "+base64.StdEncoding.EncodeToString([]byte(f.user))
	}
	return true
}

func (f *fake) bulk(w http.ResponseWriter, r *http.Request, body []byte) {
	if f.limit > 0 && len(body) > f.limit {
		w.WriteHeader(http.StatusRequestEntityTooLarge) // a proxy's, without a word in JSON
		return
	}
	if got := r.Header.Get("Content-Type"); got != "application/x-ndjson" {
		says(w, 406, "media_type_header_exception", "Content-Type "+got)
		return
	}
	lines := bytes.Split(bytes.TrimSuffix(body, []byte("\n")), []byte("\n"))
	var items []any
	for i := 0; i+1 < len(lines); i += 2 {
		var action map[string]struct {
			ID string `json:"_id"`
		}
		var doc map[string]any
		if json.Unmarshal(lines[i], &action) != nil || json.Unmarshal(lines[i+1], &doc) != nil {
			says(w, 400, "x_content_parse_exception", "bad line")
			return
		}
		create, ok := action["create"]
		if !ok || len(action) != 1 {
			says(w, 400, "illegal_argument_exception", "only create")
			return
		}
		it := map[string]any{"_id": create.ID, "status": 201}
		fail := func(status int, kind, why string) {
			it["status"], it["error"] = status, map[string]any{"type": kind, "reason": why}
		}
		status, why := 0, ""
		if f.refuse != nil {
			status, why = f.refuse(create.ID, doc)
		}
		switch {
		case f.docs[create.ID] != nil:
			fail(409, "version_conflict_engine_exception", "document already exists")
		case status == 200:
			it["failure_store"], it["_id"] = "used", "Xy12"
		case status != 0:
			fail(status, "some_exception", why)
		default:
			f.docs[create.ID] = doc
		}
		items = append(items, map[string]any{"create": it})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"items": items})
}

func says(w http.ResponseWriter, status int, kind, why string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "error": map[string]any{"type": kind, "reason": why}})
}

// opened returns an output that writes to the fake, set up and open.
func opened(t *testing.T, f *fake, change func(*output)) *output {
	t.Helper()
	o := newOutput()
	o.Addresses, o.Flavor, o.AutoSetup = []string{f.URL}, f.flavor, true
	if f.flavor == openSearchFlavor && f.noISM {
		o.Retention = "none"
	}
	if change != nil {
		change(o)
	}
	if err := o.Open(deadline(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return o
}

func deadline(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// someHits returns n hits, each with an id and addresses of its own.
func someHits(n int) []plugin.Hit {
	hits := make([]plugin.Hit, n)
	for i := range hits {
		hits[i] = fullHit()
		hits[i].ID = fmt.Sprintf("7k3m9q2v8w1xz-%d", i+1)
		hits[i].Src = netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		hits[i].Local = hits[i].Src
		hits[i].Severity = hit.Severity(i % hit.NumSeverities)
		hits[i].Time = hits[i].Time.Add(time.Duration(i) * time.Second)
	}
	return hits
}

// fullHit has something in every field.
func fullHit() plugin.Hit {
	t := time.Date(2026, 6, 7, 10, 38, 20, 123456789, time.UTC)
	c2 := hit.Indicator{
		IOC: netip.MustParsePrefix("198.51.100.7/32"), Feed: "otx", Category: "c2", Score: 85, Ref: "https://otx.alienvault.com/pulse/5f?a=1&b=2",
		Name: `Emotet "wave" 3`, Tags: []string{"emotet", "c2"}, FirstSeen: t.AddDate(0, -1, 0), LastSeen: t.AddDate(0, 0, -1),
	}
	return plugin.Hit{
		Kind: hit.New, Severity: hit.High, Direction: hit.Outbound, State: hit.Established,
		Category: "c2", Feed: "otx", IOC: c2.IOC, Score: 85,
		Src: netip.MustParseAddr("10.1.2.3"), SrcPort: 51234, Dst: netip.MustParseAddr("198.51.100.7"), DstPort: 443, Proto: 6,
		Count: 3, Bytes: 18412, Packets: 97, Country: "NL", Exporter: netip.MustParseAddr("192.0.2.1"), Domain: 7, Sampling: 100,
		Start: t.Add(-30 * time.Second), End: t.Add(-2 * time.Second), First: t.Add(-time.Second), Last: t.Add(-time.Millisecond), Time: t,
		ID: "7k3m9q2v8w1xz-1", Ref: c2.Ref, Name: c2.Name,
		Local: netip.MustParseAddr("10.1.2.3"), Remote: netip.MustParseAddr("198.51.100.7"), Matched: hit.MatchedDst,
		SrcBytes: 8412, DstBytes: 10000, SrcPackets: 40, DstPackets: 57,
		NATSrc: netip.MustParseAddr("203.0.113.9"), NATDst: netip.MustParseAddr("10.9.9.9"), Sources: 37, Targets: 9,
		SrcPlace:   hit.Place{Country: "NO", Host: "laptop-7.example", Site: "home"},
		DstPlace:   hit.Place{Country: "NL", AS: 64500, Owner: "Example Hosting", Host: "c2.example", Site: "tunnel"},
		Indicators: []hit.Indicator{c2, {IOC: netip.MustParsePrefix("203.0.113.0/24"), Feed: "ours", Category: "policy", Score: 20, Name: "bad net"}},
	}
}

// newTLS serves the fake over TLS too, under a CA of its own.
func newTLS(t *testing.T, f *fake) *httptest.Server {
	s := httptest.NewUnstartedServer(f)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are meant to fail
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func caFile(t *testing.T, s *httptest.Server) string {
	name := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
