package intel

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// mixed makes n indicators: 85% IPv4 addresses, 10% IPv4 /24, 4% IPv6 addresses
// and 1% IPv6 /64, all of them uniform over the public space (IPv6: over a
// million /32), which is the worst that a bitmap can meet.
func mixed(r *rand.Rand, n int) []Indicator {
	out := make([]Indicator, n)
	for i := range out {
		ip, bits := randomV4(r), 32
		switch k := r.IntN(100); {
		case k >= 99:
			ip, bits = randomV6(r), 64
		case k >= 95:
			ip, bits = randomV6(r), 128
		case k >= 85:
			bits = 24
		}
		out[i] = Indicator{Prefix: netip.PrefixFrom(ip, bits).Masked(), Score: 60}
	}
	return out
}

func randomV4(r *rand.Rand) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 1<<24+r.Uint32N(222<<24))
	return netip.AddrFrom4(b)
}

func randomV6(r *rand.Rand) netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint32(b[:], 0x2a000000+r.Uint32N(1<<20))
	binary.BigEndian.PutUint32(b[4:], r.Uint32())
	binary.BigEndian.PutUint64(b[8:], r.Uint64())
	return netip.AddrFrom16(b)
}

// pair is the addresses of one flow, spaced as far apart as flow records are.
type pair struct {
	src, dst [2]uint64
	_        [176]byte
}

// realistic traffic: one side is one of 65,536 local hosts, the other one of
// 100,000 destinations, drawn by Zipf's law (exponent 1.2); a fifth of them is
// IPv6. One flow in a thousand hits.
func realistic(r *rand.Rand, list []Indicator) []pair {
	z := rand.NewZipf(r, 1.2, 8, 99_999)
	popular := make([]netip.Addr, 100_000)
	for i := range popular {
		popular[i] = anywhere(r)
	}
	out := make([]pair, 1<<16)
	for i := range out {
		remote := popular[z.Uint64()]
		if r.IntN(1000) == 0 {
			remote = list[r.IntN(len(list))].Prefix.Addr()
		}
		local := netip.AddrFrom4([4]byte{10, 0, byte(r.Uint32()), byte(r.Uint32())})
		if remote.Is6() {
			local = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 14: byte(r.Uint32()), 15: byte(r.Uint32())})
		}
		if r.IntN(2) == 0 {
			local, remote = remote, local
		}
		out[i] = pairOf(local, remote)
	}
	return out
}

// hostile traffic: both sides uniform over the public space, as in a flood with
// forged sources.
func hostile(r *rand.Rand, _ []Indicator) []pair {
	out := make([]pair, 1<<16)
	for i := range out {
		out[i] = pairOf(anywhere(r), anywhere(r))
	}
	return out
}

func anywhere(r *rand.Rand) netip.Addr {
	if r.IntN(5) == 0 {
		return randomV6(r)
	}
	return randomV4(r)
}

func pairOf(src, dst netip.Addr) (p pair) {
	p.src[0], p.src[1], _ = halves(src)
	p.dst[0], p.dst[1], _ = halves(dst)
	return p
}

// BenchmarkContains looks up source and destination: one operation is one flow.
func BenchmarkContains(b *testing.B) {
	for _, n := range []int{100, 100_000, 1_000_000} {
		r := rand.New(rand.NewPCG(1, 2))
		list := mixed(r, n)
		s := NewSet(block("x", list...))
		for name, traffic := range map[string]func(*rand.Rand, []Indicator) []pair{"realistic": realistic, "hostile": hostile} {
			flows := traffic(r, list)
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				hits, i := 0, 0
				for b.Loop() {
					p := &flows[i&(1<<16-1)]
					i++
					if s.Contains(p.src[0], p.src[1]) || s.Contains(p.dst[0], p.dst[1]) {
						hits++
					}
				}
				b.ReportMetric(100*float64(hits)/float64(b.N), "%hits")
			})
		}
	}
}

// BenchmarkLookup is what a hit costs.
func BenchmarkLookup(b *testing.B) {
	list := mixed(rand.New(rand.NewPCG(1, 2)), 1_000_000)
	s := NewSet(block("x", list...))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if len(s.Lookup(list[i%len(list)].Prefix.Addr(), now)) == 0 {
			b.Fatal("not found")
		}
		i++
	}
}

// BenchmarkBuild is one reload of a million indicators without reading the file.
func BenchmarkBuild(b *testing.B) {
	list := mixed(rand.New(rand.NewPCG(1, 2)), 1_000_000)
	b.ReportAllocs()
	for b.Loop() {
		if s := NewSet(block("x", list...)); s.Len() == 0 {
			b.Fatal("empty")
		}
	}
}

// BenchmarkContainsAllowed is a flow from a local host to the most popular
// address of all, which stands in a feed and in an allow list: alone, or as a
// part of a listed network.
func BenchmarkContainsAllowed(b *testing.B) {
	list := mixed(rand.New(rand.NewPCG(1, 2)), 100_000)
	resolver := netip.MustParseAddr("198.51.100.53")
	allow := NewAllow(AllowEntry{Prefix: netip.PrefixFrom(resolver, 32)})
	flow := pairOf(netip.MustParseAddr("10.0.0.1"), resolver)
	for name, listed := range map[string]string{"alone": "198.51.100.53/32", "in part": "198.51.100.0/24"} {
		s := NewSetExcept(allow, block("x", append(list, at(listed, 60))...))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if s.Contains(flow.src[0], flow.src[1]) || s.Contains(flow.dst[0], flow.dst[1]) {
					b.Fatal("matches")
				}
			}
		})
	}
}

// BenchmarkBuildExcept is BenchmarkBuild with half a million domains more and an
// allow list of a million names, which is what lists of popular sites hold, and
// ten thousand networks.
func BenchmarkBuildExcept(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	list := mixed(r, 1_000_000)
	entries := make([]AllowEntry, 0, 1_010_000)
	for i := range 500_000 {
		list = append(list, Indicator{Domain: fmt.Sprintf("www.bad-%d.example", i*7)})
	}
	for i := range 1_000_000 {
		entries = append(entries, AllowEntry{Domain: fmt.Sprintf("good-%d.example", i*3)})
	}
	for _, i := range mixed(r, 10_000) {
		entries = append(entries, AllowEntry{Prefix: i.Prefix})
	}
	allow, feed := NewAllow(entries...), block("x", list...)
	b.ReportAllocs()
	for b.Loop() {
		if s := NewSetExcept(allow, feed); s.Len() == 0 {
			b.Fatal("empty")
		}
	}
}
