package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/plugintest"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a service that does as told, and keeps what it was sent.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	sent   []sent
	answer http.HandlerFunc
}

type sent struct {
	path   string
	header http.Header
	body   []byte
}

func newServer(t testing.TB, answer http.HandlerFunc) *server {
	s := &server{answer: answer}
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.sent = append(s.sent, sent{r.URL.RequestURI(), r.Header, body})
	answer := s.answer
	s.mu.Unlock()
	answer(w, r)
}

func (s *server) requests() []sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent
}

func (s *server) now(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer, s.sent = answer, nil
}

func says(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// accepts is what each service says of a message that it has taken.
var accepts = map[string]http.HandlerFunc{
	"slack":          says(200, "ok"),
	"slack-api":      says(200, `{"ok":true,"ts":"1700000000.000100"}`),
	"mattermost":     says(200, "ok"),
	"mattermost-api": says(201, `{"id":"post1"}`),
	"teams":          says(202, ""),
	"discord":        says(200, `{"id":"1","channel_id":"77"}`),
	"discord-forum":  says(200, `{"id":"1","channel_id":"77"}`),
	"rocketchat":     says(200, `{"success":true}`),
	"googlechat":     says(200, `{"name":"spaces/AAAA/messages/BBBB"}`),
	"telegram":       says(200, `{"ok":true,"result":{"message_id":42}}`),
	"ntfy":           says(200, `{"id":"abc","event":"message"}`),
	"pagerduty":      says(202, `{"status":"success","message":"Event processed","dedup_key":"x"}`),
	"generic":        says(204, ""),
}

func opened(t testing.TB, s settings) *output {
	t.Helper()
	o := &output{settings: s}
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := o.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close(context.Background()) })
	return o
}

