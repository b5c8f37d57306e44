package api

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/alert/output"
	"github.com/flowhound/flowhound/cmd/internal/alert/output/run"
	"github.com/flowhound/flowhound/cmd/internal/alert/series"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/flow/exporters"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/export/keep"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/web/users"
	"github.com/flowhound/flowhound/plugin/hit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is an API whose parts say what the test wants.
type lab struct {
	t   *testing.T
	api *API
	j   *journal.Journal
	s   *series.Store
	url string
	// role is the caller's, name the caller's name.
	role    users.Role
	written []string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, role: users.Operator}
	log := slog.New(slog.DiscardHandler)
	var err error
	if l.j, err = journal.Open(journal.Options{Dir: filepath.Join(t.TempDir(), "journal"), Sync: journal.SyncNever, Report: func(string, string) {}, Log: log}); err != nil {
		t.Fatal(err)
	}
	l.s = series.New(series.Dependencies{Journal: l.j, Path: filepath.Join(t.TempDir(), "series"), Log: log})
	if err := l.s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	policy := alert.NewPolicy([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, nil, nil).
		WithMutes([]alert.Mute{{IOC: netip.MustParsePrefix("198.51.100.9/32"), Until: now.Add(time.Hour), Why: "our test"}})
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "flowhound_records_total", Help: "x"}, func() float64 { return 5 }))
	l.api = New(Dependencies{
		Version: "v1", Config: "/etc/flowhound/flowhound.yaml", LogsIn: true, Started: now, Hits: l.s,
		Exporters: func() []exporters.State {
			return []exporters.State{{Address: netip.MustParseAddr("192.0.2.1"), Versions: []string{"9"}, LastSeen: now.Add(-time.Hour), Silent: true, Datagrams: 3, Records: 60}}
		},
		Feeds: func() []feed.State {
			return []feed.State{{Name: "ours", Type: "list", Status: feed.OK, Indicators: 3, LoadedAt: now, FreshAt: now}, {Name: "far", Type: "otx", Status: feed.Stale, Message: "504"}}
		},
		Outputs: func() []run.State {
			return []run.State{{Name: "siem", Type: "syslog", Stats: output.Stats{Status: output.Down, Problem: "closed", Depth: 2, Oldest: now}}}
		},
		Findings: func() (f finding.List) {
			f.OK("fine")
			f.Bad("flowhound feed update far", "feed far is stale")
			return f
		},
		Policy: func() *alert.Policy { return policy },
		Listed: listedByOurs,
		Exports: func(_ netip.Addr, listed []intel.Indicator) []keep.Holding {
			return []keep.Holding{{Format: "nftables", Path: "/etc/nftables.d/flowhound.nft", Held: len(listed) > 0, At: now}}
		},
		Allowed:  func(netip.Addr) string { return "" },
		Networks: func() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} },
		Own:      func(a netip.Addr) bool { return a.Is4() && a.As4()[0] == 10 },
		About:    func(netip.Addr) About { return About{} },
		Attribution: func() Attribution {
			return Attribution{Text: "IP Geolocation by DB-IP", URL: "https://db-ip.com", Date: "2026-06-01"}
		},
		Metrics:   metrics,
		Listening: func() []string { return []string{"0.0.0.0:2055"} },
		Mute: func(m alert.Mute) (Change, error) {
			if m.Why == "" {
				return Change{}, errors.New("give the reason")
			}
			return l.change(fmt.Sprintf("mute %s by %s: %s", m.String(), m.By, m.Why)), nil
		},
		Allow: func(a Allow) (Change, error) {
			return l.change(fmt.Sprintf("allow %s by %s: %s", a.What, a.By, a.Why)), nil
		},
		Log: log,
	})
	if err := l.api.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.api.ServeHTTP(w, r.WithContext(WithCaller(r.Context(), users.Caller{Name: "anna", Role: l.role})))
	}))
	l.url = server.URL
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = l.api.Stop(ctx)
		http.DefaultClient.CloseIdleConnections()
		server.Close()
		if err := errors.Join(l.s.Stop(ctx), l.j.Close(ctx)); err != nil {
			t.Error(err)
		}
	})
	return l
}

func (l *lab) change(text string) Change {
	return Change{File: "flowhound.yaml", Text: text, Write: func() error {
		if strings.Contains(text, "forbidden") {
			return &fs.PathError{Op: "open", Path: "flowhound.yaml", Err: fs.ErrPermission}
		}
		l.written = append(l.written, text)
		return nil
	}}
}

