package web

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/bcrypt"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/web/api"
	"github.com/flowhound/flowhound/cmd/internal/web/users"
)

const password = "correct horse battery"

// usersFile makes a file with anna, an operator, and the token of a viewer.
func usersFile(t *testing.T) (path, token string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "users")
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost) // a real one keeps a core busy for a quarter of a second
	if err != nil {
		t.Fatal(err)
	}
	anna := users.User{Name: "anna", Role: users.Operator, Hash: string(hash)}
	prom, token, err := users.ForToken("prometheus", users.Viewer)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []users.User{anna, prom} {
		if err := users.Add(path, u, ""); err != nil {
			t.Fatal(err)
		}
	}
	return path, token
}

// streams counts those that have begun.
var streams atomic.Int64

// startPages serves pages with an API that says who asks.
func startPages(t *testing.T, c Config) *Server {
	t.Helper()
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	s := New(c, Dependencies{
		Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
		Version: "v1", Findings: func() finding.List { return finding.List{{Level: finding.Bad, What: "a secret problem"}} },
		API: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/api/v1/events" {
				streams.Add(1)
			}
			for r.URL.Path == "/api/v1/events" && api.Still(r.Context()) && r.Context().Err() == nil {
				time.Sleep(time.Millisecond)
			}
			api.Answer(w, r, api.CallerOf(r.Context()))
		}),
	})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = s.Stop(ctx)
	})
	return s
}

// browser sends requests, keeps a cookie and follows nothing.
type browser struct {
	t      *testing.T
	base   string
	client *http.Client
	cookie *http.Cookie
	header map[string]string
}

