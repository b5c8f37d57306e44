package throttle

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

func TestInboundProbesFoldByNetworkAndPort(t *testing.T) {
	x := newBench(t, Options{})
	for i := range 1000 {
		// 37 sources, of which one sends more; 9 targets, one asked more.
		src, dst := plus(scanner, 1+i%36), plus(host, 1+i%8)
		if i%5 == 0 {
			src, dst = scanner, host
		}
		x.probe(time.Duration(i)*time.Millisecond, src, dst, 22)
	}
	x.probe(time.Second, scanner, host, 23)                // another port
	x.probe(time.Second, scanner, addr("192.168.1.1"), 22) // another network
	x.probe(time.Second, scanner, addr("10.250.0.1"), 22)  // the same
	x.table.Flush(start.Add(2 * time.Second))
	x.want("new info attempt 1", "new info attempt 1", "new info attempt 1", "repeat info attempt 1000")
	h := x.hits[3]
	if h.Src != scanner.IP() || h.Dst != host.IP() || h.Sources != 37 || h.Targets != 10 || h.SrcPort != 40000 || h.DstPort != 22 {
		t.Errorf("%v:%d (%d) to %v:%d (%d)", h.Src, h.SrcPort, h.Sources, h.Dst, h.DstPort, h.Targets)
	}
	if h.Remote != h.Src || h.Local != h.Dst || h.Matched != hit.MatchedSrc || h.Direction != hit.Inbound {
		t.Errorf("%+v", h)
	}
}

func TestRefusalsFoldWithTheProbes(t *testing.T) {
	x := newBench(t, Options{})
	for i := range 100 {
		x.probe(0, plus(scanner, i), plus(host, i), 22)
		x.add(record(0, tcp, plus(host, i), 22, plus(scanner, i), 40000, 40, flow.RST|flow.ACK))
	}
	x.table.Flush(start)
	x.want("new info attempt 1", "repeat info attempt 199")
	if h := x.hits[1]; h.Sources != 100 || h.Targets != 100 {
		t.Errorf("%d sources, %d targets", h.Sources, h.Targets)
	}
}

// TestSampledProbesAreNoiseToo: a sampling exporter's lone SYN tells no more
// than an attempt does, and there are as many.
func TestSampledProbesAreNoiseToo(t *testing.T) {
	x := newBench(t, Options{})
	for i := range 100 {
		r := record(0, tcp, plus(scanner, i), 40000, plus(host, i), 22, 44, syn)
		r.Sampling = 100
		x.add(r)
	}
	x.table.Flush(start)
	x.want("new info unknown 1", "repeat info unknown 99")
}

func TestTransitProbesFoldByExporter(t *testing.T) {
	x := newBench(t, Options{})
	for i := range 100 {
		r := record(0, tcp, plus(scanner, i), 40000, plus(outside, i), 22, 44, syn)
		r.Exporter = plus(r.Exporter, i%2)
		x.add(r)
	}
	x.table.Flush(start)
	x.want("new info attempt 1", "new info attempt 1", "repeat info attempt 49", "repeat info attempt 49")
	if x.hits[0].Direction != hit.Transit {
		t.Error(x.hits[0].Direction)
	}
}

func TestSixteenPortsThenTheRest(t *testing.T) {
	x := newBench(t, Options{})
	for range 2 {
		for port := range 40 {
			x.probe(0, scanner, host, uint16(1000+port))
		}
	}
	x.table.Flush(start)
	if len(x.hits) != 2*17 {
		t.Fatalf("%d lines", len(x.hits))
	}
	if h := x.hits[16]; h.Kind != hit.New || h.DstPort != hit.NoPort || h.Count != 1 {
		t.Errorf("%+v", h)
	}
	rest := x.hits[len(x.hits)-1]
	for _, h := range x.hits[17:] {
		if h.DstPort == hit.NoPort {
			rest = h
		}
	}
	if rest.Count != 2*24-1 || x.counts() != x.added {
		t.Errorf("the rest says %d, all say %d of %d", rest.Count, x.counts(), x.added)
	}
}