func (l *lab) say(h *hit.Hit) {
	l.t.Helper()
	change := l.s.Change()
	if _, err := l.j.Append(&journal.Record{To: []string{series.Cursor}, Hit: h}); err != nil {
		l.t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); l.s.Change() == change; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatal("the hit does not arrive")
		}
	}
}

// do sends a request and decodes the answer.
func (l *lab) do(method, path, body string, into any) (code int, header http.Header) {
	l.t.Helper()
	r, err := http.NewRequestWithContext(l.t.Context(), method, l.url+"/api/v1/"+path, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		l.t.Errorf("%s %s: %d %.200s: %v", method, path, resp.StatusCode, b, err)
	}
	return resp.StatusCode, resp.Header
}

func made(id string, sev hit.Severity, dst string) *hit.Hit {
	now := time.Now().UTC()
	local, remote := netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr(dst)
	return &hit.Hit{
		Kind: hit.New, Severity: sev, Direction: hit.Outbound, State: hit.Established, Category: "c2", Feed: "ours", IOC: netip.PrefixFrom(remote, remote.BitLen()), Score: 85,
		Src: local, Dst: remote, Local: local, Remote: remote, SrcPort: 50000, DstPort: 443, Proto: 6, Count: 3, Bytes: 300, Packets: 6, Exporter: netip.MustParseAddr("192.0.2.1"),
		First: now.Add(-time.Minute), Last: now, Time: now, Start: now, End: now, ID: id + "-1", Name: "<script>alert(1)</script> \u202eelif",
		Indicators: []hit.Indicator{{IOC: netip.PrefixFrom(remote, remote.BitLen()), Feed: "ours", Category: "c2", Score: 85, Ref: "https://intel.example/x", Name: "x"}},
		Regular:    &hit.Regular{Score: 0.9, PeriodSeconds: 300, DeviationSeconds: 2, Contacts: 12},
	}
}

// TestAnswersAreAsDescribed holds each answer against openapi.json.
func TestAnswersAreAsDescribed(t *testing.T) {
	l := newLab(t)
	l.say(made("aaa", hit.Critical, "198.51.100.7"))
	l.say(made("bbb", hit.Medium, "2001:db8::7"))
	l.keep()
	var doc object
	if code, _ := l.do("GET", "openapi.json", "", &doc); code != 200 {
		t.Fatalf("openapi.json: %d", code)
	}
	all := doc["components"].(object)["schemas"].(object)
	for _, r := range routes {
		if r.gives == nil {
			continue
		}
		method, path, _ := strings.Cut(r.pattern, " ")
		body := map[string]string{
			"/api/v1/mute":  `{"ioc": "198.51.100.7", "until": "2099-01-31", "why": "ours", "dry": true}`,
			"/api/v1/allow": `{"what": "198.51.100.7", "why": "ours", "dry": true}`,
		}[path]
		var got any
		code, _ := l.do(method, strings.NewReplacer("{series}", "aaa", "{address}", "198.51.100.7").Replace(strings.TrimPrefix(path, "/api/v1/")), body, &got)
		if code != 200 {
			t.Errorf("%s: %d %v", r.pattern, code, got)
			continue
		}
		answer := doc["paths"].(object)[path].(object)[strings.ToLower(method)].(object)["responses"].(object)["200"].(object)
		schema := answer["content"].(object)["application/json"].(object)["schema"].(object)
		for _, w := range check(all, schema, got, r.pattern) {
			t.Error(w)
		}
	}
}

