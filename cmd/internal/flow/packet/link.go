package packet

import (
	"encoding/binary"
	"math/bits"
)

// The LINKTYPE_ values of www.tcpdump.org/linktypes.html that are read. Where the
// operating systems have numbers of their own (DLT_), those are listed, too: PKTAP
// and PPI hold them, and old captures do.
const (
	linkNull      = 0 // BSD loopback: the family in the byte order of the host
	Ethernet      = 1
	linkTokenRing = 6
	linkSLIP      = 8
	linkPPP       = 9
	linkFDDI      = 10
	linkATM11     = 11
	linkRaw12     = 12
	linkRaw14     = 14 // OpenBSD
	linkATMCLIP19 = 19
	linkPPPSerial = 50 // or Cisco's HDLC
	linkPPPoE     = 51
	linkATM       = 100 // RFC 2684
	linkRaw       = 101
	linkCiscoHDLC = 104
	IEEE80211     = 105
	linkATMCLIP   = 106
	linkFrame     = 107 // Frame Relay
	linkLoop      = 108 // OpenBSD loopback: the family in network byte order
	linkEnc       = 109 // OpenBSD and FreeBSD enc(4): inside IPsec
	linkSLL       = 113 // Linux cooked: tcpdump -i any
	linkPFLog     = 117
	linkPrism     = 119
	linkIPoverFC  = 122
	linkRadiotap  = 127
	linkFireWire  = 138
	linkUser2     = 149 // PKTAP of old macOS
	linkAVS       = 163
	linkPPPD      = 166
	linkJuniper   = 178 // Ethernet; PPP, Frame Relay and HDLC follow
	linkPPI       = 192
	linkPPPDir    = 204
	linkHDLCDir   = 205
	linkFrameDir  = 206
	linkIPNet     = 226 // Solaris
	linkIPv4      = 228
	linkIPv6      = 229
	linkNFLog     = 239
	linkNetAna    = 240
	linkNetAnaPre = 241
	linkPKTAP     = 258
	linkMPacket   = 274
	linkSLL2      = 276
	linkBroadcom  = 281 // switch tag behind the addresses
	linkBroadcomP = 282 // in front of them
	linkMarvell   = 284
	linkMarvellE  = 285
)

// Known reports whether Dissect reads a link layer.
func Known(link uint32) bool {
	var p Packet
	return p.Dissect(link, nil) != UnknownLink
}

// link takes a link-layer header off. The ones of a fixed length with an EtherType
// at their end are told by two numbers.
func (l *layer) link() Result {
	switch l.number {
	case Ethernet:
		return l.type16(12)
	case linkSLL:
		return l.type16(14)
	case linkSLL2:
		return l.etherTypeAt(0, 20)
	case linkRaw12, linkRaw14, linkRaw, linkIPv4, linkIPv6:
		return l.next(0, isIP, 0)
	case linkNull, linkLoop:
		return l.family(4)
	case linkEnc: // family, SPI, flags
		return l.family(12)
	case linkFireWire:
		return l.type16(16)
	case linkBroadcom, linkMarvell:
		return l.type16(16)
	case linkMarvellE:
		return l.type16(20)
	case linkBroadcomP, linkNetAna:
		return l.next(4, isLink, Ethernet)
	case linkNetAnaPre:
		return l.next(12, isLink, Ethernet)
	case linkMPacket:
		return l.next(8, isLink, Ethernet)
	case linkPPP, linkPPPSerial, linkPPPD, linkPPPDir, linkPPPoE:
		return l.pppLink()
	case linkCiscoHDLC:
		return l.type16(2)
	case linkHDLCDir:
		return l.next(1, isLink, linkCiscoHDLC)
	case linkFrame:
		return l.frameRelay()
	case linkFrameDir:
		return l.next(1, isLink, linkFrame)
	case linkATM, linkATM11:
		return l.next(0, isLLC, 0)
	case linkATMCLIP, linkATMCLIP19:
		if len(l.b) > 0 && l.b[0] == 0xaa {
			return l.next(0, isLLC, 0)
		}
		return l.next(0, isIP, 0)
	case linkIPoverFC:
		return l.next(16, isLLC, 0)
	case linkFDDI:
		return l.next(13, isLLC, 0)
	case linkTokenRing:
		return l.tokenRing()
	case linkSLIP: // the direction, and a header as it was before compression
		return l.next(16, isIP, 0)
	case linkIPNet:
		return l.next(24, isIP, 0)
	case linkJuniper, linkJuniper + 1, linkJuniper + 2, linkJuniper + 3:
		return l.juniper()
	case IEEE80211, linkPrism, linkAVS, linkRadiotap:
		return l.wireless()
	case linkPFLog, linkNFLog, linkPKTAP, linkUser2, linkPPI:
		return l.pseudo()
	}
	return UnknownLink
}

