package pcap

import (
	"encoding/binary"

	"github.com/flowhound/flowhound/cmd/internal/flow/packet"
)

// IANA protocol numbers.
const (
	protocolTCP  = 6
	protocolUDP  = 17
	protocolIPv6 = 41
	protocolIPIP = 4
	protocolGRE  = 47
	protocolESP  = 50
	protocolSCTP = 132
)

// isExtension knows the extension headers of IPv6 that can stand before UDP.
func isExtension(protocol uint8) bool {
	switch protocol {
	case 0, 43, 44, 51, 60, 135, 139, 140:
		return true
	}
	return false
}

// mayHoldUDP reports whether a fragment may be one of a UDP datagram.
func mayHoldUDP(protocol uint8) bool {
	switch protocol {
	case protocolUDP, protocolIPv6, protocolIPIP, protocolGRE:
		return true
	}
	return isExtension(protocol)
}

// Link types of captures of all interfaces at once (tcpdump -i any).
const (
	linkSLL  = 113
	linkSLL2 = 276
)

// maxTunnels bounds tunnels in tunnels, and fragments in them.
const maxTunnels = 8

// held is no reason to leave a packet out: a fragment of it waits for the others.
const held Reason = NumReasons

// unwrap takes a packet apart, to r.packet, until there is neither a fragment nor a
// tunnel. It is false, with the reason, for one that goes no further.
func (r *Reader) unwrap(f frame) (Reason, bool) {
	p := &r.packet
	result := p.Dissect(f.link, f.data)
	for range maxTunnels {
		switch {
		case result != packet.OK:
			return reasons[result], false
		case p.IsFragment():
			if !mayHoldUDP(p.Fragment.Proto) {
				return otherProtocol(p.Fragment.Proto), false
			}
			whole, taken, lost := r.fragments.join(p, f.time)
			r.stats.Left[FragmentLost] += lost
			if !whole {
				return held, false
			}
			r.stats.Joined += taken - 1
		case p.IsTunnel():
			if f.link == linkSLL || f.link == linkSLL2 {
				return Tunnel, false
			}
			result = p.Inside()
		default:
			return 0, true
		}
	}
	return Malformed, false
}

// reasons are those of the dissector.
var reasons = [packet.NumResults]Reason{
	packet.NotIP: NotIP, packet.Encrypted: Encrypted, packet.Short: Short, packet.Malformed: Malformed, packet.UnknownLink: UnknownLink,
}

func otherProtocol(protocol uint8) Reason {
	switch protocol {
	case protocolTCP:
		return TCP
	case protocolSCTP:
		return SCTP
	case protocolESP:
		return Encrypted
	}
	return NotUDP
}

// udp reads the UDP header (RFC 768) of a packet. Its length tells where the datagram
// ends; where the capture was cut, less is there.
func udp(p *packet.Packet, cut bool) (payload []byte, short bool, reason Reason, ok bool) {
	b := p.Payload
	cut = cut || p.Missing > 0
	if p.Proto != protocolUDP && !isExtension(p.Proto) {
		return nil, false, otherProtocol(p.Proto), false
	}
	if len(b) < 8 || p.Proto != protocolUDP {
		if cut {
			return nil, false, Short, false
		}
		return nil, false, Malformed, false
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length == 0 && p.Length == 0 { // to be cut into segments later, as IP's length
		length = len(b)
	}
	if length < 8 || length > len(b) && !cut {
		return nil, false, Malformed, false
	}
	return b[8:min(length, len(b))], length > len(b), 0, true
}
