package known

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// TestListsAreWhatTheySay: the embedded lists parse, hold no address twice and none
// that cannot be on the internet, and no network that half of it lives in.
func TestListsAreWhatTheySay(t *testing.T) {
	for class, least := range map[string]int{Never: 95, Shared: 700, Scanners: 3000} {
		seen := map[netip.Prefix]bool{}
		for _, e := range lists[class]() {
			ip := e.network.Addr()
			if seen[e.network] || e.owner == "" || !ip.IsGlobalUnicast() || ip.IsPrivate() {
				t.Errorf("%s: %v of %q", class, e.network, e.owner)
			}
			if wide := map[bool]int{true: 12, false: 28}[ip.Is4()]; e.network.Bits() < wide || class == Never && !e.network.IsSingleIP() {
				t.Errorf("%s: %v is wide", class, e.network)
			}
			seen[e.network] = true
		}
		if len(seen) < least {
			t.Errorf("%s has %d entries", class, len(seen))
		}
	}
}

// TestSourceBesideEach: every name of never.txt says what its operator publishes it in.
func TestSourceBesideEach(t *testing.T) {
	lines := strings.Split(never, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "[") && (!strings.HasPrefix(lines[i+1], "# ") || !strings.Contains(lines[i+1], "/")) {
			t.Errorf("%s says no source", line)
		}
	}
}

func TestConfig(t *testing.T) {
	resolver, edge, scanner := netip.MustParseAddr("9.9.9.9"), netip.MustParsePrefix("104.16.1.1/32"), netip.MustParsePrefix("162.142.125.7/32")
	c := Config{}
	if e, ok := c.Allow().Addr(resolver); !ok || e.List != List || e.Reason != "quad9" {
		t.Errorf("%+v, %v", e, ok)
	}
	if l := c.Labels(); l.Shared(edge) != "cloudflare" || l.Scanner(scanner) != "censys" || l.Shared(scanner) != "" {
		t.Errorf("%q, %q", l.Shared(edge), l.Scanner(scanner))
	}
	c.Except = []netip.Prefix{netip.MustParsePrefix("9.9.9.9/32"), netip.MustParsePrefix("104.16.0.0/16")}
	if _, ok := c.Allow().Addr(resolver); ok || c.Labels().Shared(edge) != "" {
		t.Error("excepted and still there")
	}
	c = Config{Disable: Classes}
	if c.Allow().Len() != 0 || c.Labels() != nil || c.String() != "never-alert off, shared-edge off, who-scans off" {
		t.Errorf("off: %s", &c)
	}
}

// A listing of a shared address is worth half, but for ports that are nobody else's;
// a root server never matches.
func TestWhatASetMakesOfIt(t *testing.T) {
	b := intel.NewBuilder("c2")
	for _, i := range []intel.Indicator{
		{Prefix: netip.MustParsePrefix("104.16.1.1/32"), Category: intel.C2, Score: 90},
		{Prefix: netip.MustParsePrefix("104.16.1.2/32"), Category: intel.C2, Score: 90, Port: 443},
		{Prefix: netip.MustParsePrefix("104.16.1.3/32"), Category: intel.C2, Score: 90, Port: 4444},
		{Prefix: netip.MustParsePrefix("198.41.0.4/32"), Category: intel.C2, Score: 90},
		{Prefix: netip.MustParsePrefix("198.51.100.1/32"), Category: intel.C2, Score: 90},
	} {
		b.Add(&i)
	}
	var c Config
	s := intel.NewSetExcept(c.Allow(), b.Block())
	s.Label(c.Labels())
	for ip, want := range map[string]uint8{"104.16.1.1": 45, "104.16.1.2": 45, "104.16.1.3": 90, "198.51.100.1": 90} {
		got := s.Lookup(netip.MustParseAddr(ip), time.Unix(1_800_000_000, 0))
		if len(got) != 1 || got[0].Confidence() != want || (got[0].Shared == "cloudflare") != (ip != "198.51.100.1") {
			t.Errorf("%s: %+v", ip, got)
		}
	}
	if got := s.Lookup(netip.MustParseAddr("198.41.0.4"), time.Unix(1_800_000_000, 0)); len(got) != 0 {
		t.Errorf("a root server: %+v", got)
	}
}