func TestFilters(t *testing.T) {
	l := newLab(t)
	l.say(made("aaa", hit.Critical, "198.51.100.7"))
	l.say(made("bbb", hit.Medium, "2001:db8::7"))
	scan := made("ccc", hit.Info, "203.0.113.5")
	scan.Direction, scan.State, scan.Category, scan.Src, scan.Dst, scan.DstPort = hit.Inbound, hit.Attempt, "scanner", scan.Dst, scan.Src, 23
	l.say(scan)
	for query, want := range map[string]string{
		"": "aaa bbb ccc", "min=medium": "aaa bbb", "severity=medium": "bbb", "severity=medium,info": "bbb ccc", "not-severity=info": "aaa bbb",
		"direction=inbound": "ccc", "category=c2&min=high": "aaa", "state=attempt": "ccc", "kind=repeat": "", "feed=ours": "aaa bbb ccc", "exporter=192.0.2.1": "aaa bbb ccc",
		"q=198.51.100.7": "aaa", "q=198.51.100.0/24": "aaa", "q=2001:db8::/32": "bbb", "q=:23": "ccc", "q=:443": "aaa bbb", "q=SCRIPT": "aaa bbb ccc", "q=10.1.2.3+:23": "ccc",
		"q=nothing": "", "last=1m": "aaa bbb ccc", "from=2020-01-01T00:00:00Z&to=2020-02-01T00:00:00Z": "", "limit=1": "aaa", "limit=1&offset=1": "bbb", "offset=99": "",
	} {
		var a Hits
		if code, _ := l.do("GET", "hits?"+query, "", &a); code != 200 {
			t.Errorf("%s: %d", query, code)
		}
		got := []string{}
		for _, s := range a.Series {
			got = append(got, s.ID)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", query, got, want)
		}
	}
	for query, want := range map[string]string{
		"last=tomorrow": "last=tomorrow", "last=999d": "366d", "last=-1h": "last=", "from=x": "from=x", "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z": "ends before",
		"from=1": "longer than", "min=severe": "unknown severity", "colour=red": "there is no parameter", "limit=-1": "limit", "limit=99999999": "limit", "offset=x": "offset",
		"q=" + strings.Repeat("x", 600): "longer than",
	} {
		var p problem
		if code, _ := l.do("GET", "hits?"+query, "", &p); code != 400 || !strings.Contains(p.Error, want) {
			t.Errorf("%.60s: %d %s", query, code, p.Error)
		}
	}
}

func TestStory(t *testing.T) {
	l := newLab(t)
	l.say(made("tafmy5n3he9te", hit.Critical, "198.51.100.7"))
	var s Story
	if code, _ := l.do("GET", "hits/tafmy5n3he9te", "", &s); code != 200 || s.Rule != 100920 || s.Level != 14 || !strings.Contains(s.Text, "hit kind=new") {
		t.Errorf("%d %+v", code, s)
	}
	if s.Why.OutAnswered != hit.Critical || s.Why.InUnanswered != hit.Low || !s.Why.Plain || s.Period != 300 {
		t.Errorf("%+v", s.Why)
	}
	var p problem
	if code, _ := l.do("GET", "hits/tafmy5n3he9tx", "", &p); code != 404 || !strings.Contains(p.Error, "nearest is tafmy5n3he9te") {
		t.Errorf("%d %s", code, p.Error)
	}
	if code, _ := l.do("GET", "hits/"+url.PathEscape(strings.Repeat("../", 500)), "", &p); code != 404 {
		t.Errorf("a path: %d", code)
	}
	if code, _ := l.do("GET", "nothing", "", &p); code != 404 || !strings.Contains(p.Error, "openapi.json") {
		t.Errorf("%d %s", code, p.Error)
	}
}

