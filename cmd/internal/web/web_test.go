package web

import (
	"encoding/json"
	"io"
	"log/slog"
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
	s, err := Start(Options{
		Config: Config{Listen: "127.0.0.1:0"}, Metrics: reg, Log: slog.New(slog.DiscardHandler),
		Version: "v1", Findings: func() finding.List { return found },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		http.DefaultClient.CloseIdleConnections()
		if err := s.Close(t.Context()); err != nil {
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
	if code, _ := get("/"); code != 404 {
		t.Errorf("/ answers %d", code)
	}
}

func TestAddressInUseIsSaid(t *testing.T) {
	t.Parallel()
	o := Options{Config: Config{Listen: "127.0.0.1:0"}, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler), Findings: healthy}
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	o.Listen = s.Addr().String()
	if _, err := Start(o); err == nil || !strings.Contains(err.Error(), "web.listen") {
		t.Errorf("second server on one address: %v", err)
	}
}

// TestNoSuchPage: a person is shown what there is, a program is told in a line, and a
// stranger nothing.
func TestNoSuchPage(t *testing.T) {
	o := Options{API: http.NotFoundHandler(), Log: slog.New(slog.DiscardHandler)}
	ask := func(o Options, path, accept string) (int, string) {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		handler(o, newGate(o.Config)).ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	for _, path := range []string{"/nosuch", "/hits/x", "/index.html/..%2f", "/map.html%00", "/" + strings.Repeat("x", 4000)} {
		if code, body := ask(o, path, "text/html,*/*"); code != 404 || !strings.Contains(body, "No such page.") {
			t.Errorf("%.40s: %d %.80s", path, code, body)
		}
		if code, body := ask(o, path, "*/*"); code != 404 || strings.Contains(body, "<") {
			t.Errorf("%.40s, to a program: %d %.80s", path, code, body)
		}
	}
	o.Users = filepath.Join(t.TempDir(), "users")
	if code, body := ask(o, "/nosuch", "text/html"); code != 404 || strings.Contains(body, "<") {
		t.Errorf("to a stranger: %d %.80s", code, body)
	}
}
