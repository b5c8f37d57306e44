package web

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
)

const (
	// mostConns is how many connections are open at once: enough for a hundred
	// browsers, which have one for news and a few for questions, and for Prometheus.
	// Half-open ones cost about 20 kB each.
	mostConns = 512
	// fileShare is the part of the process's open files that they may be. What is
	// left is for the log, spools, feeds and plugins.
	fileShare = 4
	// peerShare is the part of the connections that one peer, which may be a proxy
	// for many, can have.
	peerShare = 2
)

// limiter bounds the connections of a listener, in all and per peer. The log and
// the outputs of an agent must not run out of files because somebody opens
// connections to its metrics.
//
// A new connection takes the place of the one that has been silent for the longest
// time, the peer's own first: a flood pushes out itself, and a scrape, which sends
// its request at once, gets through. Connections that are being answered stay; the
// server's timeouts bound them.
type limiter struct {
	net.Listener
	most, mostPeer int
	dropped        atomic.Uint64

	mu    sync.Mutex
	peers map[netip.Prefix]int
	open  *list.List // of *conn: the longest silent first
}

func newLimiter(ln net.Listener, most int) *limiter {
	return &limiter{Listener: ln, most: most, mostPeer: max(1, most/peerShare), peers: map[netip.Prefix]int{}, open: list.New()}
}

// conn is a connection that counts until it is closed.
type conn struct {
	net.Conn
	limiter *limiter
	peer    netip.Prefix
	place   *list.Element // nil: closed, or not admitted
	busy    int           // requests that are being answered: HTTP/2 has several
}

// Accept returns the next connection that is admitted.
func (l *limiter) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		admitted := &conn{Conn: c, limiter: l, peer: peerOf(c.RemoteAddr())}
		out, ok := l.admit(admitted)
		if out != nil {
			_ = out.Conn.Close() // its reader sees the end
		}
		if ok {
			return admitted, nil
		}
		_ = c.Close()
	}
}

// admit takes c in. out is the connection that has to go for it, if any.
func (l *limiter) admit(c *conn) (out *conn, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ofPeer := l.peers[c.peer] >= l.mostPeer
	if ofPeer || l.open.Len() >= l.most {
		l.dropped.Add(1)
		if out = l.silent(c.peer, ofPeer); out == nil {
			return nil, false
		}
		l.forget(out)
	}
	l.peers[c.peer]++
	c.place = l.open.PushBack(c)
	return out, true
}

// silent returns the connection that waits for the longest time, of one peer or of
// all, and is not being answered.
func (l *limiter) silent(peer netip.Prefix, ofPeer bool) *conn {
	for e := l.open.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*conn); c.busy == 0 && (!ofPeer || c.peer == peer) {
			return c
		}
	}
	return nil
}

func (l *limiter) forget(c *conn) {
	if c.place == nil {
		return
	}
	l.open.Remove(c.place)
	c.place = nil
	if l.peers[c.peer]--; l.peers[c.peer] == 0 {
		delete(l.peers, c.peer)
	}
}

// connKey is under which a request's context has its connection.
type connKey struct{}

// inContext is what the server calls for each connection.
func (l *limiter) inContext(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return context.WithValue(ctx, connKey{}, c)
}

// answering keeps a connection while its request is being answered. One that has
// sent half a request is as silent as one that has sent nothing.
func (l *limiter) answering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(*conn); ok {
			l.setBusy(c, 1)
			defer l.setBusy(c, -1)
		}
		next.ServeHTTP(w, r)
	})
}

func (l *limiter) setBusy(c *conn, more int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.busy += more
	if c.place != nil {
		l.open.MoveToBack(c.place)
	}
}

// Close gives the place of c to another.
func (c *conn) Close() error {
	c.limiter.mu.Lock()
	c.limiter.forget(c)
	c.limiter.mu.Unlock()
	return c.Conn.Close()
}

// peerOf returns whom a connection counts for: an IPv4 address, a /64 of IPv6,
// which is one host's to choose from, and all of loopback.
func peerOf(a net.Addr) netip.Prefix {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	addr := t.AddrPort().Addr().Unmap().WithZone("")
	switch {
	case addr.IsLoopback():
		return netip.PrefixFrom(netip.IPv6Loopback(), 128)
	case addr.Is6():
		p, _ := addr.Prefix(64)
		return p
	}
	return netip.PrefixFrom(addr, 32)
}