func TestCrowdSharesAKey(t *testing.T) {
	x := newBench(t, Options{})
	for range 2 {
		for i := range 50 {
			x.call(0, plus(c2, i), 443, 1000)
		}
	}
	other := record(0, tcp, plus(host, 1), 50000, c2, 443, 1000, talk)
	x.add(other) // another host's first
	x.table.Flush(start)
	if len(x.hits) != 2*21+1 || x.counts() != x.added {
		t.Fatalf("%d lines say %d of %d", len(x.hits), x.counts(), x.added)
	}
	var shared *hit.Hit
	for _, h := range x.hits {
		if h.Targets > 1 {
			shared = h
		}
	}
	if shared == nil || shared.Count != 2*30-1 || shared.Targets != 30 || shared.Sources != 1 || shared.Src != host.IP() || shared.Matched != hit.MatchedDst {
		t.Fatalf("%+v", shared)
	}

	// Keys that come slowly stay apart.
	x = newBench(t, Options{})
	for i := range 50 {
		x.call(time.Duration(i)*time.Minute, plus(c2, i), 443, 1000)
	}
	if len(x.hits) != 50 {
		t.Errorf("%d lines", len(x.hits))
	}
}

func TestDistinctAddressesAreExactTo4096(t *testing.T) {
	x := newBench(t, Options{})
	listed := addr("2001:db8:bad::")
	for i := range 6000 {
		x.probe(0, plus(listed, 1+i), plus(addr("2001:db8:10::"), 1+i%4096), 22)
	}
	for range 3 {
		x.probe(0, plus(listed, 5999), addr("2001:db8:10::1"), 22) // busiest, but beyond the bound
	}
	x.table.Flush(start)
	h := x.hits[1]
	if h.Sources != 4096 || h.Targets != 4096 || h.Count != 6002 {
		t.Errorf("%d sources, %d targets, count %d", h.Sources, h.Targets, h.Count)
	}
	if x.table.addrs != 0 {
		t.Errorf("%d addresses are still counted", x.table.addrs)
	}
}

func TestBeaconOfADay(t *testing.T) {
	x := newBench(t, Options{})
	for at := time.Duration(0); at < 24*time.Hour; at += 5 * time.Minute {
		x.advance(at)
		x.add(record(at, tcp, host, uint16(40000+at/time.Minute), c2, 443, 700, talk))
	}
	x.table.Flush(start.Add(24 * time.Hour))
	if n := len(x.hits); n < 8 || n > 11 || x.counts() != 288 {
		t.Errorf("%d lines say %d: %q", n, x.counts(), x.story())
	}
}

// TestProbesOfADay: many sources, targets and ports, three networks, all day.
func TestProbesOfADay(t *testing.T) {
	peer.Long(t)
	x := newBench(t, Options{})
	rng := rand.New(rand.NewPCG(1, 2))
	networks := []flow.Addr{addr("10.1.0.0"), addr("172.20.0.0"), addr("192.168.5.0")}
	const probes = 120_000
	for i := range probes {
		at := time.Duration(i) * 24 * time.Hour / probes
		port := 20 + min(rng.IntN(200), rng.IntN(200), rng.IntN(200)) // some more popular
		x.probe(at, plus(scanner, rng.IntN(200)), plus(networks[rng.IntN(3)], rng.IntN(250)), uint16(port))
	}
	x.table.Flush(start.Add(24 * time.Hour))
	if len(x.hits) >= 120 || x.counts() != probes {
		t.Errorf("%d lines say %d", len(x.hits), x.counts())
	}
	t.Logf("%d lines", len(x.hits))
}

func TestNoiseKeepsItsPaceWhileItLasts(t *testing.T) {
	x := newBench(t, Options{})
	x.probe(0, scanner, host, 22)
	x.advance(48 * time.Hour)
	if x.table.Stats().Keys != 0 {
		t.Fatal("not forgotten")
	}
	// All is as new again: a window of five minutes.
	x.probe(49*time.Hour, scanner, host, 22)
	x.probe(49*time.Hour, scanner, host, 22)
	x.advance(49*time.Hour + 5*time.Minute)
	x.want("new info attempt 1", "new info attempt 1", "repeat info attempt 1")
	if len(x.table.noise.ports) != 1 {
		t.Errorf("%d groups", len(x.table.noise.ports))
	}
}

func TestOwnListedAddressIsBounded(t *testing.T) {
	x := newBench(t, Options{})
	// An address of ours is on a list: its peers are countless.
	x.policy = policyWith("203.0.113.0/25")
	for i := range 500 {
		x.add(record(0, tcp, c2, uint16(30000+i), plus(outside, i), 443, 900, talk))
	}
	x.table.Flush(start)
	if len(x.hits) > 22 || x.counts() != x.added {
		t.Errorf("%d lines say %d of %d", len(x.hits), x.counts(), x.added)
	}
}

func policyWith(local string) *alert.Policy {
	return alert.NewPolicy([]netip.Prefix{netip.MustParsePrefix(local)}, nil, nil)
}
