package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

func startServer(t *testing.T, c Config, findings func() finding.List) *Server {
	t.Helper()
	c.Listen = "127.0.0.1:0"
	s := New(c, Dependencies{Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler), Findings: findings})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = s.Stop(ctx) // half-open connections may be left
	})
	return s
}

func healthy() finding.List { return nil }

func open(t *testing.T, s *Server, from string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: time.Minute}
	c, err := d.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func (l *limiter) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open.Len()
}

// TestFloodPushesOutItself: connections that say nothing, or half a request, keep
// within the limit, and a request is answered all the while.
func TestFloodPushesOutItself(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	s := startServer(t, Config{}, healthy)
	for i := range 4 * mostConns {
		c := open(t, s, fmt.Sprintf("127.0.0.%d", 2+i%50)) // a local user has all of 127.0.0.0/8
		if i%2 == 0 {
			fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nX: %s", strings.Repeat("x", 100))
		}
		if i%100 == 99 {
			resp, err := http.Get("http://" + s.Addr().String() + "/healthz")
			if err != nil {
				t.Fatalf("after %d connections: %v", i, err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}
	if n := s.limiter.count(); n > mostConns/peerShare {
		t.Errorf("one peer has %d connections", n)
	}
	if s.limiter.dropped.Load() < 3*mostConns {
		t.Errorf("%d dropped", s.limiter.dropped.Load())
	}
	http.DefaultClient.CloseIdleConnections()
}

// pipeAddr is a peer's address in a test of admit.
type pipeConn struct {
	net.Conn
	closed bool
}

func (p *pipeConn) Close() error { p.closed = true; return nil }

func TestAdmit(t *testing.T) {
	t.Parallel()
	l := newLimiter(nil, 8)
	l.mostPeer = 2
	take := func(peer string) *conn {
		c := &conn{Conn: &pipeConn{}, limiter: l, peer: peerOf(&net.TCPAddr{IP: net.ParseIP(peer)})}
		out, ok := l.admit(c)
		if out != nil {
			_ = out.Conn.Close()
		}
		if !ok {
			return nil
		}
		return c
	}
	gone := func(c *conn) bool { return c.place == nil }
	a, b, c := take("192.0.2.1"), take("192.0.2.1"), take("192.0.2.1")
	if !gone(a) || gone(b) || gone(c) || !a.Conn.(*pipeConn).closed {
		t.Error("the peer's own oldest connection has to go")
	}
	l.setBusy(b, 1)
	l.setBusy(c, 1)
	if take("192.0.2.1") != nil {
		t.Error("a peer whose connections are all being answered gets another")
	}
	if take("192.0.2.2") == nil {
		t.Error("another peer gets none")
	}
	// A /64 and all of loopback are one peer each.
	d, e := take("2001:db8::1"), take("2001:db8::2")
	if f := take("2001:db8::3"); !gone(d) || gone(e) || gone(f) {
		t.Error("a /64 has more than a peer's share")
	}
	g := take("127.0.0.1")
	take("127.3.2.1")
	if take("::1"); !gone(g) {
		t.Error("loopback has more than a peer's share")
	}
	take("192.0.2.2") // of eight there are two busy, two of v6, two of loopback, two of this peer
	if n := l.open.Len(); n != 8 {
		t.Fatalf("%d are open", n)
	}
	if h := take("192.0.2.3"); h == nil || gone(b) || gone(c) || l.open.Len() != 8 {
		t.Error("a newcomer takes the place of the longest silent one")
	}
	for e := l.open.Front(); e != nil; e = l.open.Front() {
		_ = e.Value.(*conn).Close()
	}
	if len(l.peers) != 0 {
		t.Errorf("peers are left: %v", l.peers)
	}
}

// TestHalfARequestEnds: neither a header that does not end nor a huge one is held.
func TestHalfARequestEnds(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	s := startServer(t, Config{}, healthy)
	slow, huge := open(t, s, "127.0.0.1"), open(t, s, "127.0.0.1")
	fmt.Fprint(slow, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ")
	fmt.Fprintf(huge, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n", strings.Repeat("x", 20<<10))
	line, err := bufio.NewReader(huge).ReadString('\n')
	if err != nil || !strings.Contains(line, "431") {
		t.Errorf("a huge header: %q, %v", line, err)
	}
	_ = slow.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := slow.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("a header that does not end is waited for: %v", err)
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	s := startServer(t, Config{Hosts: []string{"flows.corp.example"}}, healthy)
	port := s.Addr().String()[strings.LastIndexByte(s.Addr().String(), ':'):]
	for host, want := range map[string]int{
		"127.0.0.1" + port: 200, "localhost": 200, "LOCALHOST.": 200, "a.localhost" + port: 200, "[::1]" + port: 200, "192.0.2.7": 200,
		"flows.corp.example": 200, "Flows.Corp.Example:443": 200, "x.flows.corp.example": 421,
		"evil.example": 421, "evil.example" + port: 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421, "x": 421,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr().String()+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want || want == 421 && !strings.Contains(string(b), "web.hosts") {
			t.Errorf("%s: %d %s", host, resp.StatusCode, b)
		}
	}
	c := open(t, s, "127.0.0.1")
	fmt.Fprint(c, "GET /healthz HTTP/1.0\r\n\r\n")
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Errorf("HTTP/1.0 without Host: %q, %v", line, err)
	}
}

func FuzzHost(f *testing.F) {
	f.Add("localhost:8055")
	f.Add("[fe80::1%25eth0]:1")
	h := knownHosts("gw.example:8055", nil)
	f.Fuzz(func(t *testing.T, header string) {
		if h.knows(header) && strings.HasSuffix(header, ".evil.example") {
			t.Errorf("%q is known", header)
		}
	})
}
