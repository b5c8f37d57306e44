package fetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestLocalKind(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1": loopback, "127.9.9.9": loopback, "::1": loopback, "::ffff:127.0.0.1": loopback, "64:ff9b::7f00:1": loopback, "2002:7f00:1::": loopback,
		"169.254.169.254": linkLocal, "fe80::1%eth0": linkLocal, "64:ff9b::a9fe:a9fe": linkLocal,
		"10.1.2.3": private, "172.16.0.1": private, "192.168.1.1": private, "100.64.0.1": private, "fd00::1": private, "2002:0a00:1::": private,
		"0.0.0.0": reserved, "::": reserved, "0.1.2.3": reserved, "224.0.0.1": reserved, "255.255.255.255": reserved, "ff02::1": reserved, "fec0::1": reserved, "::7f00:1": reserved,
		"192.0.2.1": "", "172.32.0.1": "", "2001:db8::1": "", "64:ff9b::c000:201": "", "2002:c000:201::": "", "8.8.8.8": "",
	} {
		if got := localKind(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
}

func TestMayReach(t *testing.T) {
	for _, tt := range []struct {
		from, to string // "": not known where from
		fine     bool
	}{
		{"192.0.2.1:443", "198.51.100.1:8443", true},
		{"192.0.2.1:443", "127.0.0.1:443", false},
		{"192.0.2.1:443", "10.0.0.1:443", false},
		{"192.0.2.1:443", "169.254.169.254:80", false},
		{"192.0.2.1:443", "[::1]:80", false},
		{"", "127.0.0.1:80", false},
		{"", "198.51.100.1:80", true},
		{"127.0.0.1:8000", "198.51.100.1:80", true},
		{"127.0.0.1:8000", "127.0.0.1:8000", true},
		{"127.0.0.1:8000", "[::1]:8000", true},
		{"127.0.0.1:8000", "127.0.0.1:443", true},
		{"127.0.0.1:8000", "127.0.0.1:9200", false},
		{"127.0.0.1:8000", "10.0.0.1:8000", false},
		{"10.0.0.1:80", "10.0.0.2:443", true},
		{"10.0.0.1:80", "127.0.0.1:80", false},
		{"10.0.0.1:80", "169.254.169.254:80", false},
		{"169.254.1.1:80", "169.254.169.254:80", false},
		{"169.254.1.1:80", "169.254.1.1:80", true},
	} {
		var o own
		if tt.from != "" {
			o.reached(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(tt.from)))
		}
		if err := o.mayReach(netip.MustParseAddrPort(tt.to)); (err == nil) != tt.fine || err != nil && !errors.Is(err, ErrRedirect) {
			t.Errorf("from %s to %s: %v", tt.from, tt.to, err)
		}
	}
}

// A redirect does not reach the services of this host: not by address, not by name,
// and not over a connection that another feed has open.
func TestRedirectToLoopback(t *testing.T) {
	asked := 0
	inside := serve(t, func(w http.ResponseWriter, _ *http.Request) { asked++; fmt.Fprint(w, "192.0.2.1\n") })
	port := inside.URL[strings.LastIndexByte(inside.URL, ':'):]
	for _, to := range []string{inside.URL + "/admin", "http://localhost" + port + "/admin", "http://169.254.169.254/latest/meta-data/"} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
		c := client(t, Options{})
		if _, _, err := get(t, c, Request{URL: inside.URL}); err != nil || asked != 1 {
			t.Fatalf("the feed on loopback itself: %v, asked %d times", err, asked)
		}
		_, _, err := get(t, c, Request{URL: s.URL})
		if !errors.Is(err, ErrRedirect) || !strings.Contains(err.Error(), "set url to that address") || asked != 1 {
			t.Errorf("%s: %v, asked %d times", to, err, asked)
		}
		asked = 0
	}
}

// Through a proxy, which resolves names itself, what the redirect says counts.
func TestRedirectThroughProxy(t *testing.T) {
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String())
		switch r.URL.Path {
		case "/home":
			http.Redirect(w, r, "http://192.168.1.1/admin", http.StatusFound)
		case "/local":
			http.Redirect(w, r, "http://localhost./admin", http.StatusFound)
		case "/moved":
			http.Redirect(w, r, "http://other.feed.example/end", http.StatusFound)
		default:
			fmt.Fprint(w, "192.0.2.1\n")
		}
	}))
	t.Cleanup(proxy.Close)
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("NO_PROXY", "")
	c := New(Options{Retries: -1})
	t.Cleanup(c.Close)
	for path, want := range map[string]error{"/home": ErrRedirect, "/local": ErrRedirect, "/moved": nil} {
		resp, err := c.Do(context.Background(), Request{URL: "http://feed.example" + path})
		if err == nil {
			_ = resp.Body.Close()
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, u := range asked {
		if strings.Contains(u, "admin") {
			t.Errorf("the proxy was asked for %s", u)
		}
	}
}
