package exporters

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
)

// TestNothingHeardOnLoopbackAlone asserts that who listens where no router comes is told
// so, and not to look at routers.
func TestNothingHeardOnLoopbackAlone(t *testing.T) {
	for _, c := range []struct{ listens, fix string }{
		{"127.0.0.1:2055", "set listen:"},
		{"[::1]:2055", "set listen:"},
		{"[::1]:2055 192.0.2.1:2056", "tcpdump -ni any udp port 2055 or udp port 2056"},
		{"[::]:2055", "tcpdump -ni any udp port 2055"},
	} {
		var at []netip.AddrPort
		for _, text := range strings.Fields(c.listens) {
			at = append(at, netip.MustParseAddrPort(text))
		}
		x := New(Dependencies{Stats: func() []netflow.Stats { return nil }, Listening: func() []netip.AddrPort { return at }})
		var l finding.List
		x.Findings(&l)
		if len(l) != 1 || l[0].Level != finding.Bad || !strings.Contains(l[0].Fix, c.fix) {
			t.Errorf("%s: %+v", c.listens, l)
		}
	}
}
