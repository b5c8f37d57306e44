package column

import (
	"encoding/binary"
	"math"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// Places says in which country (two letters; zero is unknown) and AS (0 is unknown)
// an address is at a time in Unix nanoseconds.
type Places func(a flow.Addr, at int64) (country [2]byte, as uint32)

// ASFrom's bits: the exporter sent the AS.
const (
	srcASSent = 1 << iota
	dstASSent
)

// Key returns an address as the files hold it.
func Key(a flow.Addr) (b [16]byte) {
	binary.BigEndian.PutUint64(b[:], a.Hi)
	binary.BigEndian.PutUint64(b[8:], a.Lo)
	return b
}

// fill makes a row of f and, unless it is nil, of r in the opposite direction, which
// mirrors f.
// nth and step say where its arrival stands among others.
func fill(row *Row, f, r *flow.Record, nth, step int32, places Places) {
	first, last := Times(f)
	start, startNS := split(first)
	if f.Start == 0 {
		startNS, first = Unset, start*1e6
	}
	// Field by field: a whole Row would be made elsewhere and copied.
	row.Src, row.Dst, row.SrcPort, row.DstPort, row.Proto = Key(f.Src), Key(f.Dst), int32(f.SrcPort), int32(f.DstPort), int32(f.Proto)
	row.Bytes, row.Packets, row.Flags, row.ToS = int64(f.Bytes), int64(f.Packets), int32(f.TCPFlags), int32(f.ToS)
	row.InIf, row.OutIf, row.ICMPType, row.ICMPCode = int64(f.InIf), int64(f.OutIf), int32(f.ICMPType), int32(f.ICMPCode)
	row.NATSrc, row.NATDst = Key(f.NATSrc), Key(f.NATDst)
	row.NATSrcPort, row.NATDstPort = natPort(f.NATSrcPort, f.SrcPort), natPort(f.NATDstPort, f.DstPort)
	row.Exporter, row.Domain, row.Version, row.Sampling = Key(f.Exporter), int64(f.Domain), int32(f.Version), int64(f.Sampling)
	row.Firewall, row.Direction, row.Has = int32(f.Firewall), int32(f.Direction), int64(f.Has)
	row.Start, row.StartNS = start, startNS
	row.Dur, row.DurNS = splitDuration(last - first)
	if f.End == 0 {
		row.Dur, row.DurNS = 0, Unset
		last = first
	}
	row.ReceivedLag = floor(f.Received, 1e9) - floor(last, 1e9)
	row.ReceivedNth = nth
	row.places(f, first, places)
	if r == nil {
		row.RevBytes, row.RevPackets, row.RevFlags = int64(f.RevBytes), int64(f.RevPackets), int32(f.RevTCPFlags)
		row.RevToS, row.RevHas, row.RevReceived = 0, 0, 0
		row.RevDelay, row.RevDelayNS, row.RevDDur, row.RevDDurNS = 0, 0, 0, 0
		return
	}
	row.RevBytes, row.RevPackets, row.RevFlags = int64(r.Bytes), int64(r.Packets), int32(r.TCPFlags)
	row.RevToS, row.RevHas = int32(r.ToS), int64(r.Has)
	row.RevDelay, row.RevDelayNS = splitDuration(r.Start - f.Start)
	row.RevDDur, row.RevDDurNS = splitDuration((r.End - r.Start) - (f.End - f.Start))
	row.RevReceived = step
}

// places sets country and AS of both sides.
func (row *Row) places(f *flow.Record, at int64, places Places) {
	row.SrcCC, row.DstCC = "--", "--"
	row.SrcAS, row.DstAS, row.ASFrom = int64(f.SrcAS), int64(f.DstAS), 0
	if f.SrcAS != 0 {
		row.ASFrom |= srcASSent
	}
	if f.DstAS != 0 {
		row.ASFrom |= dstASSent
	}
	if places == nil {
		return
	}
	cc, as := places(f.Src, at)
	row.SrcCC = country(cc)
	if f.SrcAS == 0 {
		row.SrcAS = int64(as)
	}
	cc, as = places(f.Dst, at)
	row.DstCC = country(cc)
	if f.DstAS == 0 {
		row.DstAS = int64(as)
	}
}

// Times returns when a flow began and ended, in Unix nanoseconds: where the exporter
// did not say so, the other of the two, else the arrival.
func Times(f *flow.Record) (start, end int64) {
	start, end = f.Start, f.End
	if start == 0 {
		if start = end; start == 0 {
			start = f.Received
		}
	}
	if end == 0 {
		end = start
	}
	return start, end
}

// floor divides v, rounding down.
func floor(v, by int64) int64 {
	q := v / by
	if v%by < 0 {
		q--
	}
	return q
}

// split cuts a time into milliseconds and the nanoseconds that are left.
func split(ns int64) (ms, rest int64) {
	ms = floor(ns, 1e6)
	return ms, ns - ms*1e6
}

// splitDuration cuts a duration likewise; what 32 bits of milliseconds cannot hold
// is left in rest.
func splitDuration(ns int64) (ms int32, rest int64) {
	q := min(max(floor(ns, 1e6), math.MinInt32), math.MaxInt32)
	return int32(q), ns - q*1e6
}

func natPort(nat, port uint16) int32 {
	if nat != 0 && nat == port {
		return -1
	}
	return int32(nat)
}

func natPortOf(v int32, port uint16) uint16 {
	if v == -1 {
		return port
	}
	return uint16(v)
}

// AppendRecords appends the one or two flow records that the row was made of. f is
// its file, which knows when they arrived; nil: they arrive as they end.
func (row *Row) AppendRecords(records []flow.Record, f *File) []flow.Record {
	if f == nil {
		return row.appendRecords(records, nil)
	}
	at, _ := f.arrived() // those who read rows were told of errors
	return row.appendRecords(records, at)
}

// times returns start and end of the row's flow as Times does, but for the
// nanoseconds of a start that was not sent.
func (row *Row) times() (first, last int64) {
	first = row.Start * 1e6
	if row.StartNS != Unset {
		first += row.StartNS
	}
	last = first
	if row.DurNS != Unset {
		last += int64(row.Dur)*1e6 + row.DurNS
	}
	return first, last
}

func (row *Row) appendRecords(records []flow.Record, at *timeline) []flow.Record {
	first, last := row.times()
	received, reverse := last, last
	if at != nil {
		received, reverse, _ = at.received(row)
	}
	f := flow.Record{
		Src: flow.AddrFrom16(row.Src[:]), Dst: flow.AddrFrom16(row.Dst[:]),
		NATSrc: flow.AddrFrom16(row.NATSrc[:]), NATDst: flow.AddrFrom16(row.NATDst[:]), Exporter: flow.AddrFrom16(row.Exporter[:]),
		Received: received, Start: first, End: last, Bytes: uint64(row.Bytes), Packets: uint64(row.Packets),
		Has: flow.Fields(row.Has), Domain: uint32(row.Domain), Sampling: uint32(row.Sampling),
		InIf: uint32(row.InIf), OutIf: uint32(row.OutIf),
		SrcPort: uint16(row.SrcPort), DstPort: uint16(row.DstPort), TCPFlags: uint16(row.Flags),
		Version: uint8(row.Version), Proto: uint8(row.Proto), ToS: uint8(row.ToS), ICMPType: uint8(row.ICMPType),
		ICMPCode: uint8(row.ICMPCode), Firewall: flow.FirewallEvent(row.Firewall), Direction: flow.BiflowDirection(row.Direction),
	}
	f.NATSrcPort, f.NATDstPort = natPortOf(row.NATSrcPort, f.SrcPort), natPortOf(row.NATDstPort, f.DstPort)
	if row.StartNS == Unset {
		f.Start = 0
	}
	if row.DurNS == Unset {
		f.End = 0
	}
	if row.ASFrom&srcASSent != 0 {
		f.SrcAS = uint32(row.SrcAS)
	}
	if row.ASFrom&dstASSent != 0 {
		f.DstAS = uint32(row.DstAS)
	}
	if row.RevHas == 0 {
		f.RevBytes, f.RevPackets, f.RevTCPFlags = uint64(row.RevBytes), uint64(row.RevPackets), uint16(row.RevFlags)
		return append(records, f)
	}
	r := mirror(&f)
	r.Has, r.ToS = flow.Fields(row.RevHas), uint8(row.RevToS)
	r.Bytes, r.Packets, r.TCPFlags = uint64(row.RevBytes), uint64(row.RevPackets), uint16(row.RevFlags)
	r.Start = f.Start + int64(row.RevDelay)*1e6 + row.RevDelayNS
	r.End = r.Start + (f.End - f.Start) + int64(row.RevDDur)*1e6 + row.RevDDurNS
	r.Received = reverse
	return append(records, f, r)
}
