// Package packet reads the headers of one packet, from the link layer to the ports,
// in a capture or in the piece of a packet that an exporter sends instead of a flow
// record (PSAMP's packet sections, sFlow's raw headers).
//
// It follows what stands before IP on real links: VLAN and other tags, MPLS, PPP and
// PPPoE, LLC and SNAP, the pseudo-headers of packet filters and of tcpdump. It keeps
// nothing from one packet to the next, allocates nothing, and reads nothing behind
// the ports. Every length in a packet is outside input: it is held against the bytes
// that are there, and the number of headers is bounded.
package packet

import "github.com/flowhound/flowhound/cmd/internal/flow"

// Packet is what the headers of an IP packet say.
type Packet struct {
	Src, Dst flow.Addr

	// Has tells which of the fields below were there: HasProto, HasToS, HasPorts,
	// HasTCPFlags, HasICMP.
	Has                flow.Fields
	SrcPort, DstPort   uint16 // TCP, UDP, UDP-Lite, SCTP, DCCP
	TCPFlags           uint16
	Proto              uint8 // of the transport, behind IPv6's extension headers
	ToS                uint8
	ICMPType, ICMPCode uint8

	// Length is the length of the IP packet in bytes, as its header says. 0: the
	// header says 0, as in packets that the sending host's network card was to cut
	// into segments, and in jumbograms (RFC 2675).
	Length int
	// Payload is what follows the headers of IP, as far as it is there and as Length
	// allows. It lies within the bytes that were dissected.
	Payload []byte
	// Missing is how many bytes of the packet, by Length, are not there.
	Missing int

	Fragment Fragment
}

// Fragment is what an IP fragment says of its packet. It is zero for a whole packet.
type Fragment struct {
	ID     uint32
	Offset int    // of Data in the whole packet's payload, bytes
	More   bool   // others follow
	Proto  uint8  // what the whole payload begins with: a transport, or an extension header of IPv6
	Data   []byte // the piece
}

// IsFragment reports whether the packet is a piece of another.
func (p *Packet) IsFragment() bool { return p.Fragment.More || p.Fragment.Offset > 0 }

// Result says how far a packet could be read.
type Result uint8

// The results.
const (
	OK          Result = iota // an IP header was read; ports may still be missing
	NotIP                     // another protocol: ARP, STP, LLDP, a PPP control packet, ...
	Encrypted                 // MACsec, a protected 802.11 frame
	Short                     // the bytes end before the addresses do
	Malformed                 // a header contradicts itself
	UnknownLink               // no way is known to read this link layer
	NumResults  = iota
)

// maxLayers bounds the headers before IP. A service provider's frame with two VLAN
// tags, PBB, MPLS, a pseudowire and PPPoE has ten.
const maxLayers = 24

// Dissect reads a packet that begins with the header of a link layer, a LINKTYPE_
// value of www.tcpdump.org/linktypes.html. p is overwritten; unless the result is OK
// it means nothing. It costs some 20 ns for an Ethernet frame with TCP.
func (p *Packet) Dissect(link uint32, b []byte) Result {
	return p.walk(layer{isLink, link, b})
}

// DissectMPLS reads a packet that begins with a label stack.
func (p *Packet) DissectMPLS(b []byte) Result { return p.walk(layer{isMPLS, 0, b}) }

// kind says what the bytes of a layer are.
type kind uint8

const (
	isLink      kind = iota // the header of a link layer, number is a LINKTYPE_
	isEtherType             // what number, an EtherType, says
	isLLC
	isPPP
	isMPLS
	isIP
)

// layer is what is left of a packet, and what it begins with.
type layer struct {
	kind   kind
	number uint32
	b      []byte
}

// next goes on behind n bytes.
func (l *layer) next(n int, kind kind, number uint32) Result {
	if n > len(l.b) {
		return Short
	}
	l.kind, l.number, l.b = kind, number, l.b[n:]
	return OK
}

func (p *Packet) walk(l layer) Result {
	for range maxLayers {
		var r Result
		switch l.kind {
		case isLink:
			r = l.link()
		case isEtherType:
			r = l.etherType()
		case isLLC:
			r = l.llc()
		case isPPP:
			r = l.ppp()
		case isMPLS:
			r = l.mpls()
		case isIP:
			return p.DissectIP(l.b)
		}
		if r != OK {
			return r
		}
	}
	return Malformed
}
