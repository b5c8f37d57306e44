package netflow

import (
	"encoding/binary"
	"math"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// kind says what an op does with the field it loads.
type kind uint8

const (
	kindNone kind = iota

	// Addresses; each is followed by its IPv6 form.
	kindSrc
	kindSrc6
	kindDst
	kindDst6
	kindNATSrc
	kindNATSrc6
	kindNATDst
	kindNATDst6
	kindSrcPrefix
	kindSrcPrefix6
	kindDstPrefix
	kindDstPrefix6

	kindSrcPort
	kindDstPort
	kindNATSrcPort
	kindNATDstPort
	kindProto
	kindToS
	kindDSCP
	kindInIf
	kindOutIf
	kindBytes
	kindPackets
	kindRevBytes
	kindRevPackets
	kindFrameBytes
	kindRevFrameBytes
	kindOutBytes // beside kindBytes, see OutBytes
	kindOutPackets
	kindTCPFlags
	kindRevTCPFlags
	kindICMP
	kindICMPType
	kindICMPCode
	kindFirewall
	kindFirewallExt
	kindDirection

	// A sampled packet: what is there of it, and what is said of it.
	kindIPSection
	kindPayloadSection
	kindFrameSection
	kindLabelSection
	kindFrameSize
	kindFrameType
	kindSectionOffset

	// Structured data.
	kindBasicList
	kindSubList
	kindMultiList
	kindSubRecords // no element: a part of kindMultiList

	// Times.
	kindStarted // when the exporter started, Unix ms
	kindEndSecond
	kindEndMilli
	kindEndNTP
	kindEndDelta
	kindEndUptime
	kindStartSecond
	kindStartMilli
	kindStartNTP
	kindStartDelta
	kindStartUptime
	kindDurationMilli
	kindDurationMicro

	// What goes to extras.
	kindSampler
	kindSequence
	kindLineCard
	kindInterval
	kindSampled
	kindSkipped
	kindPopulation
	kindProbability
	kindProbability4 // in 4 bytes
	kindSrcMask
	kindDstMask

	// What counts in options records only, and goes to told.
	kindTemplate
	kindDomain
	kindScopeInterface
	kindHashMin
	kindHashMax
	kindChosenMin
	kindChosenMax
	kindObserved
	kindSelected
	numKinds = iota
)

func (k kind) isAddress() bool { return k >= kindSrc && k <= kindDstPrefix6 }

// isPrefix reports whether the field is a network's address, which needs its mask.
func (k kind) isPrefix() bool { return k >= kindSrcPrefix && k <= kindDstPrefix6 }

// isHeader reports whether the field stands in the headers of a packet, of which a
// tunnel has several.
func (k kind) isHeader() bool {
	return k.isAddress() || k >= kindSrcPort && k <= kindDSCP || k >= kindTCPFlags && k <= kindICMPCode
}

// isSection reports whether the field is a piece of a packet, isPacket whether it
// speaks of one.
func (k kind) isSection() bool { return k >= kindIPSection && k <= kindLabelSection }
func (k kind) isPacket() bool  { return k >= kindIPSection && k <= kindSectionOffset }

// isList reports whether the field is a list.
func (k kind) isList() bool { return k >= kindBasicList && k <= kindMultiList }

// isTold reports whether the field counts in options records only.
func (k kind) isTold() bool { return k >= kindTemplate }

// isRare reports whether the field is one of rarities.
func (k kind) isRare() bool {
	return k == kindSequence || k == kindLineCard || k == kindProbability || k == kindSrcMask || k == kindDstMask
}

// isExtra reports whether the field is no part of a flow.
func (k kind) isExtra() bool { return k >= kindSampler || k == kindStarted }

// IANA protocol numbers.
const (
	protoICMP   = 1
	protoICMPv6 = 58
)

// data reads a data set between two offsets of m.buf. At least 8 bytes stand
// before it, so that the ops can load.
func (m *message) data(k *known, from, to int) {
	switch {
	case k.length == 0:
		m.fail(EmptyRecord)
		m.unread = true
	case k.options:
		m.optionRecords(k.template, from, to)
	default:
		m.flowRecords(k, from, to, nil)
	}
}

// flowRecords appends the records of a set. What is left at its end and is zero, or
// shorter than a record and than a word, is padding; with a tail that is not zero the
// records are read once more, each of them under suspicion.
func (m *message) flowRecords(k *known, from, to int, tail []byte) {
	sampled := m.sampled(k)
	base, read := m.base(k.has, sampled.unnamed), m.records
	m.check.begin(k, tail)
	var end int
	var out []flow.Record
	m.addressless, m.guessed = 0, 0
	if k.layout == nil && !k.special && !k.lists && !sampled.interfaces && !sampled.guessed {
		out, end = m.plainRecords(k.template, base, from, to)
	} else {
		out, end = m.specialRecords(k, base, from, to, sampled)
	}
	if !k.odd && !m.releasing {
		switch b := m.buf[end:to]; {
		case tail == nil && len(b) > 0 && k.layout == nil && !m.cut && !allZero(b):
			m.records = read
			m.flowRecords(k, from, to, b)
			return
		case m.check.refuses(tail):
			m.records = read
			m.withoutTemplate(k.id, from, to)
			return
		}
	}
	m.out.Records = out
	if m.addressless > 0 {
		m.exporter.stats.addressless.Add(m.addressless)
	}
	if m.guessed > 0 {
		m.countGuessed(sampled.unnamed, m.guessed)
	}
}

// plainRecords reads records that hold flows and nothing else, which are most. It
// returns where they end. A loop of its own keeps it in the processor's registers.
func (m *message) plainRecords(t *template, base flow.Record, from, to int) ([]flow.Record, int) {
	out, look, at := m.out.Records, true, from
	for ; to-at >= t.length; at += t.length {
		m.records++
		out = append(out, base)
		r := &out[len(out)-1]
		m.run(t.ops, at, r)
		if r.Has&needSettling != 0 || !t.hasICMP && isICMP(r) {
			m.settle(t, r)
		}
		if look {
			look = m.check.see(m.impossible(r))
		}
		m.clampTimes(r)
		if !hasAddress(r) { // then there is nothing to look up: Cisco's wireless controllers send such
			m.addressless++
			out = out[:len(out)-1]
		}
	}
	return out, at
}

const needSettling = flow.HasICMP | flow.HasFirewall | flow.HasNATSrc | flow.HasNATDst

// specialRecords reads records that have fields of variable length or lists, or say
// something beside the flow.
func (m *message) specialRecords(k *known, base flow.Record, from, to int, sampled *rates) ([]flow.Record, int) {
	t, out, look, at := k.template, m.out.Records, true, from
	ops, size := t.ops, t.length
	for ; to-at >= t.length; at += size {
		if t.layout != nil {
			var ok bool
			if ops, size, ok = m.variable(t, at, to); !ok {
				m.check.torn = !m.cut
				break
			}
		}
		m.records++
		out = append(out, base)
		r := &out[len(out)-1]
		if t.extras {
			m.extras = extras{}
		}
		if t.rare {
			m.clearRare(t)
		}
		m.run(ops, at, r)
		if t.out {
			m.applyOut(r)
		}
		if m.sampleRecord(r, k, sampled) {
			m.guessed++
		}
		if t.sections {
			m.applySection(r)
		}
		if t.lists {
			out = m.lists(t, out)
			continue
		}
		if r.Has&needSettling != 0 || !t.hasICMP && isICMP(r) {
			m.settle(t, r)
		}
		if look {
			look = m.check.see(m.impossible(r))
		}
		m.clampTimes(r)
		if !hasAddress(r) {
			m.addressless++
			out = out[:len(out)-1]
		}
	}
	return out, at
}

// clearRare forgets what the record before this one said beside the flow.
func (m *message) clearRare(t *template) {
	m.rarities = rarities{}
	m.outBytes, m.outPackets = 0, 0
	if t.sections {
		m.section = section{}
	}
}

// variable finds the fields of a record with variable-length fields (RFC 7011
// section 7). It returns the ops for this record and its size, and is false when
// a field reaches beyond the set.
func (m *message) variable(t *template, at, to int) (program, int, bool) {
	m.scratch = append(m.scratch[:0], t.ops...)
	end := at
	for _, s := range t.layout {
		length := int(s.length)
		if length == variableLength {
			var header int
			if length, header = variableFieldLength(m.buf[end:to]); header == 0 {
				m.fail(BadRecord)
				m.unread = true
				return nil, 0, false
			}
			end += header
		}
		if end += length; end > to {
			m.fail(BadRecord)
			m.unread = true
			return nil, 0, false
		}
		if s.op != noOp {
			m.scratch[s.op] = s.kind.op(length, end-at)
		}
	}
	return m.scratch, end - at, true
}

// variableFieldLength reads the length before a variable-length field, and how
// many bytes it takes: 1, 3, or 0 when b ends before it.
func variableFieldLength(b []byte) (length, header int) {
	switch {
	case len(b) >= 1 && b[0] < 255:
		return int(b[0]), 1
	case len(b) >= 3:
		return int(binary.BigEndian.Uint16(b[1:])), 3
	}
	return 0, 0
}

// run executes ops on the record at the given offset of m.buf.
func (m *message) run(ops program, at int, r *flow.Record) {
	for i := range ops {
		o := &ops[i]
		end := at + int(o.end)
		v := binary.BigEndian.Uint64(m.buf[end-8:end]) & o.mask
		switch o.kind {
		case kindSrc:
			setIPv4(&r.Src, v)
		case kindSrc6:
			setIPv6(&r.Src, m.buf[end-16:end])
		case kindDst:
			setIPv4(&r.Dst, v)
		case kindDst6:
			setIPv6(&r.Dst, m.buf[end-16:end])
		case kindNATSrc:
			setIPv4(&r.NATSrc, v)
		case kindNATSrc6:
			setIPv6(&r.NATSrc, m.buf[end-16:end])
		case kindNATDst:
			setIPv4(&r.NATDst, v)
		case kindNATDst6:
			setIPv6(&r.NATDst, m.buf[end-16:end])
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

func isICMP(r *flow.Record) bool { return r.Proto == protoICMP || r.Proto == protoICMPv6 }

// settle draws the conclusions that need more than one field.
func (m *message) settle(t *template, r *flow.Record) {
	switch {
	case t.hasICMP && r.Has&flow.HasProto != 0 && !isICMP(r):
		// One template for all protocols: the elements mean nothing here.
		r.Has &^= flow.HasICMP
		r.ICMPType, r.ICMPCode = 0, 0
	case !t.hasICMP && isICMP(r) && r.Has&flow.HasPorts != 0 && r.SrcPort == 0:
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
