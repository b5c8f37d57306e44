package packet

import (
	"encoding/binary"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// IANA protocol numbers.
const (
	protoHopByHop = 0
	protoICMP     = 1
	protoIPIP     = 4
	protoTCP      = 6
	protoUDP      = 17
	protoDCCP     = 33
	protoIPv6     = 41
	protoRouting  = 43
	protoFragment = 44
	protoGRE      = 47
	protoAH       = 51
	protoICMPv6   = 58
	protoOptions  = 60
	protoSCTP     = 132
	protoMobility = 135
	protoUDPLite  = 136
	protoHIP      = 139
	protoShim6    = 140
)

// DissectIP reads a packet that begins with the header of IPv4 (RFC 791) or IPv6
// (RFC 8200), as Dissect does.
func (p *Packet) DissectIP(b []byte) Result {
	*p = Packet{}
	if len(b) == 0 {
		return Short
	}
	switch b[0] >> 4 {
	case 4:
		return p.ipv4(b)
	case 6:
		return p.ipv6(b)
	}
	return Malformed
}

func (p *Packet) ipv4(b []byte) Result {
	header := int(b[0]&0xf) * 4
	switch {
	case header < 20:
		return Malformed
	case len(b) < 20:
		return Short
	}
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total != 0 && total < header {
		return Malformed
	}
	p.Src = flow.Addr4(binary.BigEndian.Uint32(b[12:]))
	p.Dst = flow.Addr4(binary.BigEndian.Uint32(b[16:]))
	p.ToS, p.Proto = b[1], b[9]
	p.Has = flow.HasProto | flow.HasToS
	payload := p.within(b, header, total)

	const more, offset = 0x2000, 0x1fff
	if f := binary.BigEndian.Uint16(b[6:]); f&(more|offset) != 0 {
		p.Fragment = Fragment{
			ID: uint32(binary.BigEndian.Uint16(b[4:])), Offset: int(f&offset) * 8, More: f&more != 0, Proto: p.Proto, Data: payload,
		}
	}
	return p.Transport(p.Proto, payload)
}

func (p *Packet) ipv6(b []byte) Result {
	const header = 40
	if len(b) < header {
		return Short
	}
	p.Src, p.Dst = flow.AddrFrom16(b[8:]), flow.AddrFrom16(b[24:])
	p.ToS = b[0]<<4 | b[1]>>4
	p.Has = flow.HasToS
	total := int(binary.BigEndian.Uint16(b[4:]))
	if total != 0 {
		total += header
	}
	return p.Transport(b[6], p.within(b, header, total))
}

// within returns what follows a header within the packet's own length, behind
// which Ethernet fills up short frames.
func (p *Packet) within(b []byte, header, total int) []byte {
	p.Length = total
	p.Missing = max(0, total-len(b))
	if total != 0 {
		b = b[:min(total, len(b))]
	}
	return b[min(header, len(b)):]
}

// Transport reads the payload of an IP packet, which begins with proto: extension
// headers of IPv6, then the ports. It is for a payload that was put together of
// fragments; Dissect calls it for all others. A payload that ends early gives what
// is there, and is no error: the addresses are known.
func (p *Packet) Transport(proto uint8, b []byte) Result {
	for {
		n := 0
		switch proto {
		case protoHopByHop, protoRouting, protoOptions, protoMobility, protoHIP, protoShim6:
			if len(b) >= 2 {
				n = 8 + int(b[1])*8
			}
		case protoAH: // RFC 4302
			if len(b) >= 2 {
				n = 8 + int(b[1])*4
			}
		case protoFragment:
			n = 8
			if len(b) >= n {
				p.fragment(b)
			}
		default:
			p.ports(proto, b)
			return OK
		}
		// A later fragment does not begin with a header.
		if n == 0 || n > len(b) || p.Fragment.Offset > 0 {
			if p.Fragment.Offset > 0 {
				proto, b = p.Fragment.Proto, p.Fragment.Data
			}
			p.Proto, p.Payload = proto, b
			p.Has |= flow.HasProto
			return OK
		}
		proto, b = b[0], b[n:]
	}
}

// fragment reads the fragment header of IPv6. One that is the whole packet (RFC
// 6946) leaves no trace.
func (p *Packet) fragment(b []byte) {
	const more, offset = 1, 0xfff8
	if f := binary.BigEndian.Uint16(b[2:]); f&(more|offset) != 0 {
		p.Fragment = Fragment{
			ID: binary.BigEndian.Uint32(b[4:]), Offset: int(f & offset), More: f&more != 0, Proto: b[0], Data: b[8:],
		}
	}
}

// ports reads the header of a transport.
func (p *Packet) ports(proto uint8, b []byte) {
	p.Proto, p.Payload = proto, b
	p.Has |= flow.HasProto
	if p.Fragment.Offset > 0 {
		return
	}
	switch proto {
	case protoTCP, protoUDP, protoSCTP, protoDCCP, protoUDPLite:
		if len(b) < 4 {
			return
		}
		p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		p.Has |= flow.HasPorts
		if proto == protoTCP && len(b) >= 14 {
			p.TCPFlags = binary.BigEndian.Uint16(b[12:]) & 0x0fff
			p.Has |= flow.HasTCPFlags
		}
	case protoICMP, protoICMPv6:
		if len(b) >= 2 {
			p.ICMPType, p.ICMPCode = b[0], b[1]
			p.Has |= flow.HasICMP
		}
	}
}