func newBrowser(t *testing.T, base string) *browser {
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // the test's own certificate
	t.Cleanup(tr.CloseIdleConnections)
	return &browser{t: t, base: base, header: map[string]string{}, client: &http.Client{
		Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (b *browser) do(method, path, body string) (*http.Response, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for k, v := range b.header {
		r.Header.Set(k, v)
	}
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	for _, c := range resp.Cookies() {
		b.cookie = c
	}
	return resp, string(text)
}

func (b *browser) logIn(name, password string) (int, string) {
	body, _ := json.Marshal(map[string]string{"name": name, "password": password})
	resp, text := b.do("POST", "/api/v1/session", string(body))
	return resp.StatusCode, text
}

func (b *browser) want(method, path string, code int, text string) {
	b.t.Helper()
	resp, got := b.do(method, path, "")
	if resp.StatusCode != code || !strings.Contains(got, text) {
		b.t.Errorf("%s %s: %d %.200s; want %d %s", method, path, resp.StatusCode, got, code, text)
	}
}

// TestStreamsEndWithTheSession: what is sent for hours ends when its reader logs out, or
// is taken out of the users' file.
func TestStreamsEndWithTheSession(t *testing.T) {
	file, token := usersFile(t)
	s := startPages(t, Config{Users: file})
	ends := func(what string, b *browser, end func()) {
		t.Helper()
		ended, before := make(chan struct{}), streams.Load()
		go func() {
			defer close(ended)
			b.do("GET", "/api/v1/events", "")
		}()
		for deadline := time.Now().Add(time.Minute); streams.Load() == before && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		}
		end()
		select {
		case <-ended:
		case <-time.After(time.Minute):
			t.Errorf("%s: the stream goes on", what)
		}
	}
	b := newBrowser(t, "http://"+s.Addr().String())
	if code, text := b.logIn("anna", password); code != 200 {
		t.Fatal(code, text)
	}
	other := newBrowser(t, b.base)
	other.cookie = b.cookie
	ends("logged out", b, func() { other.do("DELETE", "/api/v1/session", "") })
	program := newBrowser(t, b.base)
	program.header["Authorization"] = "Bearer " + token
	ends("taken out", program, func() {
		if err := users.Remove(file, "prometheus"); err != nil {
			t.Error(err)
		}
	})
}

func TestLogIn(t *testing.T) {
	file, token := usersFile(t)
	s := startPages(t, Config{Users: file})
	b := newBrowser(t, "http://"+s.Addr().String())

	resp, _ := b.do("GET", "/hits?q=x", "")
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/login?next=%2Fhits%3Fq%3Dx" {
		t.Errorf("a page: %d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	b.want("GET", "/api/v1/me", 401, "log in")
	b.want("GET", "/metrics", 401, "log in")
	b.want("GET", "/login", 200, "Log in")
	b.want("GET", "/flowhound.css", 200, "")
	if _, text := b.do("GET", "/healthz", ""); !strings.Contains(text, "degraded") || strings.Contains(text, "secret") {
		t.Errorf("health without a name: %s", text)
	}

	if code, text := b.logIn("anna", "wrong"); code != 403 || !strings.Contains(text, "4 tries left") {
		t.Errorf("a wrong password: %d %s", code, text)
	}
	if code, text := b.logIn("prometheus", token); code != 403 {
		t.Errorf("a token as a password: %d %s", code, text)
	}
	if code, text := b.logIn("anna", password); code != 200 || !strings.Contains(text, `"operator"`) {
		t.Fatalf("the right password: %d %s", code, text)
	}
	if c := b.cookie; !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" {
		t.Errorf("the cookie: %+v", c)
	}
	b.want("GET", "/api/v1/me", 200, `"name":"anna","role":"operator"`)
	b.want("GET", "/", 200, "Overview")
	b.want("GET", "/healthz", 503, "a secret problem")

	// Another site, a form, a foreign method.
	b.header["Sec-Fetch-Site"], b.header["Origin"] = "cross-site", "https://evil.example"
	b.want("DELETE", "/api/v1/session", 403, "")
	b.want("POST", "/api/v1/mute", 403, "")
	if resp, _ := b.do("GET", "/api/v1/me", ""); resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("another site may read answers")
	}
	b.header = map[string]string{}

	stolen := b.cookie
	b.want("DELETE", "/api/v1/session", 204, "")
	b.cookie = stolen
	b.want("GET", "/api/v1/me", 401, "")

	p := newBrowser(t, b.base)
	p.header["Authorization"] = "Bearer " + token
	p.want("GET", "/metrics", 200, "")
	p.want("GET", "/api/v1/me", 200, `"name":"prometheus","role":"viewer"`)
	p.header["Authorization"] = "Bearer " + token + "x"
	p.want("GET", "/metrics", 401, "")

	// Who is taken out of the file is logged out.
	if code, _ := b.logIn("anna", password); code != 200 {
		t.Fatal(code)
	}
	if err := users.Remove(file, "anna"); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if resp, _ := b.do("GET", "/api/v1/me", ""); resp.StatusCode == http.StatusUnauthorized {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a removed user stays logged in")
		}
	}
}

// TestGuessing: after five wrong passwords a peer waits, and others do not.
func TestGuessing(t *testing.T) {
	file, _ := usersFile(t)
	s := startPages(t, Config{Users: file, Proxy: Proxy{From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, User: "X-User"}})
	b := newBrowser(t, "http://"+s.Addr().String())
	b.header["X-Forwarded-For"] = "203.0.113.9, 192.0.2.1" // the last is the proxy's own word
	for i := range mostTries - 1 {
		if code, text := b.logIn("anna", "wrong"); code != 403 || !strings.Contains(text, fmt.Sprintf("%d tries left", mostTries-1-i)) {
			t.Fatalf("try %d: %d %s", i+1, code, text)
		}
	}
	if code, text := b.logIn("bob", "wrong"); code != 429 || !strings.Contains(text, "Again in") {
		t.Errorf("one too many: %d %s", code, text)
	}
	if code, _ := b.logIn("anna", password); code != 429 {
		t.Errorf("the right password while waiting: %d", code)
	}
	b.header["X-Forwarded-For"] = "192.0.2.1, 192.0.2.2"
	if code, _ := b.logIn("anna", password); code != 200 {
		t.Errorf("another peer: %d", code)
	}
}

