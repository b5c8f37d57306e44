package list

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// What is read the short way is what ingest.Parse reads; what looks like it and is not, is
// left to that.
func TestPrefix4(t *testing.T) {
	check := func(line string) (ok bool) {
		t.Helper()
		got, ok := prefix4(line)
		if !ok {
			return false
		}
		var want intel.Indicator
		if why := ingest.Parse(line, &want); why != "" || want.Prefix.Masked() != got || want.Port != 0 {
			t.Errorf("%q: %v, but it is %v (%s)", line, got, want.Prefix, why)
		}
		return true
	}
	for line, want := range map[string]bool{
		"192.0.2.1": true, "0.0.0.0": true, "255.255.255.255": true, "192.0.2.1/24": true, "192.0.2.1/32": true, "10.0.0.0/0": true, "192.0.2.1/8": true,
		"": false, "192.0.2": false, "192.0.2.": false, "192.0.2.1.": false, "192.0.2.1.5": false, "192.0.2.256": false, "192.0.2.01": false, "192.0.2.1/": false,
		"192.0.2.1/33": false, "192.0.2.1/08": false, "192.0.2.1/+8": false, "192.0.2.1/8/9": false, "192.0.2.1 ": false, "192.0.2.1:80": false, ".192.0.2.1": false,
		"192..2.1": false, "1922.0.2.1": false, "192.0.2.1/2a": false, "a.b.c.d": false, "192.0.2.1-192.0.2.9": false, "192/8": false, "192.0/16": false, "192.0.2.1/024": false,
	} {
		if got := check(line); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
	r := rand.New(rand.NewPCG(11, 11))
	for range 200_000 {
		b := make([]byte, r.IntN(20))
		for i := range b {
			b[i] = "0123456789../"[r.IntN(13)]
		}
		check(string(b))
		a := netip.AddrFrom4([4]byte{byte(r.Uint32()), byte(r.IntN(12)), byte(r.Uint32()), byte(r.Uint32())})
		if !check(a.String()) || !check(netip.PrefixFrom(a, r.IntN(33)).String()) {
			t.Fatalf("%v is not read", a)
		}
	}
}
