package fetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/plugin/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client returns one that waits for nothing.
func client(t *testing.T, o Options) *Client {
	t.Helper()
	if o.RetryWait == 0 {
		o.RetryWait = time.Millisecond
	}
	c := New(o)
	t.Cleanup(c.Close)
	return c
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// get fetches url and reads it to its end.
func get(t *testing.T, c *Client, r Request) (string, *Response, error) {
	t.Helper()
	resp, err := c.Do(context.Background(), r)
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), resp, err
}

func zipped(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.Bytes()
}

func TestConditional(t *testing.T) {
	var bodies atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if got, want := r.UserAgent(), "flowhound/1.2.3 (+https://github.com/flowhound/flowhound; noc@example.net)"; got != want {
			t.Errorf("User-Agent %q, want %q", got, want)
		}
		if r.Header.Get("If-None-Match") == `"v1"` && r.Header.Get("If-Modified-Since") == "Mon, 01 Jun 2026 00:00:00 GMT" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		bodies.Add(1)
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Last-Modified", "Mon, 01 Jun 2026 00:00:00 GMT")
		fmt.Fprint(w, "192.0.2.1\n")
	})
	c := client(t, Options{Version: "1.2.3", Contact: "noc@example.net"})
	text, resp, err := get(t, c, Request{URL: s.URL})
	if err != nil || text != "192.0.2.1\n" || resp.NotModified {
		t.Fatalf("first: %q %+v %v", text, resp, err)
	}
	first := resp.Validators
	text, resp, err = get(t, c, Request{URL: s.URL, Validators: first})
	if err != nil || text != "" || !resp.NotModified || resp.Validators != first {
		t.Fatalf("second: %q %+v %v", text, resp, err)
	}
	if n := bodies.Load(); n != 1 {
		t.Errorf("%d bodies were sent, want 1", n)
	}
}

func TestNotModifiedUnasked(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
	var status *StatusError
	if _, _, err := get(t, client(t, Options{}), Request{URL: s.URL}); !errors.As(err, &status) || status.Code != 304 {
		t.Errorf("got %v, want a StatusError of 304", err)
	}
}

func TestRetries(t *testing.T) {
	tests := []struct {
		name       string
		status     int
		retryAfter string
		fails      int32 // tries that fail
		asked      int32 // tries in all
		ok         bool
		wait       time.Duration // StatusError.RetryAfter
	}{
		{"recovers", 503, "", 2, 3, true, 0},
		{"gives up", 500, "", 9, 4, false, 0},
		{"soon", 429, "0", 1, 2, true, 0},
		{"later than we wait", 429, "3600", 9, 1, false, time.Hour},
		{"a date", 503, "Mon, 01 Jun 2026 02:00:00 GMT", 9, 1, false, 2 * time.Hour},
		{"never", 503, "99999999999", 9, 1, false, retry.MaxAfter},
		{"a person must", 403, "", 9, 1, false, 0},
		{"gone", 404, "", 9, 1, false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var asked atomic.Int32
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if b, _ := io.ReadAll(r.Body); string(b) != `{"query":1}` {
					t.Errorf("the server got %q", b)
				}
				if asked.Add(1) > tt.fails {
					fmt.Fprint(w, "fine")
					return
				}
				w.Header().Set("Date", "Mon, 01 Jun 2026 00:00:00 GMT") // its clock, not ours
				if tt.retryAfter != "" {
					w.Header().Set("Retry-After", tt.retryAfter)
				}
				w.WriteHeader(tt.status)
				fmt.Fprint(w, "out of\norder\x1b[2J")
			})
			text, _, err := get(t, client(t, Options{}), Request{Method: "POST", URL: s.URL, Body: []byte(`{"query":1}`)})
			if asked.Load() != tt.asked {
				t.Errorf("asked %d times, want %d", asked.Load(), tt.asked)
			}
			if tt.ok {
				if err != nil || text != "fine" {
					t.Errorf("got %q, %v", text, err)
				}
				return
			}
			var status *StatusError
			if !errors.As(err, &status) || status.Code != tt.status || status.RetryAfter != tt.wait || status.Text != "out of order [2J" {
				t.Errorf("got %v (%+v), want status %d, wait %s", err, status, tt.status, tt.wait)
			}
		})
	}
}

