package query

import (
	"math"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// Record is one flow record of the history, with what was known of its addresses when
// it was written. The two directions of a conversation are a Record each.
type Record struct {
	flow.Record
	SrcCC, DstCC string // as geo names countries: "NO", "--", "private", "multicast"
	SrcAS, DstAS uint32 // the exporter's word, else the database's; 0: unknown
}

// Begin returns the record's time of start in Unix nanoseconds: of its end or of its
// arrival where the exporter sent none.
func (r *Record) Begin() int64 {
	switch {
	case r.Start != 0:
		return r.Start
	case r.End != 0:
		return r.End
	}
	return r.Received
}

// Millis returns how long the flow took, in milliseconds; 0 where its exporter did not
// say.
func (r *Record) Millis() uint64 {
	if r.Start == 0 || r.End < r.Start {
		return 0
	}
	return uint64(r.End-r.Start) / uint64(time.Millisecond)
}

// floorMillis returns the millisecond in which a time in nanoseconds lies.
func floorMillis(ns int64) int64 {
	ms := ns / int64(time.Millisecond)
	if ns%int64(time.Millisecond) < 0 {
		ms--
	}
	return ms
}

// hasOf is the bits that must be set in Has for a field to mean something. The others
// have a value of their own that says so: the zero address, AS 0.
var hasOf = [fieldCount]flow.Fields{
	SrcPort: flow.HasPorts, DstPort: flow.HasPorts, Proto: flow.HasProto, Flags: flow.HasTCPFlags, ToS: flow.HasToS,
	ICMPType: flow.HasICMP, ICMPCode: flow.HasICMP, InIf: flow.HasInIf, OutIf: flow.HasOutIf,
	Bytes: flow.HasBytes, Packets: flow.HasPackets, Duration: flow.HasStart | flow.HasEnd, Firewall: flow.HasFirewall,
	BitRate: flow.HasBytes | flow.HasStart | flow.HasEnd, PacketRate: flow.HasPackets | flow.HasStart | flow.HasEnd, PacketSize: flow.HasBytes | flow.HasPackets,
}

// Address returns the value of a field that is an address; the zero Addr is none.
func (r *Record) Address(f Field) flow.Addr {
	switch f {
	case SrcIP:
		return r.Src
	case DstIP:
		return r.Dst
	case NATSrcIP:
		return r.NATSrc
	case NATDstIP:
		return r.NATDst
	case Exporter:
		return r.Exporter
	}
	return flow.Addr{}
}

// Country returns the value of a field that is a country.
func (r *Record) Country(f Field) string {
	if f == SrcCountry {
		return r.SrcCC
	}
	return r.DstCC
}

// Number returns the value of a field that is a number; ok is false where the exporter
// sent none. Counts are multiplied by the sampling rate unless raw.
func (r *Record) Number(f Field, raw bool) (n uint64, ok bool) {
	if has := hasOf[f]; r.Has&has != has {
		return 0, false
	}
	switch f {
	case SrcPort:
		return uint64(r.SrcPort), true
	case DstPort:
		return uint64(r.DstPort), true
	case NATSrcPort:
		return uint64(r.NATSrcPort), r.NATSrcPort != 0
	case NATDstPort:
		return uint64(r.NATDstPort), r.NATDstPort != 0
	case Proto:
		return uint64(r.Proto), true
	case Flags:
		return uint64(r.TCPFlags), true
	case ToS:
		return uint64(r.ToS), true
	case ICMPType:
		return uint64(r.ICMPType), true
	case ICMPCode:
		return uint64(r.ICMPCode), true
	case InIf:
		return uint64(r.InIf), true
	case OutIf:
		return uint64(r.OutIf), true
	case SrcAS:
		return uint64(r.SrcAS), true
	case DstAS:
		return uint64(r.DstAS), true
	case Domain:
		return uint64(r.Domain), true
	case Sampling:
		return uint64(r.Sampling), true
	case Version:
		return uint64(r.Version), true
	case Firewall:
		return uint64(r.Firewall), true
	case Duration:
		return r.Millis(), true
	case Service:
		return uint64(column.Service(r.Proto, r.SrcPort, r.DstPort)), true
	}
	return derived(f, r.scale(r.Bytes, raw), r.scale(r.Packets, raw), r.Millis()), true
}

func (r *Record) scale(n uint64, raw bool) uint64 {
	if raw {
		return n
	}
	return scaled(n, uint64(r.Sampling))
}

// scaled multiplies a count by the sampling rate; what is too large stays at the top.
func scaled(n, sampling uint64) uint64 {
	if sampling <= 1 {
		return n
	}
	if n > math.MaxInt64/sampling {
		return math.MaxInt64
	}
	return n * sampling
}

// derived returns a count, or what follows of counts and time. Rates of a flow that
// took no time are 0, as nfdump has it.
func derived(f Field, bytes, packets, millis uint64) uint64 {
	switch f {
	case Bytes:
		return bytes
	case Packets:
		return packets
	case BitRate:
		return rate(bytes, 8000, millis)
	case PacketRate:
		return rate(packets, 1000, millis)
	case PacketSize:
		return rate(bytes, 1, packets)
	}
	return 0
}

// rate returns n*factor/by, 0 when by is 0.
func rate(n, factor, by uint64) uint64 {
	if by == 0 {
		return 0
	}
	if n > math.MaxUint64/factor {
		return uint64(float64(n) * float64(factor) / float64(by))
	}
	return n * factor / by
}

// Match reports whether the filter accepts a record. Counts are multiplied by the
// sampling rate unless raw.
func (f Filter) Match(r *Record, raw bool) bool { return f.root == nil || f.root.match(r, raw) }

func (n *node) match(r *Record, raw bool) bool {
	switch n.op {
	case opAnd:
		for _, k := range n.kids {
			if !k.match(r, raw) {
				return false
			}
		}
		return true
	case opOr:
		for _, k := range n.kids {
			if k.match(r, raw) {
				return true
			}
		}
		return false
	case opLeaf:
		return n.vals.match(n.field, r, raw) != n.negated
	}
	return !n.negated
}

func (v *values) match(f Field, r *Record, raw bool) bool {
	switch fields[f].form {
	case formAddress:
		return v.hasAddress(r.Address(f))
	case formCountry:
		return v.hasCountry(r.Country(f))
	}
	n, ok := r.Number(f, raw)
	return ok && v.hasNumber(f, n)
}

// hasAddress never accepts the zero address, which stands for none.
func (v *values) hasAddress(a flow.Addr) bool { return a != flow.Addr{} && v.addrs.Contains(a) }

func (v *values) hasNumber(f Field, n uint64) bool {
	if fields[f].form != formFlags {
		return v.nums.contains(n)
	}
	for _, t := range v.flags {
		if uint16(n)&t.mask == t.want {
			return true
		}
	}
	return false
}

func (v *values) hasCountry(code string) bool {
	for _, c := range v.countries {
		if c == code {
			return true
		}
	}
	return false
}
