package netflow

import (
	"encoding/binary"
	"math"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// run executes ops on the record at the given offset of m.buf.
func (m *message) run(ops program, at int, r *flow.Record) {
	buf := m.buf // a local, because the compiler must take every store to r for one to what m points to
	for i := range ops {
		o := &ops[i]
		end := at + int(o.end)
		v := binary.BigEndian.Uint64(buf[end-8:end]) & o.mask
		switch o.kind {
		case kindSrc:
			setIPv4(&r.Src, v)
		case kindSrc6:
			setIPv6(&r.Src, buf[end-16:end])
		case kindDst:
			setIPv4(&r.Dst, v)
		case kindDst6:
			setIPv6(&r.Dst, buf[end-16:end])
		case kindNATSrc:
			setIPv4(&r.NATSrc, v)
		case kindNATSrc6:
			setIPv6(&r.NATSrc, buf[end-16:end])
		case kindNATDst:
			setIPv4(&r.NATDst, v)
		case kindNATDst6:
			setIPv6(&r.NATDst, buf[end-16:end])
		case kindSrcPort:
			setFirst(&r.SrcPort, v)
		case kindDstPort:
			setFirst(&r.DstPort, v)
		case kindNATSrcPort:
			setFirst(&r.NATSrcPort, v)
		case kindNATDstPort:
			setFirst(&r.NATDstPort, v)
		case kindProto:
			setFirst(&r.Proto, v)
		case kindToS:
			setFirst(&r.ToS, v)
		case kindInIf:
			setFirst(&r.InIf, v)
		case kindOutIf:
			setFirst(&r.OutIf, v)
		case kindSrcAS:
			setFirst(&r.SrcAS, v)
		case kindDstAS:
			setFirst(&r.DstAS, v)
		case kindBytes:
			setFirst(&r.Bytes, v)
		case kindPackets:
			setFirst(&r.Packets, v)
		case kindRevBytes:
			setFirst(&r.RevBytes, v)
		case kindRevPackets:
			setFirst(&r.RevPackets, v)
		case kindTCPFlags:
			r.TCPFlags |= uint16(v)
		case kindRevTCPFlags:
			r.RevTCPFlags |= uint16(v)
		case kindICMP:
			setFirst(&r.ICMPType, v>>8)
			setFirst(&r.ICMPCode, v)
		case kindEndSecond:
			setFirst(&r.End, v*1e9)
		case kindEndMilli:
			setFirst(&r.End, v*1e6)
		case kindEndNTP:
			setFirst(&r.End, uint64(unixFromNTP(v)))
		case kindEndUptime:
			m.assumeUptime(r, v)
			setFirst(&r.End, uint64(m.atUptimeOrUnix(v)))
		case kindStartSecond:
			setFirst(&r.Start, v*1e9)
		case kindStartMilli:
			setFirst(&r.Start, v*1e6)
		case kindStartNTP:
			setFirst(&r.Start, uint64(unixFromNTP(v)))
		case kindStartUptime:
			m.assumeUptime(r, v)
			setFirst(&r.Start, uint64(m.atUptimeOrUnix(v)))
		case kindSampler:
			m.extras.sampler, m.extras.hasSampler = v, true
		case kindInterval:
			setFirst(&m.extras.interval, v)
		default:
			m.runRare(o, end, v, r)
		}
	}
}

// runRare executes the ops that few templates have. Apart, they leave run small: it is
// a fifth slower with all of them.
func (m *message) runRare(o *op, end int, v uint64, r *flow.Record) {
	switch o.kind {
	case kindSrcPrefix:
		if m.rarities.srcMask.hasHost4(v) {
			setIPv4(&r.Src, v)
		}
	case kindSrcPrefix6:
		if b := m.buf[end-16 : end]; m.rarities.srcMask.hasHost6(b) {
			setIPv6(&r.Src, b)
		}
	case kindDstPrefix:
		if m.rarities.dstMask.hasHost4(v) {
			setIPv4(&r.Dst, v)
		}
	case kindDstPrefix6:
		if b := m.buf[end-16 : end]; m.rarities.dstMask.hasHost6(b) {
			setIPv6(&r.Dst, b)
		}
	case kindDSCP:
		setFirst(&r.ToS, v<<2)
	case kindOutBytes:
		setFirst(&m.outBytes, v)
	case kindOutPackets:
		setFirst(&m.outPackets, v)
	case kindFrameBytes:
		setFrameBytes(r, &r.Bytes, v)
	case kindRevFrameBytes:
		setFrameBytes(r, &r.RevBytes, v)
	case kindICMPType:
		setFirst(&r.ICMPType, v)
	case kindICMPCode:
		setFirst(&r.ICMPCode, v)
	case kindFirewall:
		setFirst(&r.Firewall, v)
	case kindFirewallExt:
		setFirst(&r.Firewall, uint64(firewallEvent(v)))
	case kindDirection:
		setFirst(&r.Direction, v)
	case kindIPSection, kindPayloadSection, kindFrameSection, kindLabelSection:
		if m.section.kind == kindNone {
			m.section.kind, m.section.at, m.section.length = o.kind, end-int(o.mask), int(o.mask)
		}
	case kindFrameSize:
		setFirst(&m.section.frame, v)
	case kindFrameType:
		setFirst(&m.section.link, v)
	case kindSectionOffset:
		setFirst(&m.section.offset, v)
	case kindBasicList, kindSubList, kindMultiList:
		m.found = append(m.found, span{kind: o.kind, from: end - int(o.mask), to: end})
	case kindStarted:
		m.extras.started = v
		m.startedAt(v)
	case kindEndDelta:
		setFirst(&r.End, uint64(m.export)-v*1e3)
	case kindStartDelta:
		setFirst(&r.Start, uint64(m.export)-v*1e3)
	case kindDurationMilli:
		setDuration(r, v*1e6)
	case kindDurationMicro:
		setDuration(r, v*1e3)
	case kindSampled:
		setFirst(&m.extras.sampled, v)
	case kindSkipped:
		setFirst(&m.extras.skipped, v)
	case kindPopulation:
		setFirst(&m.extras.population, v)
	case kindSequence:
		m.rarities.sequence = v
	case kindLineCard:
		m.rarities.lineCard = v + 1
	case kindProbability:
		m.rarities.probability = math.Float64frombits(v)
	case kindProbability4:
		m.rarities.probability = float64(math.Float32frombits(uint32(v)))
	case kindSrcMask:
		m.rarities.srcMask = mask{uint8(min(v, 128)), true}
	case kindDstMask:
		m.rarities.dstMask = mask{uint8(min(v, 128)), true}
	default:
		m.told.set(o.kind, v, r)
	}
}

// setFirst sets a field unless an element before this one did.
func setFirst[T ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~int64](field *T, v uint64) {
	if *field == 0 {
		*field = T(v)
	}
}

// setIPv4 sets an address unless an element before this one did.
func setIPv4(a *flow.Addr, v uint64) {
	if a.IsUnspecified() {
		*a = flow.Addr4(uint32(v))
	}
}

// setIPv6 sets an address unless it is there already (of a dual-stack record),
// or b is "::".
func setIPv6(a *flow.Addr, b []byte) {
	if v6 := flow.AddrFrom16(b); a.IsUnspecified() && v6 != (flow.Addr{}) {
		*a = v6
	}
}

// setFrameBytes sets a counter to octets of layer 2, and says so.
func setFrameBytes(r *flow.Record, field *uint64, v uint64) {
	if *field == 0 && v != 0 {
		*field = v
		r.Has |= flow.HasLayer2
	}
}

// mask is the mask that stands beside the address of a network. What is aggregated
// by network may be any of its hosts: an address with nothing behind the mask is
// nobody's, unless the mask leaves no room or was not sent.
type mask struct {
	bits uint8
	sent bool
}

func (k mask) hasHost4(v uint64) bool {
	return !k.sent || k.bits >= 32 || v&(1<<(32-k.bits)-1) != 0
}

func (k mask) hasHost6(b []byte) bool {
	a := flow.AddrFrom16(b)
	switch {
	case !k.sent || k.bits >= 128:
		return true
	case k.bits >= 64:
		return a.Lo&(1<<(128-k.bits)-1) != 0
	}
	return a.Lo != 0 || a.Hi&(1<<(64-k.bits)-1) != 0
}

// settle draws the conclusions that need more than one field.
func (m *message) settle(t *template, r *flow.Record) {
	switch {
	case t.hasICMP && r.Has&flow.HasProto != 0 && !flow.IsICMP(r.Proto):
		// One template for all protocols: the elements mean nothing here.
		r.Has &^= flow.HasICMP
		r.ICMPType, r.ICMPCode = 0, 0
	case !t.hasICMP && flow.IsICMP(r.Proto) && r.Has&flow.HasPorts != 0 && r.SrcPort == 0:
		// As in v5, some exporters put type and code in the destination port.
		r.ICMPType, r.ICMPCode = uint8(r.DstPort>>8), uint8(r.DstPort)
		r.Has |= flow.HasICMP
	}
	if r.NATSrc.IsUnspecified() {
		r.Has &^= flow.HasNATSrc
	}
	if r.NATDst.IsUnspecified() {
		r.Has &^= flow.HasNATDst
	}
}

// firewallEvent maps the extended event of Cisco ASA: 1001 to 1999 say why a
// flow was denied, 2001 to 2999 why it ended.
func firewallEvent(extended uint64) flow.FirewallEvent {
	switch extended / 1000 {
	case 1:
		return flow.FirewallDenied
	case 2:
		return flow.FirewallDeleted
	}
	return flow.FirewallIgnore
}