func TestRefusesWebPages(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"by type": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, "please <b>log in</b>")
		},
		"by look": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			fmt.Fprint(w, "\xef\xbb\xbf \r\n<!DOCTYPE HTML><p>log in")
		},
		"packed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(zipped("<html>"))
		},
	} {
		if _, _, err := get(t, client(t, Options{}), Request{URL: serve(t, h).URL}); !errors.Is(err, ErrHTML) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	list := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html") // of every file, as some servers do
		fmt.Fprint(w, "192.0.2.1\n")
	})
	if body, _, err := get(t, client(t, Options{}), Request{URL: list.URL}); err != nil || body != "192.0.2.1\n" {
		t.Errorf("a list that is called a page: %q, %v", body, err)
	}
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusGatewayTimeout)
		fmt.Fprint(w, "<html><h1>504</h1></html>")
	})
	_, _, err := get(t, client(t, Options{Retries: -1}), Request{URL: s.URL})
	var status *StatusError
	if !errors.As(err, &status) || status.Code != 504 || strings.Contains(err.Error(), "<") {
		t.Errorf("504 with a page: got %v", err)
	}
}

// TestTruncated cuts bodies in the middle, in each way that bodies are framed.
func TestTruncated(t *testing.T) {
	cut := func(w http.ResponseWriter) {
		w.(http.Flusher).Flush()
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}
	for name, h := range map[string]http.HandlerFunc{
		"by length": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, "192.0.2.1\n")
			cut(w)
		},
		"chunked": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "192.0.2.1\n"); cut(w) },
		"gzip": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			b := zipped(strings.Repeat("192.0.2.1\n", 1000))
			_, _ = w.Write(b[:len(b)-9])
		},
	} {
		text, _, err := get(t, client(t, Options{}), Request{URL: serve(t, h).URL})
		if !errors.Is(err, ErrTruncated) {
			t.Errorf("%s: got %d bytes, %v", name, len(text), err)
		}
	}
}

func TestTooLarge(t *testing.T) {
	endless := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	bomb := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(zipped(strings.Repeat("192.0.2.1\n", 1<<20)))
	})
	said := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "99999999")
		w.WriteHeader(http.StatusOK)
	})
	exact := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) })
	c := client(t, Options{MaxWire: 4 << 20, MaxBytes: 1 << 20})
	for name, s := range map[string]*httptest.Server{"endless": endless, "bomb": bomb, "said": said} {
		text, _, err := get(t, c, Request{URL: s.URL})
		if !errors.Is(err, ErrTooLarge) || len(text) > 1<<20 {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
	}
	if text, _, err := get(t, c, Request{URL: exact.URL}); err != nil || len(text) != 1<<20 {
		t.Errorf("a body of the limit: %d bytes, %v", len(text), err)
	}
	if text, _, err := get(t, c, Request{URL: exact.URL, MaxBytes: 100}); !errors.Is(err, ErrTooLarge) || len(text) != 100 {
		t.Errorf("a limit of the request: %d bytes, %v", len(text), err)
	}
}

func TestTimeouts(t *testing.T) {
	hang := func(before string, status int) *httptest.Server {
		return serve(t, func(w http.ResponseWriter, r *http.Request) {
			if before != "" {
				w.WriteHeader(status)
				fmt.Fprint(w, before)
				w.(http.Flusher).Flush()
			}
			<-r.Context().Done()
		})
	}
	trickle := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			fmt.Fprint(w, "1")
			w.(http.Flusher).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	})
	drip := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			fmt.Fprint(w, "192.0.2.1\n")
			w.(http.Flusher).Flush()
			time.Sleep(time.Millisecond)
		}
	})
	short := 50 * time.Millisecond
	for _, tt := range []struct {
		name string
		s    *httptest.Server
		o    Options
		says string
	}{
		{"no answer", hang("", 0), Options{Header: short, Retries: 1000}, "the server did not answer within 50ms"},
		{"half a body", hang("192.0.2.1\n", 200), Options{Idle: short}, "less than 4096 bytes arrived in 50ms"},
		{"an error without end", hang("busy", 503), Options{Idle: short}, "less than 4096 bytes arrived in 50ms"},
		{"a body that trickles", trickle, Options{Idle: short, Total: time.Minute}, "less than 4096 bytes arrived in 50ms"},
		{"a body that drips", drip, Options{Total: 4 * short}, "not done within"},
		{"retries", serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }),
			Options{Total: 4 * short, Retries: 1000}, "not done within"},
	} {
		_, _, err := get(t, client(t, tt.o), Request{URL: tt.s.URL})
		if !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), short)
	defer cancel()
	if _, err := client(t, Options{}).Do(ctx, Request{URL: hang("", 0).URL}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller's own limit: got %v", err)
	}
}

