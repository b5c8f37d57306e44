package ingest

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Range returns the networks that make up first to last, both included: at most
// 48 for IPv4 and 218 for IPv6, because a range wider than /8 (IPv4) or /19
// (IPv6) is rejected as a whole, so that none of its pieces slips through.
func Range(first, last netip.Addr) ([]netip.Prefix, Reason) {
	first, last = first.Unmap(), last.Unmap()
	switch {
	case first.Zone() != "" || last.Zone() != "":
		return nil, Zone
	case first.BitLen() != last.BitLen():
		return nil, Unreadable
	case last.Less(first):
		return nil, Reversed
	}
	if hi, lo := distance(first, last); first.Is4() && lo >= 1<<(32-widest4) || hi >= 1<<(64-widest6) {
		return nil, TooWide
	}
	var out []netip.Prefix
	for {
		p := largest(first, last)
		out = append(out, p)
		end := lastOf(p)
		if end == last {
			return out, ""
		}
		first = end.Next()
	}
}

// largest returns the largest network that begins at first and does not pass last.
func largest(first, last netip.Addr) netip.Prefix {
	best := netip.PrefixFrom(first, first.BitLen())
	for n := first.BitLen() - 1; n >= 0; n-- {
		p, _ := first.Prefix(n)
		if p.Addr() != first || last.Less(lastOf(p)) {
			break
		}
		best = p
	}
	return best
}

// lastOf returns the highest address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	ip, _ := netip.AddrFromSlice(b)
	return ip
}

// distance returns last - first as two halves.
func distance(first, last netip.Addr) (hi, lo uint64) {
	a, b := first.As16(), last.As16()
	lo, borrow := bits.Sub64(binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(a[8:]), 0)
	hi, _ = bits.Sub64(binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(a[:8]), borrow)
	return hi, lo
}