// TestGuessingAtOnce: those who guess side by side get no more tries together than one
// after the other: the tries may be used up while a log-in waits for its turn.
func TestGuessingAtOnce(t *testing.T) {
	file, _ := usersFile(t)
	g := newGate(Config{Users: file})
	s := httptest.NewServer(http.HandlerFunc(g.logIn))
	t.Cleanup(s.Close)
	g.hashing <- struct{}{} // another one's turn
	code := make(chan int)
	go func() {
		c, _ := newBrowser(t, s.URL).logIn("anna", password)
		code <- c
	}()
	time.Sleep(100 * time.Millisecond) // it waits by now; if not, it is refused at once
	for range mostTries {
		g.tries.wrong(peerOf(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}), "anna", time.Now())
	}
	<-g.hashing
	if c := <-code; c != http.StatusTooManyRequests {
		t.Errorf("the sixth try: %d", c)
	}
}

// TestPeer: what a client says of itself counts for nothing, whichever way the proxy
// adds its own word.
func TestPeer(t *testing.T) {
	g := newGate(Config{Proxy: Proxy{From: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}, User: "X-User"}})
	for _, x := range []struct {
		from string
		said []string
		want string
	}{
		{"192.0.2.1:1", []string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7/32"},
		{"192.0.2.1:1", []string{"203.0.113.9", "198.51.100.7"}, "198.51.100.7/32"},
		{"192.0.2.1:1", nil, "192.0.2.1/32"},
		{"192.0.2.1:1", []string{"unknown"}, "192.0.2.1/32"},
		{"192.0.2.2:1", []string{"198.51.100.7"}, "192.0.2.2/32"},
	} {
		r := &http.Request{RemoteAddr: x.from, Header: http.Header{"X-Forwarded-For": x.said}}
		if got := g.peer(r).String(); got != x.want {
			t.Errorf("%s, X-Forwarded-For %q: %s, want %s", x.from, x.said, got, x.want)
		}
	}
}

func TestTries(t *testing.T) {
	var x tries
	now := time.Now()
	peer := func(i int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
	}
	for i := range 3 * mostTried {
		x.wrong(peer(i), fmt.Sprint("u", i), now)
	}
	if len(x.all) > mostTried+2 {
		t.Errorf("%d are remembered", len(x.all))
	}
	x = tries{}
	for i := range mostTriesOfName {
		x.wrong(peer(i), "anna", now)
	}
	if n, wait := x.left(peer(99), "anna", now); n != 0 || wait <= 0 {
		t.Errorf("a name that many guess: %d %s", n, wait)
	}
	if n, wait := x.left(peer(99), "anna", now.Add(tryTime)); n != mostTries || wait != 0 {
		t.Errorf("a minute later: %d %s", n, wait)
	}
}

func TestSessionsEnd(t *testing.T) {
	var s sessions
	now := time.Now()
	secret := s.begin(users.User{Name: "anna"}, now)
	if _, ok := s.of(secret, now.Add(idleTime-time.Minute)); !ok {
		t.Error("ended early")
	}
	if _, ok := s.of(secret, now.Add(3*idleTime)); ok {
		t.Error("an idle one stays")
	}
	for range mostSessions + 100 {
		s.begin(users.User{Name: "anna"}, now)
	}
	if len(s.all) > mostSessions {
		t.Errorf("%d sessions", len(s.all))
	}
}

// TestProxy: the header counts from the proxy alone, once, and plain.
func TestProxy(t *testing.T) {
	file, _ := usersFile(t)
	from := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	s := startPages(t, Config{Users: file, Proxy: Proxy{From: from, User: "X-User"}})
	b := newBrowser(t, "http://"+s.Addr().String())
	b.header["X-User"] = "anna"
	b.want("GET", "/api/v1/me", 200, `"role":"operator"`)
	b.header["X-User"] = "somebody"
	b.want("GET", "/api/v1/me", 200, `"name":"somebody","role":"viewer"`)
	for _, bad := range []string{"", "an na", strings.Repeat("x", 100)} {
		b.header["X-User"] = bad
		b.want("GET", "/api/v1/me", 401, "")
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, b.base+"/api/v1/me", nil)
	r.Header["X-User"] = []string{"anna", "bob"}
	resp, err := b.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("two names: %d", resp.StatusCode)
	}

	other := startPages(t, Config{Users: file, Proxy: Proxy{From: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, User: "X-User"}})
	c := newBrowser(t, "http://"+other.Addr().String())
	c.header["X-User"] = "anna"
	c.want("GET", "/api/v1/me", 401, "")
}