// outcome names what is to become of hits after err.
func outcome(err error) string {
	var later *plugin.RetryAfterError
	var partial *plugin.PartialError
	switch {
	case err == nil:
		return "delivered"
	case errors.As(err, &partial):
		return outcome(partial.Errs[0])
	case plugin.IsPermanent(err):
		return "permanent"
	case errors.As(err, &later):
		return later.After.String()
	}
	return "retry"
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	all := map[string]string{}
	for name := range accepts {
		all[name] = ""
	}
	for _, c := range []struct {
		service string // "" for all
		answer  http.HandlerFunc
		want    string
	}{
		{"", says(429, "slow down", "Retry-After", "7"), "7s"},
		{"", says(429, "slow down", "Retry-After", time.Now().Add(2*time.Hour).UTC().Format(http.TimeFormat)), "1h0m0s"},
		{"", says(429, "slow down", "Retry-After", "999999999"), "1h0m0s"},
		{"", says(429, "slow down", "Retry-After", "soon"), "retry"},
		{"", says(429, ""), "retry"},
		{"", says(503, "", "Retry-After", "30"), "30s"},
		{"", says(500, "oops"), "retry"},
		{"", says(502, "<html>bad gateway</html>"), "retry"},
		{"", says(408, ""), "retry"},
		{"", says(400, "invalid_payload"), "permanent"},
		{"", says(401, ""), "permanent"},
		{"", says(403, "action_prohibited"), "permanent"},
		{"", says(404, "no_service"), "permanent"},
		{"", says(413, ""), "permanent"},
		{"", says(302, "", "Location", "/elsewhere"), "retry"},
		{"discord", says(429, `{"message":"You are being rate limited.","retry_after":0.25,"global":false}`, "Retry-After", "1"), "250ms"},
		{"discord", says(200, `{"id":`), "retry"},
		{"telegram", says(429, `{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":35}}`), "35s"},
		{"telegram", says(200, `{"ok":false,"error_code":429,"parameters":{"retry_after":3}}`), "3s"},
		{"telegram", says(200, `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`), "permanent"},
		{"telegram", says(200, `not json`), "retry"},
		{"slack", says(200, "<html>login</html>"), "retry"},
		{"slack-api", says(200, `{"ok":false,"error":"channel_not_found"}`), "permanent"},
		{"slack-api", says(200, `{"ok":false,"error":"ratelimited"}`), "retry"},
		{"slack-api", says(200, `[]`), "retry"},
		{"teams", says(200, "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429"), "retry"},
		{"teams", says(200, "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413"), "permanent"},
		{"teams", says(200, "<HTML>sign in</HTML>"), "retry"},
		{"teams", says(200, "1"), "delivered"},
		{"rocketchat", says(200, `{"success":false,"error":"script"}`), "permanent"},
		{"rocketchat", says(200, `{}`), "retry"},
		{"pagerduty", says(202, `{"status":"invalid event","message":"Event object is invalid","errors":["x"]}`), "permanent"},
		{"pagerduty", says(202, `{`), "retry"},
		{"googlechat", says(200, `{}`), "retry"},
		{"ntfy", says(200, `null`), "retry"},
		{"mattermost", says(200, ``), "retry"},
		{"mattermost-api", says(200, strings.Repeat("x", 1<<20)), "retry"},
	} {
		names := map[string]string{c.service: ""}
		if c.service == "" {
			names = all
		}
		for name := range names {
			o := opened(t, settingsOf(s.URL)[name])
			s.now(c.answer)
			err := o.Write(t.Context(), plugintest.Hits(1))
			if got := outcome(err); got != c.want {
				t.Errorf("%s: %s (%v), want %s", name, got, err, c.want)
			}
		}
	}
	for name, answer := range accepts {
		o := opened(t, settingsOf(s.URL)[name])
		s.now(answer)
		if err := o.Write(t.Context(), plugintest.Hits(3)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := len(s.requests()); n != 1 && (n != 3 || name != "pagerduty") {
			t.Errorf("%s: %d requests", name, n)
		}
		if err := o.Write(t.Context(), nil); err != nil {
			t.Errorf("%s: no hits: %v", name, err)
		}
	}
}

func TestGoneDisables(t *testing.T) {
	t.Parallel()
	s := newServer(t, says(410, "gone"))
	for name, conf := range settingsOf(s.URL) {
		o := opened(t, conf)
		s.now(says(410, "gone"))
		for i := range 3 {
			err := o.Write(t.Context(), plugintest.Hits(2))
			if outcome(err) != "permanent" || !strings.Contains(err.Error(), "put its URL into the configuration") {
				t.Errorf("%s: write %d: %v", name, i, err)
			}
		}
		if n := len(s.requests()); n != 1 {
			t.Errorf("%s: %d requests to a webhook that is gone", name, n)
		}
	}
}

// hijack writes raw bytes as an answer and drops the connection.
func hijack(raw string, reset bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		io.WriteString(c, raw)
		if tcp, ok := c.(*net.TCPConn); ok && reset {
			tcp.SetLinger(0)
		}
		c.Close()
	}
}

func TestBrokenServers(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	done := make(chan struct{})
	s := newServer(t, nil)
	t.Cleanup(func() { close(done) }) // before the server is closed
	for what, answer := range map[string]http.HandlerFunc{
		"reset":         hijack("", true),
		"half a header": hijack("HTTP/1.1 200 OK\r\nContent-Len", false),
		"half a body":   hijack("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok", false),
		"no HTTP":       hijack("SSH-2.0-OpenSSH_9\r\n", false),
		"endless header": func(w http.ResponseWriter, r *http.Request) {
			hijack("HTTP/1.1 200 OK\r\n"+strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 200), false)(w, r)
		},
		"slow": func(http.ResponseWriter, *http.Request) {
			select {
			case <-done:
			case <-time.After(time.Minute):
			}
		},
	} {
		for name, conf := range settingsOf(s.URL) {
			if what == "slow" && name != "slack" && name != "pagerduty" {
				continue // a second each
			}
			conf.Timeout = time.Second
			o := opened(t, conf)
			s.now(answer)
			err := o.Write(t.Context(), plugintest.Hits(2))
			if outcome(err) != "retry" {
				t.Errorf("%s: %s: %v", name, what, err)
			}
			checkNoSecret(t, name+": "+what, err.Error())
		}
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	other := newServer(t, says(200, "ok"))
	s := newServer(t, nil)
	for name, conf := range settingsOf(s.URL) {
		for _, status := range []int{301, 302, 303, 307, 308} {
			o := opened(t, conf)
			s.now(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, other.URL+r.URL.RequestURI(), status)
			})
			err := o.Write(t.Context(), plugintest.Hits(1))
			if outcome(err) != "retry" || !strings.Contains(err.Error(), "redirect") {
				t.Errorf("%s: %d: %v", name, status, err)
			}
		}
	}
	if n := len(other.requests()); n != 0 {
		t.Errorf("another host was sent %d requests", n)
	}

	o := opened(t, settingsOf(s.URL)["slack"])
	s.now(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == testPath {
			http.Redirect(w, r, "/moved", http.StatusTemporaryRedirect)
			return
		}
		io.WriteString(w, "ok")
	})
	if err := o.Write(t.Context(), plugintest.Hits(1)); err != nil || len(s.requests()) != 2 || len(s.requests()[1].body) == 0 {
		t.Errorf("within the host: %v", err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(says(200, "ok"))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	s.StartTLS()
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	conf := settingsOf(s.URL)["slack"]
	err := opened(t, conf).Write(t.Context(), plugintest.Hits(1))
	if outcome(err) != "retry" || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an authority that is not trusted: %v", err)
	}
	conf.CAFile = ca
	if err := opened(t, conf).Write(t.Context(), plugintest.Hits(1)); err != nil {
		t.Errorf("with ca_file: %v", err)
	}
}

