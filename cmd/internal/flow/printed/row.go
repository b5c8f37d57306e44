package printed

import (
	"errors"
	"math"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

const (
	protoICMP   = 1
	protoTCP    = 6
	protoICMPv6 = 58
)

// row gathers what a line says, in whatever order, until finish makes a record of it.
type row struct {
	options Options
	times   clock

	r          flow.Record
	duration   int64 // ns; negative: not said
	start, end int64 // ns
	received   int64
	has        seen
	sport      uint32 // a port, or what stands in its place
	dport      uint32
	icmpType   uint32
	icmpCode   uint32
}

// seen says what a line has said.
type seen uint16

const (
	seenStart seen = 1 << iota
	seenEnd
	seenReceived
	seenSrc
	seenDst
	seenProto
	seenPorts
	seenICMP
	seenExporter
	seenSampling
)

func (p *row) begin(zone *time.Location) { p.times.zone = zone }

func (p *row) reset() {
	p.r = flow.Record{Sampling: 1, Exporter: p.options.Exporter}
	p.has, p.duration = 0, -1
	p.sport, p.dport, p.icmpType, p.icmpCode = 0, 0, 0, 0
}

var (
	errAddresses = errors.New("it has no source and destination address")
	errProto     = errors.New("it has no protocol")
	errTime      = errors.New("it has no time")
	errSpan      = errors.New("its duration is impossible")
)

// finish makes the record of what was said.
func (p *row) finish(out *flow.Record) error {
	switch {
	case p.has&(seenSrc|seenDst) != seenSrc|seenDst:
		return errAddresses
	case p.has&seenProto == 0:
		return errProto
	}
	if err := p.setTimes(); err != nil {
		return err
	}
	p.setPorts()
	if rate := p.options.Sampling; rate > 0 {
		p.r.Sampling = rate
		p.r.Has |= flow.HasSampling
	}
	if p.r.Has&flow.HasReverse != 0 && p.r.RevBytes|p.r.RevPackets == 0 {
		p.r.Has &^= flow.HasReverse // a column that is always there
	}
	if p.r.Proto != protoTCP {
		p.r.TCPFlags = 0
		p.r.Has &^= flow.HasTCPFlags
	}
	*out = p.r
	return nil
}

// setTimes completes start, duration and end by each other: csv has whole seconds and
// a duration in milliseconds, which is the more exact one.
func (p *row) setTimes() error {
	switch {
	case p.has&seenStart != 0 && p.duration >= 0:
		if p.duration > math.MaxInt64-max(p.start, 0) {
			return errSpan
		}
		p.end = p.start + p.duration
	case p.has&seenEnd != 0 && p.duration >= 0:
		if p.start = p.end - p.duration; p.end < 0 || p.start < 0 {
			return errSpan
		}
	case p.has&(seenStart|seenEnd) == seenStart|seenEnd:
	case p.has&seenStart != 0:
		p.end = p.start
	case p.has&seenEnd != 0:
		p.start = p.end
	default:
		return errTime
	}
	p.r.Start, p.r.End, p.r.Received = p.start, max(p.start, p.end), p.received
	p.r.Has |= flow.HasStart | flow.HasEnd
	if p.has&seenReceived == 0 {
		p.r.Received = p.r.End
	}
	return nil
}

// setPorts makes of the two port columns what they mean for the protocol: of ICMP they
// hold type and code in the place of the destination's.
func (p *row) setPorts() {
	switch p.r.Proto {
	case protoICMP, protoICMPv6:
		if p.has&seenICMP == 0 && p.has&seenPorts != 0 {
			p.icmpType, p.icmpCode = p.dport>>8, p.dport&0xff
			if p.sport != 0 && p.sport < 256 && p.dport < 256 { // rwcut --icmp-type-and-code
				p.icmpType, p.icmpCode = p.sport, p.dport
			}
			p.has |= seenICMP
		}
		if p.has&seenICMP != 0 {
			p.r.ICMPType, p.r.ICMPCode = uint8(p.icmpType), uint8(p.icmpCode)
			p.r.Has |= flow.HasICMP
		}
	case protoTCP, 17, 33, 132, 136:
		if p.has&seenPorts != 0 {
			p.r.SrcPort, p.r.DstPort = uint16(p.sport), uint16(p.dport)
			p.r.Has |= flow.HasPorts
		}
	}
}
