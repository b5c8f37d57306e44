package geo

import (
	"net/netip"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/geo/table"
)

// special are the ranges that no database may say anything of: they come over each
// table's own, so that a look-up pays nothing for them.
var special = func() (out []table.Range[Country]) {
	for value, networks := range map[Country][]string{
		Private: {
			"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8", "255.255.255.255/32",
			"fc00::/7", "fe80::/10", "fec0::/10",
		},
		Multicast: {"224.0.0.0/4", "ff00::/8"},
		// "This network", documentation, benchmarks, and what was never given out.
		Unknown: {"0.0.0.0/8", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/5", "248.0.0.0/6", "252.0.0.0/7", "254.0.0.0/8", "2001:db8::/32", "3fff::/20"},
		// 6to4 (RFC 3056), Teredo (RFC 4380), NAT64 (RFC 6052), and what lies below ::/64.
		tunnel: {"2002::/16", "2001::/32", "64:ff9b::/64", "::/64"},
	} {
		for _, n := range networks {
			first, last := bounds(netip.MustParsePrefix(n))
			out = append(out, table.Range[Country]{First: first, Last: last, Value: value})
		}
	}
	return out
}()

var loopback6 = flow.Addr{Lo: 1}

// inner returns the IPv4 address that an IPv6 address of a tunnel holds: of the 6to4
// router, of the Teredo client's NAT, of the host behind NAT64.
func inner(a flow.Addr) (flow.Addr, bool) {
	var v4 uint32
	switch {
	case a.Hi>>48 == 0x2002:
		v4 = uint32(a.Hi >> 16)
	case a.Hi>>32 == 0x20010000:
		v4 = ^uint32(a.Lo)
	case a.Hi == 0x0064ff9b<<32 && a.Lo>>32 == 0:
		v4 = uint32(a.Lo)
	default:
		return flow.Addr{}, false
	}
	return flow.Addr4(v4), true
}

// isSpecial reports whether an address lies in a range that no database may speak of.
func isSpecial(a netip.Addr) bool {
	for _, s := range special {
		if s.First.Compare(a) <= 0 && a.Compare(s.Last) <= 0 {
			return true
		}
	}
	return false
}