// TestAnswersTravelLight: an answer is not sent twice, and zipped where that is understood.
func TestAnswersTravelLight(t *testing.T) {
	l := newLab(t)
	for i := range 50 {
		l.say(made(fmt.Sprintf("s%d", i), hit.High, fmt.Sprintf("198.51.100.%d", i+1)))
	}
	ask := func(header, value string) *http.Response {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, l.url+"/api/v1/hits?from=1790000000&to=1799000000", nil)
		r.Header.Set("Accept-Encoding", "gzip")
		r.Header.Set(header, value)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	resp := ask("X", "")
	z, err := gzip.NewReader(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(z); err != nil || !json.Valid(b) {
		t.Errorf("%v %.100s", err, b)
	}
	resp.Body.Close()
	tag := resp.Header.Get("ETag")
	again := ask("If-None-Match", tag)
	again.Body.Close()
	if tag == "" || again.StatusCode != http.StatusNotModified {
		t.Errorf("%q: %d", tag, again.StatusCode)
	}
}

func TestActions(t *testing.T) {
	l := newLab(t)
	mute := `{"src": "10.1.2.3", "ioc": "198.51.100.7", "until": "2099-01-31", "why": "ours", "dry": %v}`
	var w Written
	if code, _ := l.do("POST", "mute", fmt.Sprintf(mute, true), &w); code != 200 || w.Written || !strings.Contains(w.Text, "by anna: ours") || len(l.written) > 0 {
		t.Errorf("a dry mute: %d %+v %v", code, w, l.written)
	}
	if code, _ := l.do("POST", "mute", fmt.Sprintf(mute, false), &w); code != 200 || !w.Written || len(l.written) != 1 {
		t.Errorf("a mute: %d %+v %v", code, w, l.written)
	}
	if code, _ := l.do("POST", "allow", `{"what": "198.51.100.7", "why": "our mail host"}`, &w); code != 200 || !w.Written || l.written[1] != "allow 198.51.100.7 by anna: our mail host" {
		t.Errorf("an allow: %d %+v %v", code, w, l.written)
	}
	var p problem
	for body, want := range map[string]string{
		`{"ioc": "x", "until": "2099-01-31", "why": "y"}`: "not an address", `{"ioc": "198.51.100.7", "until": "soon", "why": "y"}`: "until", `{"until": "2099-01-31"}`: "reason",
		`{"colour": 1}`: "unknown field", `{`: "cannot be read", `{"why": "x"} {}`: "more than one",
	} {
		if code, _ := l.do("POST", "mute", body, &p); code != 400 || !strings.Contains(p.Error, want) {
			t.Errorf("%s: %d %s", body, code, p.Error)
		}
	}
	if code, _ := l.do("POST", "allow", `{"what": "198.51.100.7", "why": "forbidden"}`, &p); code != 409 || !strings.Contains(p.Error, "sudo flowhound allow add") {
		t.Errorf("a file of root's: %d %s", code, p.Error)
	}
	l.role = users.Viewer
	if code, _ := l.do("POST", "mute", fmt.Sprintf(mute, true), &p); code != 403 || !strings.Contains(p.Error, "role operator") {
		t.Errorf("a viewer: %d %s", code, p.Error)
	}
	l.role = ""
	if code, _ := l.do("GET", "me", "", &p); code != 403 {
		t.Errorf("nobody: %d", code)
	}
	resp, err := http.Post(l.url+"/api/v1/mute", "text/plain", bytes.NewReader([]byte(mute)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden { // nobody's role comes first
		t.Errorf("a form: %d", resp.StatusCode)
	}
	l.role = users.Operator
	if resp, err = http.Post(l.url+"/api/v1/mute", "text/plain", strings.NewReader("{}")); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("a form: %d", resp.StatusCode)
	}
}

// TestEvents: what is new comes, to each of many who listen, once.
func TestEvents(t *testing.T) {
	l := newLab(t)
	l.say(made("old", hit.High, "198.51.100.6"))
	listen := func(query string) (next func() (event, data string), end func()) {
		ctx, cancel := context.WithCancel(t.Context())
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, l.url+"/api/v1/events"+query, nil)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(resp.Body)
		return func() (event, data string) {
			for {
				line, err := lines.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				switch key, value, _ := strings.Cut(strings.TrimSpace(line), ": "); key {
				case "event":
					event = value
				case "data":
					data = value
				case "":
					return event, data
				}
			}
		}, func() { cancel(); resp.Body.Close() }
	}
	type client struct {
		next func() (string, string)
		end  func()
	}
	var all []client
	for range 50 {
		next, end := listen("")
		defer end()
		if event, data := next(); event != "alive" || !strings.Contains(data, `"now":1`) {
			t.Fatalf("the first event: %s %s", event, data)
		}
		all = append(all, client{next, end})
	}
	l.say(made("fresh", hit.Critical, "198.51.100.7"))
	for _, c := range all {
		event, data := c.next()
		var n News
		if err := json.Unmarshal([]byte(data), &n); err != nil || event != "hits" || len(n.Series) != 1 || n.Series[0].ID != "fresh" || n.Counts.Now != 2 || n.Counts.Exporters != 1 {
			t.Fatalf("%s %s %v", event, data, err)
		}
	}
	// A page that was open over a restart knows a number that is not there yet.
	next, end := listen("?since=1000")
	defer end()
	if event, _ := next(); event != "alive" {
		t.Errorf("first %s", event)
	}
	if event, data := next(); event != "hits" || !strings.Contains(data, `"old"`) || !strings.Contains(data, `"fresh"`) {
		t.Errorf("after a restart: %s %s", event, data)
	}
	for range mostStreams - 51 {
		next, end := listen("")
		defer end()
		next()
	}
	var p problem
	if code, h := l.do("GET", "events", "", &p); code != 503 || h.Get("Retry-After") == "" {
		t.Errorf("one too many: %d %s", code, p.Error)
	}
}

func FuzzText(f *testing.F) {
	for _, q := range []string{"198.51.100.7", "::1/64", ":443", "fe80::1%eth0", "a b", ":", "/"} {
		f.Add(q)
	}
	h := made("aaa", hit.High, "198.51.100.7")
	x := series.Series{ID: "aaa", Newest: *h}
	f.Fuzz(func(_ *testing.T, q string) {
		if fits, err := textOf(q); err == nil {
			fits(&x)
		}
	})
}