// TestSecrets lets a server do its worst with a key.
func TestSecrets(t *testing.T) {
	const key = "0123456789abcdef0123456789abcdef"
	var away string // another host
	elsewhere := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all := fmt.Sprint(r.Header, r.URL)
		if strings.Contains(all, key) || strings.Contains(all, "pass") {
			t.Errorf("another host got the key: %s", all)
		}
		fmt.Fprint(w, "fine")
	})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/away"):
			http.Redirect(w, r, away+"/list.txt", http.StatusFound)
		case strings.HasSuffix(r.URL.Path, "/round"):
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		case strings.HasSuffix(r.URL.Path, "/here"):
			http.Redirect(w, r, "/end", http.StatusFound)
		case r.URL.Path == "/end":
			if r.Header.Get("X-OTX-API-KEY") != key {
				t.Error("the same host did not get the key")
			}
			fmt.Fprint(w, "fine")
		default:
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, "bad key %s%s", r.Header.Get("X-OTX-API-KEY"), r.URL)
		}
	})
	// A redirect on loopback may only lead to the same port: see local.go.
	listener, err := net.Listen("tcp", strings.Replace(s.Listener.Addr().String(), "127.0.0.1", "127.0.0.2", 1))
	if err != nil {
		t.Fatal(err)
	}
	other := &httptest.Server{Listener: listener, Config: &http.Server{Handler: elsewhere}}
	other.Start()
	t.Cleanup(other.Close)
	away = other.URL
	var logged bytes.Buffer
	c := client(t, Options{Log: slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	secret := http.Header{"x-otx-api-key": {key}}
	for _, tt := range []struct {
		name string
		r    Request
		want error // nil: fine
	}{
		{"header away", Request{URL: s.URL + "/away", Secret: secret}, ErrRedirect},
		{"body away", Request{Method: "POST", URL: s.URL + "/away", Body: []byte("{}")}, ErrRedirect},
		{"password away", Request{URL: strings.Replace(s.URL, "://", "://user:password@", 1) + "/away"}, ErrRedirect},
		{"path away", Request{URL: s.URL + "/" + key + "/away"}, nil},
		{"query away", Request{URL: s.URL + "/away?token=" + key}, nil},
		{"same host", Request{URL: s.URL + "/here", Secret: secret}, nil},
		{"round and round", Request{URL: s.URL + "/round"}, ErrRedirect},
		{"echo", Request{URL: s.URL + "/" + key + "/x?token=" + key, Secret: secret}, &StatusError{}},
	} {
		text, resp, err := get(t, c, tt.r)
		var status *StatusError
		switch {
		case tt.want == nil:
			if err != nil || text != "fine" || strings.Contains(resp.FinalURL, key) {
				t.Errorf("%s: got %q, %v", tt.name, text, err)
			}
			continue
		case errors.As(tt.want, &status):
			if !errors.As(err, &status) {
				t.Errorf("%s: got %v", tt.name, err)
			}
		case !errors.Is(err, tt.want):
			t.Errorf("%s: got %v", tt.name, err)
		}
		if strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "password") {
			t.Errorf("%s: the error tells the key: %v", tt.name, err)
		}
	}
	if strings.Contains(logged.String(), key) {
		t.Errorf("the log tells the key: %s", &logged)
	}
}

func TestTLS(t *testing.T) {
	plain := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") })
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/down" {
			http.Redirect(w, r, plain.URL, http.StatusFound)
			return
		}
		fmt.Fprint(w, "fine")
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	if _, _, err := get(t, client(t, Options{}), Request{URL: s.URL}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody signed: got %v", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c := client(t, Options{RootCAs: roots})
	if text, _, err := get(t, c, Request{URL: s.URL}); err != nil || text != "fine" {
		t.Errorf("got %q, %v", text, err)
	}
	if _, _, err := get(t, c, Request{URL: s.URL + "/down"}); !errors.Is(err, ErrRedirect) {
		t.Errorf("from https to http: got %v", err)
	}
}

func TestProxy(t *testing.T) {
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "by proxy: %s", r.URL)
	})
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("NO_PROXY", "")
	if text, _, err := get(t, client(t, Options{}), Request{URL: "http://feeds.example/list.txt"}); err != nil || text != "by proxy: http://feeds.example/list.txt" {
		t.Errorf("got %q, %v", text, err)
	}
	t.Setenv("HTTP_PROXY", "http://user:hunter22@[::1")
	if _, _, err := get(t, client(t, Options{Retries: -1}), Request{URL: "http://feeds.example/list.txt"}); err == nil || strings.Contains(err.Error(), "hunter22") {
		t.Errorf("a bad proxy: got %v", err)
	}
}

func TestNoURL(t *testing.T) {
	for _, u := range []string{"", "list.txt", "ftp://example.net/", "file:///etc/passwd", "https://", "http://%zz:pass@/"} {
		if _, _, err := get(t, client(t, Options{}), Request{URL: u}); err == nil || strings.Contains(err.Error(), "pass") {
			t.Errorf("%q: got %v", u, err)
		}
		if CheckURL(u) == nil {
			t.Errorf("CheckURL(%q) finds nothing wrong", u)
		}
	}
}
