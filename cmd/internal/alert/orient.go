package alert

import "github.com/flowhound/flowhound/cmd/internal/flow"

// IANA protocol numbers that are treated apart.
const (
	protoTCP     = 6
	protoUDP     = 17
	protoDCCP    = 33
	protoICMPv6  = 58
	protoSCTP    = 132
	protoUDPLite = 136
)

// orient says whether the record's source opened the conversation. When nothing
// in the record tells, told is false and the source, who is seen to send, is
// taken for the opener: true of the first record of a conversation. seen is false
// also where the ports alone tell, who can be wrong.
func (p *Policy) orient(r *flow.Record) (srcOpened, told, seen bool) {
	if srcOpened, told = byExporter(r); told {
		return srcOpened, true, true
	}
	switch {
	case flow.IsICMP(r.Proto):
		srcOpened, told = byICMP(r)
	case r.Proto == protoTCP:
		srcOpened, told = byFlags(r.TCPFlags)
		if !told && r.Has&flow.HasRevTCPFlags != 0 {
			srcOpened, told = byFlags(r.RevTCPFlags)
			srcOpened = !srcOpened
		}
	}
	if !told && bothWays(r) {
		srcOpened, told = true, true // a meter of both directions turns them by the first packet
	}
	seen = told
	if !told && hasPorts(r) {
		srcOpened, told = p.byPorts(r.SrcPort, r.DstPort)
	}
	return srcOpened || !told, told, seen
}

// bothWays reports whether one record tells of both directions of a conversation
// (RFC 5103), so that its source is who sent the first packet. An exporter that says
// that it turns records by something else is not among them.
func bothWays(r *flow.Record) bool {
	return r.Has&flow.HasReverse != 0 && r.Has&flow.HasDirection == 0 && r.Has&flow.HasFirewall == 0 &&
		r.Packets > 0 && r.RevPackets > 0
}

// byExporter believes an exporter that has seen the conversation being opened:
// a biflow meter (RFC 5103 section 6.3) or a firewall.
func byExporter(r *flow.Record) (srcOpened, told bool) {
	if r.Has&flow.HasDirection != 0 {
		switch r.Direction {
		case flow.BiflowInitiator:
			return true, true
		case flow.BiflowReverseInitiator:
			return false, true
		}
	}
	if r.Has&flow.HasFirewall == 0 || r.Firewall == flow.FirewallIgnore {
		return false, false
	}
	// NSEL records run from initiator to responder: they count both ways, or
	// nothing. Other firewalls send the element with one-way counters, of
	// either side.
	return true, r.Firewall == flow.FirewallDenied || r.Has&flow.HasReverse != 0 || r.Has&flow.HasBytes == 0
}

// byFlags reads the flags of all the packets that one side sent.
func byFlags(flags uint16) (opened, told bool) {
	switch flags & (flow.FIN | flow.SYN | flow.RST | flow.PSH | flow.ACK) {
	case flow.SYN, flow.SYN | flow.RST: // the latter broke off before the handshake's end
		return true, true
	case flow.RST, flow.RST | flow.ACK, flow.SYN | flow.ACK:
		return false, true
	}
	return false, false
}

func byICMP(r *flow.Record) (opened, told bool) {
	if r.Has&flow.HasICMP == 0 {
		return false, false
	}
	switch kindOfICMP(r) {
	case icmpRequest:
		return true, true
	case icmpReply, icmpError:
		return false, true
	}
	return false, false
}

// byPorts takes the side with the service port for the one that was called.
func (p *Policy) byPorts(src, dst uint16) (srcOpened, told bool) {
	if s, d := p.isService(src), p.isService(dst); s != d {
		return d, true
	}
	return dst < src, dst != src
}

type icmpKind uint8

const (
	icmpOther icmpKind = iota
	icmpRequest
	icmpReply
	icmpError
)

// kindOfICMP follows RFC 792, 950 and 1122 section 3.2.2, and RFC 4443, whose
// errors are all below 128.
func kindOfICMP(r *flow.Record) icmpKind {
	if r.Proto == protoICMPv6 {
		switch {
		case r.ICMPType < 128:
			return icmpError
		case r.ICMPType == 128:
			return icmpRequest
		case r.ICMPType == 129:
			return icmpReply
		}
		return icmpOther
	}
	switch r.ICMPType {
	case 8, 13, 15, 17: // echo, timestamp, information, address mask
		return icmpRequest
	case 0, 14, 16, 18:
		return icmpReply
	case 3, 4, 5, 11, 12: // unreachable, quench, redirect, time exceeded, parameter
		return icmpError
	}
	return icmpOther
}

// hasPorts reports whether the record's ports are ports: NetFlow v5 sends the
// fields for every protocol.
func hasPorts(r *flow.Record) bool {
	if r.Has&flow.HasPorts == 0 {
		return false
	}
	switch r.Proto {
	case protoTCP, protoUDP, protoDCCP, protoSCTP, protoUDPLite:
		return true
	}
	return false
}
