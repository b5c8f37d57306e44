package web

import (
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/cmd/internal/finding"
)

func TestServer(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "flowhound_records_total", Help: "Flow records."})
	reg.MustRegister(c)
	c.Add(42)
	var found finding.List
	s := New(Config{Listen: "127.0.0.1:0"}, Dependencies{
		Metrics: reg, Log: slog.New(slog.DiscardHandler),
		Version: "v1", Findings: func() finding.List { return found }, Parts: []string{"log", "feeds"},
	})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		http.DefaultClient.CloseIdleConnections()
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	get := func(path string) (int, string) {
		resp, err := http.Get("http://" + s.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	if code, body := get("/metrics"); code != 200 || !strings.Contains(body, "flowhound_records_total 42") {
		t.Errorf("metrics: %d %s", code, body)
	}
	if code, body := get("/healthz"); code != 200 || !strings.Contains(body, `"status":"ok"`) {
		t.Errorf("healthy: %d %s", code, body)
	}
	found.Warn("wait", "feed otx: never fetched yet")
	if code, body := get("/healthz"); code != 200 || !strings.Contains(body, `"status":"ok"`) || !strings.Contains(body, `"warnings":["feed otx: never fetched yet"]`) {
		t.Errorf("a warning: %d %s", code, body)
	}
	found.Bad("flowhound feed list", "no indicators are loaded")
	code, body := get("/healthz")
	var h Health
	if err := json.Unmarshal([]byte(body), &h); err != nil || code != 503 || h.Status != "degraded" || len(h.Problems) != 1 || h.Problems[0] != "no indicators are loaded" || h.Version != "v1" {
		t.Errorf("degraded: %d %s %v", code, body, err)
	}
	found.Of("log", func(l *finding.List) { l.Bad("df -h", "the log cannot be written") })
	got := gatherProblems(t, s)
	if want := map[string]float64{"": 1, "log": 1, "feeds": 0}; !maps.Equal(got, want) {
		t.Errorf("problems by part: %v, want %v", got, want)
	}
	if code, _ := get("/"); code != 404 {
		t.Errorf("/ answers %d", code)
	}
}

// gatherProblems returns how many problems the metrics count of each part.
func gatherProblems(t *testing.T, s *Server) map[string]float64 {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(s)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "flowhound_problems" {
				counts[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	return counts
}

func TestAddressInUseIsSaid(t *testing.T) {
	t.Parallel()
	s := startServer(t, Config{}, healthy)
	again := New(Config{Listen: s.Addr().String()}, s.d)
	if err := again.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "web.listen") {
		t.Errorf("second server on one address: %v", err)
	}
	if err := again.Stop(t.Context()); err != nil {
		t.Errorf("stop of a server that never listened: %v", err)
	}
}

// TestNoSuchPage: a person is shown what there is, a program is told in a line, and a
// stranger nothing.
func TestNoSuchPage(t *testing.T) {
	var c Config
	ask := func(path, accept string) (int, string) {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		s := New(c, Dependencies{API: http.NotFoundHandler(), Log: slog.New(slog.DiscardHandler)})
		s.handler(newGate(c)).ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	for _, path := range []string{"/nosuch", "/hits/x", "/index.html/..%2f", "/map.html%00", "/" + strings.Repeat("x", 4000)} {
		if code, body := ask(path, "text/html,*/*"); code != 404 || !strings.Contains(body, "No such page.") {
			t.Errorf("%.40s: %d %.80s", path, code, body)
		}
		if code, body := ask(path, "*/*"); code != 404 || strings.Contains(body, "<") {
			t.Errorf("%.40s, to a program: %d %.80s", path, code, body)
		}
	}
	c.Users = filepath.Join(t.TempDir(), "users")
	if code, body := ask("/nosuch", "text/html"); code != 404 || strings.Contains(body, "<") {
		t.Errorf("to a stranger: %d %.80s", code, body)
	}
}
