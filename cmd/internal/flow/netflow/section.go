package netflow

import (
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/flow/packet"
)

// section is what a record says of one sampled packet, in the place of a flow: a
// piece of the packet, from its link layer or its IP header on (PSAMP, RFC 5477;
// Junos inline monitoring, Cisco NCS, NetFlow-Lite).
type section struct {
	at, length int  // of the piece in message.buf
	kind       kind // what it begins with; kindNone: there is none
	frame      uint64
	offset     uint64 // of the piece in the packet
	link       uint64 // element 408
}

// maxSection is how many bytes of a piece are looked at. No stack of headers is
// longer.
const maxSection = 1024

// applySection takes from the packet what the record does not say itself.
func (m *message) applySection(r *flow.Record) {
	s := &m.section
	if s.kind == kindNone || s.offset != 0 {
		return
	}
	b := m.buf[s.at : s.at+min(s.length, maxSection)]
	var p packet.Packet
	switch s.kind {
	case kindIPSection:
		if p.DissectIP(b) != packet.OK {
			return
		}
	case kindLabelSection: // some send what the labels carry, as 317
		if p.DissectMPLS(b) != packet.OK && p.DissectIP(b) != packet.OK {
			return
		}
	case kindFrameSection:
		link := uint32(packet.Ethernet)
		if s.link == 2 {
			link = packet.IEEE80211
		}
		if p.Dissect(link, b) != packet.OK {
			return
		}
	case kindPayloadSection: // only what the record says itself tells what this is
		if r.Has&flow.HasProto == 0 {
			return
		}
		p.Transport(r.Proto, b)
	}
	fill(r, &p)
	if s.kind != kindPayloadSection {
		countPacket(r, uint64(p.Length), s.frame)
	}
}

// fill gives r what the packet says and r does not.
func fill(r *flow.Record, p *packet.Packet) {
	if r.Src.IsUnspecified() && r.Dst.IsUnspecified() {
		r.Src, r.Dst = p.Src, p.Dst
	}
	has := p.Has &^ r.Has
	if has&flow.HasPorts != 0 {
		r.SrcPort, r.DstPort = p.SrcPort, p.DstPort
	}
	if has&flow.HasTCPFlags != 0 {
		r.TCPFlags = p.TCPFlags
	}
	if has&flow.HasProto != 0 {
		r.Proto = p.Proto
	}
	if has&flow.HasToS != 0 {
		r.ToS = p.ToS
	}
	if has&flow.HasICMP != 0 {
		r.ICMPType, r.ICMPCode = p.ICMPType, p.ICMPCode
	}
	r.Has |= has
}

// countPacket counts the packet: its length as IP says, else the frame's.
func countPacket(r *flow.Record, length, frame uint64) {
	if length == 0 && frame > 0 && r.Has&flow.HasBytes == 0 {
		length = frame
		r.Has |= flow.HasLayer2
	}
	if r.Has&flow.HasPackets == 0 {
		r.Packets = 1
		r.Has |= flow.HasPackets
	}
	if r.Has&flow.HasBytes == 0 && length > 0 {
		r.Bytes = length
		r.Has |= flow.HasBytes
	}
}