// type16 goes on behind a header that ends with an EtherType at offset n.
func (l *layer) type16(n int) Result { return l.etherTypeAt(n, n+2) }

// etherTypeAt goes on behind a header of length bytes with an EtherType at offset.
func (l *layer) etherTypeAt(offset, length int) Result {
	if len(l.b) < length {
		return Short
	}
	return l.next(length, isEtherType, uint32(binary.BigEndian.Uint16(l.b[offset:])))
}

// family goes on behind a header of length bytes that begins with an address family,
// in either byte order.
func (l *layer) family(length int) Result {
	if len(l.b) < length {
		return Short
	}
	family := binary.BigEndian.Uint32(l.b)
	if family > 0xffff {
		family = bits.ReverseBytes32(family)
	}
	if !isIPFamily(family) {
		return NotIP
	}
	return l.next(length, isIP, 0)
}

// isIPFamily knows AF_INET, and AF_INET6 of Linux, NetBSD and OpenBSD, Solaris,
// FreeBSD, macOS.
func isIPFamily(family uint32) bool {
	switch family {
	case 2, 10, 24, 26, 28, 30:
		return true
	}
	return false
}

// tokenRing goes on behind IEEE 802.5: access and frame control, addresses, and
// routing information where the source's first bit says so.
func (l *layer) tokenRing() Result {
	n := 14
	if len(l.b) < n+1 {
		return Short
	}
	if l.b[8]&0x80 != 0 {
		n += int(l.b[14] & 0x1f)
	}
	return l.next(n, isLLC, 0)
}

// frameRelay goes on behind a Q.922 address of two to four bytes: an EtherType as
// Cisco has it, or control and NLPID (RFC 2427).
func (l *layer) frameRelay() Result {
	n := 0
	for {
		if n == len(l.b) {
			return Short
		}
		n++
		if l.b[n-1]&1 != 0 {
			break
		}
		if n == 4 {
			return Malformed
		}
	}
	if n < 2 {
		return Malformed
	}
	b := l.b[n:]
	if len(b) < 2 {
		return Short
	}
	if b[0] != 3 {
		return l.type16(n)
	}
	n++
	if b[1] == 0 { // a pad byte
		n++
	}
	return l.nlpid(n)
}

// nlpid goes on at a Network Layer Protocol Identifier that stands at offset n.
func (l *layer) nlpid(n int) Result {
	if n >= len(l.b) {
		return Short
	}
	switch l.b[n] {
	case 0xcc, 0x8e:
		return l.next(n+1, isIP, 0)
	case 0xcf:
		return l.next(n+1, isPPP, 0)
	case 0x80: // SNAP without LLC
		return l.snap(n + 1)
	}
	return NotIP
}

// juniper goes on behind what Junos (monitor traffic) writes before a packet: a
// magic number, flags, extensions where the flags say so.
func (l *layer) juniper() Result {
	if len(l.b) < 4 {
		return Short
	}
	if l.b[0] != 'M' || l.b[1] != 'G' || l.b[2] != 'C' {
		return Malformed
	}
	const noLink, extended = 0x02, 0x80
	flags, n := l.b[3], 4
	if flags&extended != 0 {
		if len(l.b) < 6 {
			return Short
		}
		n = 6 + int(binary.BigEndian.Uint16(l.b[4:]))
	}
	if flags&noLink != 0 { // a protocol in its place
		return l.next(n+4, isIP, 0)
	}
	return l.next(n, isLink, [4]uint32{Ethernet, linkPPP, linkFrame, linkCiscoHDLC}[l.number-linkJuniper])
}