func TestPagerDutyIsPartial(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	o := opened(t, settingsOf(s.URL)["pagerduty"])
	n := 0
	s.now(func(w http.ResponseWriter, r *http.Request) {
		switch n++; n {
		case 2:
			says(400, `{"status":"invalid event"}`)(w, r)
		case 4:
			says(429, "", "Retry-After", "9")(w, r)
		default:
			accepts["pagerduty"](w, r)
		}
	})
	err := o.Write(t.Context(), plugintest.Hits(6))
	var partial *plugin.PartialError
	if !errors.As(err, &partial) {
		t.Fatal(err)
	}
	var got []string
	for _, e := range partial.Errs {
		got = append(got, outcome(e))
	}
	if want := "[delivered permanent delivered 9s 9s 9s]"; fmt.Sprint(got) != want || len(s.requests()) != 4 {
		t.Errorf("%v after %d requests, want %s", got, len(s.requests()), want)
	}
}

func TestPagerDutySeriesIsOneIncident(t *testing.T) {
	t.Parallel()
	s := newServer(t, accepts["pagerduty"])
	o := opened(t, settingsOf(s.URL)["pagerduty"])
	hits := plugintest.Hits(2)
	hits[0].ID, hits[1].ID = "abc-1", "abc-2"
	if err := o.Write(t.Context(), hits); err != nil {
		t.Fatal(err)
	}
	for _, r := range s.requests() {
		if !strings.Contains(string(r.body), `"dedup_key":"flowhound/abc"`) {
			t.Errorf("event %s", r.body)
		}
	}
}

// TestThreads posts a batch of two series, then each of them again, and looks
// where the second messages went.
func TestThreads(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"slack-api": `"thread_ts":"1700000000.000100"`, "mattermost-api": `"root_id":"post1"`, "telegram": `"message_id":42`,
	}
	s := newServer(t, nil)
	hits := plugintest.Hits(2)
	hits[0].ID, hits[1].ID = "aaa-1", "bbb-1"
	again := hits[1:]
	for name, conf := range settingsOf(s.URL) {
		o := opened(t, conf)
		s.now(accepts[name])
		for _, batch := range [][]plugin.Hit{hits, again} {
			if err := o.Write(t.Context(), batch); err != nil {
				t.Fatal(name, err)
			}
		}
		last := s.requests()[len(s.requests())-1]
		switch {
		case name == "discord-forum":
			if !strings.Contains(last.path, "thread_id=77") || strings.Contains(string(last.body), "thread_name") || !strings.Contains(string(s.requests()[0].body), "thread_name") {
				t.Errorf("%s: %s %s", name, last.path, last.body)
			}
		case name == "googlechat":
			if !strings.Contains(string(last.body), `"threadKey":"flowhound-bbb"`) || !strings.Contains(last.path, "messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD") || !strings.Contains(last.path, "token=5EcReT11") {
				t.Errorf("%s: %s %s", name, last.path, last.body)
			}
		case !strings.Contains(string(last.body), want[name]):
			t.Errorf("%s: not in its thread: %s", name, last.body)
		}
		if want[name] != "" && strings.Contains(string(s.requests()[0].body), want[name]) {
			t.Errorf("%s: a thread before there was one", name)
		}
	}
}

