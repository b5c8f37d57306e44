package packet

import "encoding/binary"

// maxLength is the largest number in the place of an EtherType that is a length
// (IEEE 802.3).
const maxLength = 1500

// etherType takes off what an EtherType announces: nothing for IP, else a tag or a
// shim with another EtherType or a whole frame behind it.
func (l *layer) etherType() Result {
	b := l.b
	switch l.number {
	case 0x0800, 0x86dd:
		return l.next(0, isIP, 0)
	case 0x8100, 0x88a8, 0x9100, 0x9200, 0x9300: // VLAN tags: 802.1Q, 802.1ad and what came before it
		return l.type16(2)
	case 0x8847, 0x8848:
		return l.next(0, isMPLS, 0)
	case 0x8864: // a PPPoE session, RFC 2516
		return l.next(6, isPPP, 0)
	case 0x880b:
		return l.next(0, isPPP, 0)
	case 0x893f, 0x8909: // 802.1BR, Cisco metadata (TrustSec)
		return l.type16(6)
	case 0x8926, 0x892f: // VN-Tag, HSR
		return l.type16(4)
	case 0x6558: // an Ethernet frame inside
		return l.next(0, isLink, Ethernet)
	case 0x88e7: // 802.1ah
		return l.next(4, isLink, Ethernet)
	case 0x8903: // FabricPath
		return l.next(2, isLink, Ethernet)
	case 0x22f3: // TRILL, with options counted in 4 bytes
		if len(b) < 2 {
			return Short
		}
		return l.next(6+4*(int(b[0]&7)<<2|int(b[1]>>6)), isLink, Ethernet)
	case 0x88e5: // MACsec
		return l.macsec()
	case 0x894f: // Network Service Header
		return l.nsh()
	case 0x8870, 0x0004: // LLC in a jumbo frame; as Linux cooked captures number it
		return l.next(0, isLLC, 0)
	}
	if l.number <= maxLength && l.number > 0x0004 {
		return l.next(0, isLLC, 0)
	}
	return NotIP
}

// macsec goes on behind the tag of 802.1AE where it only signs.
func (l *layer) macsec() Result {
	if len(l.b) < 1 {
		return Short
	}
	const channel, encrypted, changed = 0x20, 0x08, 0x04
	tci := l.b[0]
	if tci&(encrypted|changed) != 0 {
		return Encrypted
	}
	if tci&channel != 0 {
		return l.type16(14)
	}
	return l.type16(6)
}

// nsh goes on behind a Network Service Header (RFC 8300).
func (l *layer) nsh() Result {
	if len(l.b) < 4 {
		return Short
	}
	n := 4 * int(l.b[1]&0x3f)
	if n < 8 {
		return Malformed
	}
	switch l.b[3] {
	case 1, 2:
		return l.next(n, isIP, 0)
	case 3:
		return l.next(n, isLink, Ethernet)
	case 5:
		return l.next(n, isMPLS, 0)
	}
	return NotIP
}

// llc goes on behind IEEE 802.2.
func (l *layer) llc() Result {
	if len(l.b) < 3 {
		return Short
	}
	const unnumbered = 3
	if l.b[2] != unnumbered {
		return NotIP
	}
	switch l.b[0] {
	case 0xaa:
		return l.snap(3)
	case 0x06: // IP's own
		return l.next(3, isIP, 0)
	case 0xfe: // ISO's, as ATM and Frame Relay have it
		return l.nlpid(3)
	}
	return NotIP
}

// snap goes on behind an organisation's number and a protocol of it at offset n.
func (l *layer) snap(n int) Result {
	if len(l.b) < n+5 {
		return Short
	}
	oui := uint32(l.b[n])<<16 | uint32(l.b[n+1])<<8 | uint32(l.b[n+2])
	protocol := binary.BigEndian.Uint16(l.b[n+3:])
	const bridged = 0x0080c2 // RFC 2684, RFC 2427: a frame as it was elsewhere
	if oui == bridged {
		switch protocol {
		case 1, 7: // Ethernet, with and without its checksum
			if l.kind == isLLC {
				return l.next(n+5+2, isLink, Ethernet) // two bytes fill up
			}
			return l.next(n+5, isLink, Ethernet)
		}
		return NotIP
	}
	if protocol <= maxLength {
		return NotIP
	}
	return l.next(n+5, isEtherType, uint32(protocol))
}

// mpls goes on behind a label stack (RFC 3032). What lies under it is not told:
// the first half byte is the version of IP, or a pseudowire's control word (RFC
// 4385) with an Ethernet frame behind it, or such a frame itself.
func (l *layer) mpls() Result {
	const bottom = 1
	n := 0
	for {
		if len(l.b) < n+4 {
			return Short
		}
		last := l.b[n+2]&bottom != 0
		n += 4
		if last {
			break
		}
	}
	if n >= len(l.b) {
		return Short
	}
	switch l.b[n] >> 4 {
	case 4, 6:
		return l.next(n, isIP, 0)
	case 0:
		return l.next(n+4, isLink, Ethernet)
	case 1: // a channel beside the traffic: BFD, ...
		return NotIP
	}
	return l.next(n, isLink, Ethernet)
}

// pppLink goes on behind what stands before the protocol of a PPP frame.
func (l *layer) pppLink() Result {
	b := l.b
	switch l.number {
	case linkPPPoE:
		return l.next(6, isPPP, 0)
	case linkPPPDir: // a direction
		return l.next(1, isLink, linkPPP)
	}
	if len(b) < 2 {
		return Short
	}
	switch {
	case l.number == linkPPPD && b[0] <= 1: // a direction in the address's place
		if b[1] == 3 {
			return l.next(2, isPPP, 0)
		}
		return l.next(1, isPPP, 0)
	case (l.number == linkPPPSerial || l.number == linkPPP) && (b[0] == 0x0f || b[0] == 0x8f) && b[1] == 0:
		return l.type16(2) // Cisco's HDLC
	}
	return l.next(0, isPPP, 0)
}

// ppp goes on behind address and control, where they are (RFC 1662), and a protocol
// number, of one byte where it was compressed (RFC 1661).
func (l *layer) ppp() Result {
	if len(l.b) >= 2 && l.b[0] == 0xff && l.b[1] == 3 {
		l.b = l.b[2:]
	}
	if len(l.b) < 2 {
		return Short
	}
	n, protocol := 1, uint16(l.b[0])
	if protocol&1 == 0 {
		n, protocol = 2, binary.BigEndian.Uint16(l.b)
	}
	switch protocol {
	case 0x21, 0x57:
		return l.next(n, isIP, 0)
	case 0x281, 0x283:
		return l.next(n, isMPLS, 0)
	case 0x3d: // multilink, RFC 1990: only what is whole
		if len(l.b) <= n {
			return Short
		}
		if l.b[n]&0xc0 == 0xc0 {
			return l.next(n+4, isPPP, 0)
		}
	case 0x53:
		return Encrypted
	}
	return NotIP
}
