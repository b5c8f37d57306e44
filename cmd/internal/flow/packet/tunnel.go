package packet

import "encoding/binary"

// IsTunnel reports whether the packet carries another: IP in IP, GRE.
func (p *Packet) IsTunnel() bool {
	switch p.Proto {
	case protoIPIP, protoIPv6, protoGRE:
		return p.Has != 0 && !p.IsFragment()
	}
	return false
}

// Inside reads the packet that a tunnel carries, in the place of the outer one.
func (p *Packet) Inside() Result {
	cut := p.Cut
	r := p.inside()
	p.Cut = p.Cut || r == OK && cut
	return r
}

func (p *Packet) inside() Result {
	if p.Proto != protoGRE {
		return p.DissectIP(p.Payload)
	}
	// RFC 2784 and 2890, and PPTP's version 1 with an acknowledgment (RFC 2637).
	b := p.Payload
	if len(b) < 4 {
		return Short
	}
	const checksum, routing, key, sequence = 0x80, 0x40, 0x20, 0x10
	const acknowledgment = 0x80
	n, protocol := 4, uint32(binary.BigEndian.Uint16(b[2:]))
	for _, flag := range []byte{checksum | routing, key, sequence} {
		if b[0]&flag != 0 {
			n += 4
		}
	}
	if b[0]&routing != 0 {
		return NotIP // source routes, which nobody has
	}
	if b[1]&7 == 1 && b[1]&acknowledgment != 0 {
		n += 4
	}
	l := layer{isEtherType, protocol, b}
	switch protocol {
	case 0x88be: // ERSPAN: type I has no sequence number and no header of its own
		if b[0]&sequence != 0 {
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
