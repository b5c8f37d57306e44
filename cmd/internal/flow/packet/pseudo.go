package packet

import "encoding/binary"

// pseudo takes off the headers that packet filters and tcpdump themselves make up.
func (l *layer) pseudo() Result {
	switch l.number {
	case linkPFLog:
		return l.pflog()
	case linkNFLog:
		return l.nflog()
	case linkPPI: // version, flags, length, then a DLT_, little endian all
		if len(l.b) < 8 {
			return Short
		}
		n := int(binary.LittleEndian.Uint16(l.b[2:]))
		if n < 8 {
			return Malformed
		}
		return l.next(n, isLink, binary.LittleEndian.Uint32(l.b[4:]))
	}
	return l.pktap()
}

// pflog goes on behind the header of pf's log. It begins with its length, which the
// systems fill up to 4 bytes, and the family.
func (l *layer) pflog() Result {
	if len(l.b) < 2 {
		return Short
	}
	n := (int(l.b[0]) + 3) &^ 3
	if n < 28 { // the oldest has this many
		return Malformed
	}
	if !isIPFamily(uint32(l.b[1])) {
		return NotIP
	}
	return l.next(n, isIP, 0)
}

// nflog looks for the packet among the attributes of Linux' netfilter log: family,
// version, resource id, then each with a length and type in the byte order of the
// host, which is told by the first length.
func (l *layer) nflog() Result {
	const header, payload = 4, 9
	if len(l.b) < header {
		return Short
	}
	var order binary.ByteOrder = binary.LittleEndian
	b := l.b[header:]
	if len(b) >= 4 && int(order.Uint16(b)) > len(b) && int(binary.BigEndian.Uint16(b)) <= len(b) {
		order = binary.BigEndian
	}
	for at := header; len(b) >= 4; {
		n, t := int(order.Uint16(b)), order.Uint16(b[2:])&0x7fff
		if n < 4 {
			return Malformed
		}
		if t == payload {
			return l.next(at+4, isIP, 0)
		}
		n = (n + 3) &^ 3
		if n > len(b) {
			break
		}
		at, b = at+n, b[n:]
	}
	return Short
}

// pktap goes on behind macOS's header: its length, what follows (1: a packet) and
// the packet's DLT_, little endian on every Mac of today.
func (l *layer) pktap() Result {
	if len(l.b) < 12 {
		return Short
	}
	n, what := binary.LittleEndian.Uint32(l.b), binary.LittleEndian.Uint32(l.b[4:])
	dlt := binary.LittleEndian.Uint32(l.b[8:])
	switch {
	case n < 12 || n > 1<<16:
		if l.number == linkUser2 { // anybody's link type
			return UnknownLink
		}
		return Malformed
	case what != 1:
		return NotIP
	case int(n) > len(l.b):
		return Short
	}
	return l.next(int(n), isLink, dlt)
}

// wireless takes off the headers of 802.11 and of what drivers put before it.
func (l *layer) wireless() Result {
	b := l.b
	switch l.number {
	case linkRadiotap:
		if len(b) < 4 {
			return Short
		}
		return l.next(int(binary.LittleEndian.Uint16(b[2:])), isLink, IEEE80211)
	case linkAVS:
		if len(b) < 8 {
			return Short
		}
		return l.next(int(min(binary.BigEndian.Uint32(b[4:]), 1<<16)), isLink, IEEE80211)
	case linkPrism: // some drivers write AVS here
		if len(b) < 8 {
			return Short
		}
		if binary.BigEndian.Uint32(b)&0xffff0000 == 0x80210000 {
			return l.next(0, isLink, linkAVS)
		}
		return l.next(144, isLink, IEEE80211)
	}
	if len(b) < 2 {
		return Short
	}
	const typeMask, data, noData, qos = 0x0c, 0x08, 0x40, 0x80
	const bothDS, protected, order = 0x03, 0x40, 0x80
	if b[0]&typeMask != data || b[0]&noData != 0 {
		return NotIP // management, control
	}
	if b[1]&protected != 0 {
		return Encrypted
	}
	n := 24
	if b[1]&bothDS == bothDS {
		n += 6 // a fourth address
	}
	if b[0]&qos != 0 {
		n += 2
		if b[1]&order != 0 {
			n += 4 // HT control
		}
	}
	return l.next(n, isLLC, 0)
}
