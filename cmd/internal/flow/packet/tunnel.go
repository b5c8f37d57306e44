package packet

import "encoding/binary"

// UDP ports of tunnels.
const (
	portGeneve   = 6081
	portVXLAN    = 4789
	portVXLANOld = 8472 // Linux's own
	portTZSP     = 37008
)

// IsTunnel reports whether the packet carries another: IP in IP, GRE with ERSPAN,
// VXLAN, Geneve, TZSP. It believes the ports of the last three only where their
// headers follow.
func (p *Packet) IsTunnel() bool {
	if p.IsFragment() {
		return false
	}
	switch p.Proto {
	case protoIPIP, protoIPv6, protoGRE:
		return true
	case protoUDP:
		_, ok := p.overUDP()
		return ok
	}
	return false
}

// Inside reads the packet that a tunnel carries, in the place of the outer one. It
// is for a packet whose IsTunnel is true.
func (p *Packet) Inside() Result {
	switch p.Proto {
	case protoIPIP, protoIPv6:
		return p.DissectIP(p.Payload)
	case protoGRE:
		return p.gre()
	}
	l, _ := p.overUDP()
	return p.walk(l)
}

// gre reads RFC 2784 and 2890, and PPTP's version 1 with an acknowledgment (RFC
// 2637).
func (p *Packet) gre() Result {
	b := p.Payload
	if len(b) < 4 {
		return Short
	}
	const checksum, routing, key, sequence, version = 0x8000, 0x4000, 0x2000, 0x1000, 0x0007
	const acknowledgment = 0x0080 // of version 1
	flags, protocol, n := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), 4
	if flags&routing != 0 {
		return NotIP // nobody uses it
	}
	for _, flag := range [...]uint16{checksum, key, sequence} {
		if flags&flag != 0 {
			n += 4
		}
	}
	if flags&version == 1 && flags&acknowledgment != 0 {
		n += 4
	}
	l := layer{isEtherType, uint32(protocol), b}
	switch protocol {
	case 0x88be: // ERSPAN: type I has no sequence number and no header of its own
		if flags&sequence != 0 {
			n += 8
		}
		l.kind, l.number = isLink, Ethernet
	case 0x22eb: // ERSPAN type III, with a platform's header where the last bit says so
		if len(b) < n+12 {
			return Short
		}
		if b[n+11]&1 != 0 {
			n += 8
		}
		n += 12
		l.kind, l.number = isLink, Ethernet
	}
	if r := l.next(n, l.kind, l.number); r != OK {
		return r
	}
	return p.walk(l)
}

// overUDP returns what a tunnel's header in UDP announces.
func (p *Packet) overUDP() (layer, bool) {
	if len(p.Payload) < 16 {
		return layer{}, false
	}
	b := p.Payload[8:]
	switch p.DstPort {
	case portVXLAN, portVXLANOld: // RFC 7348: the one flag, and what must be 0
		if b[0] == 8 && b[1]|b[2]|b[3]|b[7] == 0 {
			return layer{isLink, Ethernet, b[8:]}, true
		}
	case portGeneve: // RFC 8926: version 0, options counted in 4 bytes
		n := 8 + 4*int(b[0]&0x3f)
		if b[0]>>6 == 0 && b[1]&0x3f == 0 && b[7] == 0 && n <= len(b) {
			return layer{isEtherType, uint32(binary.BigEndian.Uint16(b[2:])), b[n:]}, true
		}
	case portTZSP: // version 1, Ethernet, tags
		if b[0] == 1 && b[1] <= 1 && b[2] == 0 && b[3] == 1 {
			return tzsp(b[4:])
		}
	}
	return layer{}, false
}

// tzsp skips the tags of TZSP, as MikroTik's sniffer streams it.
func tzsp(b []byte) (layer, bool) {
	const padding, end = 0, 1
	for len(b) > 0 {
		switch b[0] {
		case end:
			return layer{isLink, Ethernet, b[1:]}, true
		case padding:
			b = b[1:]
		default:
			if len(b) < 2 || int(b[1])+2 > len(b) {
				return layer{}, false
			}
			b = b[2+int(b[1]):]
		}
	}
	return layer{}, false
}
