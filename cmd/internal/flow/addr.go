package flow

import (
	"encoding/binary"
	"net/netip"
)

// Addr is an IPv6 address, or an IPv4 address v4-mapped (::ffff:a.b.c.d), as
// two big-endian halves. The zero value is "::", which stands for "not sent".
// Unlike netip.Addr it holds no pointer, so a Record needs no scanning.
type Addr struct{ Hi, Lo uint64 }

const mapped = 0xffff << 32

// Addr4 makes an Addr of an IPv4 address in host order.
func Addr4(v4 uint32) Addr { return Addr{0, mapped | uint64(v4)} }

// AddrFrom16 makes an Addr of the first 16 bytes of b.
func AddrFrom16(b []byte) Addr {
	return Addr{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

// AddrFrom makes an Addr of a netip.Addr, without its zone. The invalid
// netip.Addr becomes the zero Addr.
func AddrFrom(ip netip.Addr) Addr {
	if !ip.IsValid() {
		return Addr{}
	}
	b := ip.As16()
	return AddrFrom16(b[:])
}

// Is4 reports whether a is an IPv4 address.
func (a Addr) Is4() bool { return a.Hi == 0 && a.Lo>>32 == 0xffff }

// V4 returns the IPv4 address in host order; it means nothing unless Is4.
func (a Addr) V4() uint32 { return uint32(a.Lo) }

// IsUnspecified reports whether a is "::" or "0.0.0.0": neither ever matches.
func (a Addr) IsUnspecified() bool { return a.Hi == 0 && (a.Lo == 0 || a.Lo == mapped) }

// IP returns a as a netip.Addr, IPv4 unmapped.
func (a Addr) IP() netip.Addr {
	if a.Is4() {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(a.Lo))
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], a.Hi)
	binary.BigEndian.PutUint64(b[8:], a.Lo)
	return netip.AddrFrom16(b)
}

// String returns the usual text form, IPv4 in dots.
func (a Addr) String() string { return a.IP().String() }
