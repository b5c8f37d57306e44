package main

import (
	"net/netip"
	"testing"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
)

// TestCommunityID has the values of the specification's baseline, seed 0.
func TestCommunityID(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		proto    uint8
		src, dst string
		want     string
	}{
		{6, "128.232.110.120:34855", "66.35.250.204:80", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{6, "66.35.250.204:80", "128.232.110.120:34855", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{17, "192.168.1.52:54585", "8.8.8.8:53", "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{132, "192.168.170.8:7", "192.168.170.56:7", "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="},
		{6, "10.20.0.15:51544", "203.0.113.66:443", "1:kbG4bCBQtX7y7rh2guAMTWxOfm4="},
		{1, "192.0.2.1:8", "192.0.2.2:0", ""},
		{6, "192.0.2.1:8", "[2001:db8::1]:0", ""},
	} {
		src, dst := netip.MustParseAddrPort(c.src), netip.MustParseAddrPort(c.dst)
		h := plugin.Hit{Src: src.Addr(), SrcPort: int(src.Port()), Dst: dst.Addr(), DstPort: int(dst.Port()), Proto: c.proto}
		if got := communityID(&h); got != c.want {
			t.Errorf("%d %s %s: %q, not %q", c.proto, c.src, c.dst, got, c.want)
		}
		if h.Targets = 2; communityID(&h) != "" {
			t.Errorf("%s: the id of several conversations", c.src)
		}
		if h.Targets, h.SrcPort = 0, hit.NoPort; communityID(&h) != "" {
			t.Errorf("%s: the id of one without a port", c.src)
		}
	}
}