func TestTLS(t *testing.T) {
	file, _ := usersFile(t)
	dir := t.TempDir()
	files := TLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	writeCertificate(t, files, 1)
	s := startPages(t, Config{Users: file, TLS: files})
	b := newBrowser(t, "https://"+s.Addr().String())
	if code, text := b.logIn("anna", password); code != 200 {
		t.Fatalf("%d %s", code, text)
	}
	if c := b.cookie; !c.Secure || !strings.HasPrefix(c.Name, "__Host-") {
		t.Errorf("the cookie: %+v", c)
	}
	resp, _ := b.do("GET", "/", "")
	if resp.Header.Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS")
	}
	// Another certificate is taken over, a broken one is not.
	c := &certificate{files: files}
	serial := func() int64 {
		c.looked = time.Time{}
		x, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(x.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Error(got)
	}
	writeCertificate(t, files, 2)
	if err := os.Chtimes(files.Cert, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != 2 {
		t.Error(got)
	}
	if err := os.WriteFile(files.Cert, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != 2 {
		t.Error(got)
	}
}

func writeCertificate(t *testing.T, files TLS, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{{127, 0, 0, 1}}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{files.Cert: {Type: "CERTIFICATE", Bytes: der}, files.Key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStartNeedsUsers: a server that nobody could use, or that lacks its files, says so.
func TestStartNeedsUsers(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken")
	if err := os.WriteFile(broken, []byte("anna\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]Config{
		"flowhound user add NAME": {Users: filepath.Join(dir, "none")},
		"line 1":                  {Users: broken},
		"web.tls":                 {TLS: TLS{Cert: "none.pem", Key: "none.key"}},
	} {
		c.Listen = "127.0.0.1:0"
		s := New(c, Dependencies{Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler), Findings: healthy})
		err := s.Start(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestPages: each page and each of its files is there, guarded, small and not sent twice.
func TestPages(t *testing.T) {
	s := startPages(t, Config{})
	b := newBrowser(t, "http://"+s.Addr().String())
	b.header["Accept-Encoding"] = "gzip"
	for path := range pages {
		path = strings.TrimSuffix(path, "{$}")
		resp, _ := b.do("GET", path, "")
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Encoding") != "gzip" || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %v", path, resp.StatusCode, resp.Header)
		}
		for _, h := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "X-Frame-Options"} {
			if resp.Header.Get(h) == "" {
				t.Errorf("%s has no %s", path, h)
			}
		}
		b.header["If-None-Match"] = resp.Header.Get("ETag")
		if again, _ := b.do("GET", path, ""); again.StatusCode != http.StatusNotModified {
			t.Errorf("%s again: %d", path, again.StatusCode)
		}
		delete(b.header, "If-None-Match")
	}
	for _, path := range []string{"/../users", "/%2e%2e/%2e%2e/etc/passwd", "/dist/hits.js", "/hits.html", "/hits/", "/pages/src/hits.js", "/.git/config", "/api", "/%00", "/hits%00.js", "/\\windows"} {
		if resp, text := b.do("GET", path, ""); resp.StatusCode < 300 {
			t.Errorf("%s: %d %.80s", path, resp.StatusCode, text)
		}
	}
	for _, method := range []string{"POST", "PUT", "OPTIONS", "TRACE"} {
		if resp, _ := b.do(method, "/hits", ""); resp.StatusCode < 400 {
			t.Errorf("%s /hits: %d", method, resp.StatusCode)
		}
	}
}
