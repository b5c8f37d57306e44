package export

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// many is a set of n indicators on distinct names or addresses, a tenth of the
// addresses networks and IPv6.
func many(n int, domains bool) *intel.Set {
	r := rand.New(rand.NewPCG(1, 2))
	b := intel.NewBuilder("otx")
	for k := range n {
		i := intel.Indicator{Score: uint8(r.IntN(101)), Name: fmt.Sprint("Wave ", k/100), Ref: fmt.Sprint("https://otx.example/pulse/", k/100)}
		switch ip := 1<<24 + r.Uint32N(222<<24); {
		case domains:
			i.Domain = fmt.Sprintf("%x.host-%d.example", ip, k%1000)
		case k%10 == 0:
			a := [16]byte{0x2a, 0, byte(ip >> 24), byte(ip >> 16), byte(ip >> 8), byte(ip), 15: 1}
			i.Prefix = netip.PrefixFrom(netip.AddrFrom16(a), 128)
		case k%10 == 1:
			i.Prefix = netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(ip >> 24), byte(ip >> 16), byte(ip >> 8), 0}), 24)
		default:
			i.Prefix = netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(ip >> 24), byte(ip >> 16), byte(ip >> 8), byte(ip)}), 32)
		}
		b.Add(&i)
	}
	return intel.NewSet(b.Block())
}

// BenchmarkWrite is one version of a file, without the disk.
func BenchmarkWrite(b *testing.B) {
	for _, c := range []struct {
		format  string
		n       int
		domains bool
	}{
		{"rpz", 100_000, true}, {"rpz", 1_000_000, true}, {"rpz", 1_000_000, false},
		{"nftables", 100_000, false}, {"ipset", 100_000, false},
	} {
		name := fmt.Sprintf("%s/%d-addresses", c.format, c.n)
		if c.domains {
			name = fmt.Sprintf("%s/%d-domains", c.format, c.n)
		}
		b.Run(name, func(b *testing.B) {
			set := many(c.n, c.domains)
			b.ReportAllocs()
			for b.Loop() {
				s, err := Write(io.Discard, set, Options{Format: c.format, Now: now})
				if err != nil || s.Written < c.n*9/10 {
					b.Fatalf("%+v, %v", s, err)
				}
			}
			b.StopTimer()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.Sys)/1e6, "MB-from-OS")
		})
	}
}

// BenchmarkBest is what choosing the best thousandth adds to going through a million.
func BenchmarkBest(b *testing.B) {
	set := many(1_000_000, false)
	for _, most := range []int{0, 1000} {
		b.Run(fmt.Sprint("max-", most), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Write(io.Discard, set, Options{Format: "plain", Now: now, Filter: Filter{Max: most}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
