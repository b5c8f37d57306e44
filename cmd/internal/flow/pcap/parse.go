package pcap

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// kind is what a packet turned out to be.
type kind int

const (
	isOther kind = iota
	isUDP
	isFragment
	isMalformed
	isUnknownLink
)

// datagram is what parse finds. Its payload lies within the frame.
type datagram struct {
	src, dst netip.AddrPort
	payload  []byte
	cut      bool // the payload was longer on the wire
}

// The LINKTYPE_ values of www.tcpdump.org/linktypes.html that are known. Raw IP
// has the values that operating systems use for it, too.
const (
	linkNull     = 0 // BSD loopback: the family in the byte order of the host
	linkEthernet = 1
	linkRaw12    = 12
	linkRaw14    = 14 // OpenBSD
	linkRaw      = 101
	linkLoop     = 108 // OpenBSD loopback: the family in network byte order
	linkSLL      = 113 // Linux cooked: tcpdump -i any
	linkIPv4     = 228
	linkIPv6     = 229
	linkSLL2     = 276 // Linux cooked, version 2
)

func knownLink(link uint32) bool {
	switch link {
	case linkNull, linkEthernet, linkRaw12, linkRaw14, linkRaw, linkLoop, linkSLL, linkIPv4, linkIPv6, linkSLL2:
		return true
	}
	return false
}

// parse takes the headers off a packet, from the link layer to UDP.
func parse(f frame) (datagram, kind) {
	b := f.data
	switch f.link {
	case linkEthernet:
		return f.ethertype(b, 12, 14)
	case linkSLL:
		return f.ethertype(b, 14, 16)
	case linkSLL2:
		return f.ethertype(b, 0, 20)
	case linkNull, linkLoop:
		if len(b) < 4 {
			return datagram{}, isMalformed
		}
		family := binary.BigEndian.Uint32(b)
		if family > 0xffff {
			family = bits.ReverseBytes32(family)
		}
		switch family {
		case 2, 10, 24, 28, 30: // AF_INET, and AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, macOS
			return f.ip(b[4:])
		}
		return datagram{}, isOther
	case linkRaw12, linkRaw14, linkRaw, linkIPv4, linkIPv6:
		return f.ip(b)
	}
	return datagram{}, isUnknownLink
}

// ethertype goes on after a link-layer header of length bytes that has an
// EtherType at offset, and after VLAN tags: 802.1Q, 802.1ad and what came before
// it.
func (f *frame) ethertype(b []byte, offset, length int) (datagram, kind) {
	for len(b) >= length {
		t := binary.BigEndian.Uint16(b[offset:])
		b = b[length:]
		switch t {
		case 0x0800, 0x86dd:
			return f.ip(b)
		case 0x8100, 0x88a8, 0x9100:
			offset, length = 2, 4
		default:
			return datagram{}, isOther
		}
	}
	return datagram{}, isMalformed
}

// ip reads an IPv4 (RFC 791) or IPv6 (RFC 8200) header.
func (f *frame) ip(b []byte) (datagram, kind) {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		return f.ipv4(b)
	case len(b) >= 40 && b[0]>>4 == 6:
		return f.ipv6(b)
	}
	return datagram{}, isMalformed
}

const protocolUDP = 17

func (f *frame) ipv4(b []byte) (datagram, kind) {
	header, total := int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:]))
	switch {
	case header < 20:
		return datagram{}, isMalformed
	case b[9] != protocolUDP:
		return datagram{}, isOther
	case binary.BigEndian.Uint16(b[6:])&0x3fff != 0: // more fragments, or an offset
		return datagram{}, isFragment
	}
	src := netip.AddrFrom4([4]byte(b[12:]))
	dst := netip.AddrFrom4([4]byte(b[16:]))
	return f.udp(src, dst, b, header, total)
}

func (f *frame) ipv6(b []byte) (datagram, kind) {
	next, header, total := b[6], 40, 40+int(binary.BigEndian.Uint16(b[4:]))
	for next != protocolUDP {
		if len(b) < header+8 { // the least that an extension header has
			return datagram{}, isMalformed
		}
		ext := b[header:]
		switch next {
		case 0, 43, 60, 135, 139, 140: // hop-by-hop, routing, destination options, mobility, HIP, shim6
			header += 8 + int(ext[1])*8
		case 51: // authentication, RFC 4302
			header += 8 + int(ext[1])*4
		case 44: // fragment; one that is the whole packet (RFC 6946) is none
			if binary.BigEndian.Uint16(ext[2:])&^0x6 != 0 { // an offset, or more to come
				if ext[0] == protocolUDP {
					return datagram{}, isFragment
				}
				return datagram{}, isOther
			}
			header += 8
		default:
			return datagram{}, isOther
		}
		next = ext[0]
	}
	src := netip.AddrFrom16([16]byte(b[8:])).Unmap()
	dst := netip.AddrFrom16([16]byte(b[24:])).Unmap()
	return f.udp(src, dst, b, header, total)
}

// udp reads a UDP header (RFC 768) that follows header bytes of an IP packet of
// total bytes. Ethernet pads short packets, so what lies behind them is not
// theirs; and where the capture was cut, less is there.
func (f *frame) udp(src, dst netip.Addr, b []byte, header, total int) (datagram, kind) {
	cut := f.cut || total > len(b)
	b = b[:min(total, len(b))]
	if len(b) < header+8 {
		return datagram{}, isMalformed
	}
	b = b[header:]
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length < 8 || length > len(b) && !cut {
		return datagram{}, isMalformed
	}
	return datagram{
		src:     netip.AddrPortFrom(src, binary.BigEndian.Uint16(b)),
		dst:     netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[2:])),
		payload: b[8:min(length, len(b))],
		cut:     length > len(b),
	}, isUDP
}