func TestThreadThatIsRemovedBeginsAnew(t *testing.T) {
	t.Parallel()
	s := newServer(t, accepts["discord"])
	o := opened(t, settingsOf(s.URL)["discord-forum"])
	if err := o.Write(t.Context(), plugintest.Hits(1)); err != nil {
		t.Fatal(err)
	}
	s.now(says(404, `{"message":"Unknown Channel","code":10003}`))
	if err := o.Write(t.Context(), plugintest.Hits(1)); outcome(err) != "retry" {
		t.Fatal(err)
	}
	s.now(accepts["discord"])
	if err := o.Write(t.Context(), plugintest.Hits(1)); err != nil || !strings.Contains(string(s.requests()[0].body), "thread_name") {
		t.Fatalf("%v: %s", err, s.requests()[0].body)
	}
}

func TestThreadsAreBounded(t *testing.T) {
	t.Parallel()
	var th threads
	for i := range maxThreads + 10 {
		th.begin(fmt.Sprint("s", i), "x")
	}
	if len(th.id) != maxThreads || len(th.order) != maxThreads || th.of("s0") != "" || th.of("s4105") == "" {
		t.Errorf("%d threads", len(th.id))
	}
}

// TestStandardWebhooks has the signature checked by the project's own library in
// Python, and the id be the same over retries.
func TestStandardWebhooks(t *testing.T) {
	t.Parallel()
	s := newServer(t, says(500, ""))
	o := opened(t, settingsOf(s.URL)["generic"])
	for range 2 {
		o.Write(t.Context(), plugintest.Hits(2))
	}
	a, b := s.requests()[0], s.requests()[1]
	if a.header.Get("Webhook-Id") != b.header.Get("Webhook-Id") || string(a.body) != string(b.body) {
		t.Error("a retry has another id or body")
	}
	var doc struct {
		Type string
		Data struct{ Hits []plugin.Hit }
	}
	if err := json.Unmarshal(a.body, &doc); err != nil || doc.Type != "flowhound.hits" || len(doc.Data.Hits) != 2 || doc.Data.Hits[1].ID != plugintest.Hits(2)[1].ID {
		t.Errorf("body: %v: %s", err, a.body)
	}

	python := pythonWith(t, "standardwebhooks")
	const verify = `
import sys, json
from standardwebhooks import Webhook
headers = json.loads(sys.argv[2])
Webhook(sys.argv[1]).verify(sys.stdin.buffer.read().decode(), headers)
print("verified")`
	check := func(body string) (string, error) {
		headers, _ := json.Marshal(map[string]string{
			"webhook-id": a.header.Get("Webhook-Id"), "webhook-timestamp": a.header.Get("Webhook-Timestamp"), "webhook-signature": a.header.Get("Webhook-Signature"),
		})
		cmd := exec.Command(python, "-c", verify, testKey, string(headers))
		cmd.Stdin = strings.NewReader(body)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := check(string(a.body)); err != nil || !strings.Contains(out, "verified") {
		t.Errorf("the library rejects the signature: %v\n%s", err, out)
	}
	if out, err := check(string(a.body) + " "); err == nil {
		t.Errorf("the library takes another body: %s", out)
	}
}

// pythonWith returns a Python that has a module. Without it the test is skipped,
// or fails where FLOWHOUND_PEERS=required says that peers are installed.
func pythonWith(t *testing.T, module string) string {
	t.Helper()
	python := peer.Path(t, "python3", "python3")
	if exec.Command(python, "-c", "import "+module).Run() != nil {
		peer.Missing(t, "Python has no %s (pip install %s)", module, module)
	}
	return python
}
