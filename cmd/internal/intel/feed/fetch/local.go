package fetch

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
)

// A publisher, or who has taken over its server or its DNS, may redirect a fetch to
// this host or network: to a service on loopback, to a cloud's metadata. So a
// redirect gets a connection of its own, and the address that it is made to, after
// DNS has answered, is looked at just before.

// hops sends redirected requests over connections that are made for each of them.
type hops struct {
	first, redirected *http.Transport
	proxy             func(*http.Request) (*url.URL, error)
}

// newHops returns a round tripper like t, which guards redirects.
func newHops(t *http.Transport, dialer *net.Dialer) *hops {
	h := &hops{first: t, redirected: t.Clone(), proxy: t.Proxy}
	guarded := *dialer
	guarded.ControlContext = func(ctx context.Context, _, address string, _ syscall.RawConn) error {
		g, _ := ctx.Value(guardKey{}).(*guard)
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return g.mayReach(to)
	}
	h.redirected.Proxy = nil // RoundTrip asks it
	h.redirected.DialContext = guarded.DialContext
	h.redirected.DisableKeepAlives = true // no other request may use its connection, nor it theirs
	h.redirected.MaxConnsPerHost = 0
	return h
}

// RoundTrip is http.RoundTripper's.
func (h *hops) RoundTrip(req *http.Request) (*http.Response, error) {
	via, err := h.proxy(req)
	if err != nil {
		return nil, err
	}
	g, _ := req.Context().Value(guardKey{}).(*guard)
	switch {
	case req.Response == nil && via == nil: // a redirect's holds the answer that led to it
		trace := &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { g.reached(c.Conn.RemoteAddr()) }}
		return h.first.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	case req.Response == nil:
		return h.first.RoundTrip(req)
	case via != nil: // the proxy resolves names, and must not be sent to itself
		if err := g.mayName(req.URL.Hostname()); err != nil {
			return nil, err
		}
		return h.first.RoundTrip(req)
	}
	return h.redirected.RoundTrip(req)
}

// CloseIdleConnections drops the idle connections.
func (h *hops) CloseIdleConnections() { h.first.CloseIdleConnections() }

// own is where the feed's own URL was reached.
type own struct {
	at atomic.Pointer[netip.AddrPort]
}

func (o *own) reached(a net.Addr) {
	if tcp, ok := a.(*net.TCPAddr); ok {
		ap := tcp.AddrPort()
		ap = netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
		o.at.Store(&ap)
	}
}

// mayReach returns why a redirect must not be followed to an address: it is one of
// this host or network, and the feed's own URL is not there. One that is may lead
// to the same port, or to those of HTTP: a feed of the intranet may move, and a list on
// loopback must not lead to the database beside it.
func (o *own) mayReach(to netip.AddrPort) error {
	kind := localKind(to.Addr())
	if kind == "" {
		return nil
	}
	from := o.at.Load()
	if from != nil && localKind(from.Addr()) == kind && (to.Port() == from.Port() || to.Port() == 80 || to.Port() == 443) &&
		(kind != linkLocal || to.Addr().Unmap().WithZone("") == from.Addr()) {
		return nil
	}
	return localError(to.String(), kind)
}

// mayName is mayReach where only a proxy knows the address.
func (o *own) mayName(host string) error {
	ip, err := netip.ParseAddr(host)
	if err == nil {
		if kind := localKind(ip); kind != "" {
			return localError(host, kind)
		}
		return nil
	}
	if name := strings.ToLower(strings.TrimSuffix(host, ".")); name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return localError(host, loopback)
	}
	return nil
}

func localError(at, kind string) error {
	return fmt.Errorf("%w: it leads to %s, %s; if that is right, set url to that address", ErrRedirect, at, kind)
}

const (
	loopback  = "a loopback address"
	linkLocal = "a link-local address"
	private   = "a private address"
	reserved  = "an address that no public server has"
)

// localKind says what an address is that no public server has, "" for others. Those
// that hold an IPv4 address (RFC 6052, 3056, 4291) are what that is.
func localKind(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		b := ip.As16()
		switch {
		case nat64.Contains(ip):
			return localKind(netip.AddrFrom4([4]byte(b[12:16])))
		case sixToFour.Contains(ip):
			return localKind(netip.AddrFrom4([4]byte(b[2:6])))
		}
	}
	switch {
	case ip.IsLoopback():
		return loopback
	case ip.IsLinkLocalUnicast():
		return linkLocal
	case ip.IsPrivate(), shared.Contains(ip):
		return private
	case ip.IsUnspecified(), ip.IsMulticast(), thisNetwork.Contains(ip), future.Contains(ip), compatible.Contains(ip), siteLocal.Contains(ip):
		return reserved
	}
	return ""
}

var (
	nat64       = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour   = netip.MustParsePrefix("2002::/16")
	shared      = netip.MustParsePrefix("100.64.0.0/10")
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8")
	future      = netip.MustParsePrefix("240.0.0.0/4")
	compatible  = netip.MustParsePrefix("::/96")
	siteLocal   = netip.MustParsePrefix("fec0::/10")
)
