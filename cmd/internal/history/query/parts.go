package query

import (
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// part is rows whose value of a field stands in one column, or is the same in all. How
// a record of the opposite direction follows from the row is what package column makes
// of it: the answer to a flow behind NAT goes to the address outside.
type part struct {
	rows     []int32
	column   column.ID
	constant bool
	value    uint64 // of a constant number; a constant address is none
}

// direct says in which column a field stands.
type direct struct {
	forward, reverse column.ID
}

// directs are the fields whose value of either direction is one column as it is.
var directs = map[Field]direct{
	Exporter: {column.Exporter, column.Exporter}, Proto: {column.Proto, column.Proto}, Flags: {column.Flags, column.RevFlags},
	ICMPCode: {column.ICMPCode, column.ICMPCode}, InIf: {column.InIf, column.OutIf}, OutIf: {column.OutIf, column.InIf},
	SrcAS: {column.SrcAS, column.DstAS}, DstAS: {column.DstAS, column.SrcAS}, Domain: {column.Domain, column.Domain},
	Sampling: {column.Sampling, column.Sampling}, Version: {column.Version, column.Version}, Firewall: {column.Firewall, column.Firewall},
	Bytes: {column.Bytes, column.RevBytes}, Packets: {column.Packets, column.RevPackets},
	SrcCountry: {column.SrcCC, column.DstCC}, DstCountry: {column.DstCC, column.SrcCC},
}

// forwards are the further fields that are one column of the row's own direction.
var forwards = map[Field]column.ID{
	SrcIP: column.Src, DstIP: column.Dst, NATSrcIP: column.NATSrc, NATDstIP: column.NATDst,
	SrcPort: column.SrcPort, DstPort: column.DstPort, ToS: column.ToS, ICMPType: column.ICMPType,
}

// parts says where the values of a field stand for the rows of sel. Fields that are
// calculated (Duration, rates) have none.
func (g *group) parts(f Field, w way, sel []int32) []part {
	if d, ok := directs[f]; ok {
		if w == forward {
			return []part{{rows: sel, column: d.forward}}
		}
		return []part{{rows: sel, column: d.reverse}}
	}
	if id, ok := forwards[f]; ok && w == forward {
		return []part{{rows: sel, column: id}}
	}
	switch f {
	case NATSrcPort, NATDstPort:
		if w == forward {
			return g.natPort(f, sel)
		}
	case ToS:
		own, other := g.split(column.RevHas, sel, func(n int64) bool { return n != 0 })
		return []part{{rows: own, column: column.RevToS}, {rows: other, constant: true}}
	case ICMPType:
		return g.answerType(sel)
	case SrcPort, DstPort:
		return g.answerPort(f, sel)
	}
	return g.answerSide(f, sel)
}

// natPort: -1 stands for the port before translation.
func (g *group) natPort(f Field, sel []int32) []part {
	id, same := column.NATSrcPort, column.SrcPort
	if f == NATDstPort {
		id, same = column.NATDstPort, column.DstPort
	}
	as, own := g.split(id, sel, func(n int64) bool { return n == -1 })
	return []part{{rows: as, column: same}, {rows: own, column: id}}
}

// answerSide is a side of the answer, which is seen outside of NAT.
func (g *group) answerSide(f Field, sel []int32) []part {
	nat := column.NATDst // the answer's source was translated
	if f == DstIP || f == DstPort || f == NATDstIP || f == NATDstPort {
		nat = column.NATSrc
	}
	translated, plain := g.translated(nat, sel)
	switch f {
	case SrcIP:
		return []part{{rows: translated, column: column.NATDst}, {rows: plain, column: column.Dst}}
	case DstIP:
		return []part{{rows: translated, column: column.NATSrc}, {rows: plain, column: column.Src}}
	case SrcPort:
		return append(g.natPort(NATDstPort, translated), part{rows: plain, column: column.DstPort})
	case DstPort:
		return append(g.natPort(NATSrcPort, translated), part{rows: plain, column: column.SrcPort})
	}
	before := map[Field]column.ID{NATSrcIP: column.Dst, NATDstIP: column.Src, NATSrcPort: column.DstPort, NATDstPort: column.SrcPort}[f]
	return []part{{rows: translated, column: before}, {rows: plain, constant: true}}
}

// translated splits sel by whether the column of addresses holds one.
func (g *group) translated(id column.ID, sel []int32) (translated, plain []int32) {
	c := g.begun(id)
	if len(c.Bytes) == 16 && [16]byte(c.Bytes) == ([16]byte{}) { // nearly always
		return nil, sel
	}
	translated = g.pickBytes(c, 16, sel, func(b []byte) bool { return [16]byte(b) != [16]byte{} }, g.list())
	switch len(translated) {
	case 0:
		return nil, sel
	case len(sel):
		return translated, nil
	}
	return translated, minus(sel, translated, g.list())
}

// split splits sel by a test of a column of numbers.
func (g *group) split(id column.ID, sel []int32, test func(int64) bool) (yes, no []int32) {
	yes = g.pick(g.begun(id), sel, test, g.list())
	switch len(yes) {
	case 0:
		return nil, sel
	case len(sel):
		return sel, nil
	}
	return yes, minus(sel, yes, g.list())
}

const (
	icmp4, echo4 = 1, 8
	icmp6, echo6 = 58, 128
)

// echoes returns the rows of sel that are an echo request of ICMP or ICMPv6.
func (g *group) echoes(proto, kind int64, sel []int32) []int32 {
	if g.numbersWith(column.Proto, func(n int64) bool { return n == proto }) == nil ||
		g.numbersWith(column.ICMPType, func(n int64) bool { return n == kind }) == nil {
		return nil
	}
	of := g.pick(g.begun(column.Proto), sel, func(n int64) bool { return n == proto }, g.list())
	return g.pick(g.begun(column.ICMPType), of, func(n int64) bool { return n == kind }, g.list())
}

// answerType: the answer to an echo request is an echo reply.
func (g *group) answerType(sel []int32) []part {
	v4, v6 := g.echoes(icmp4, echo4, sel), g.echoes(icmp6, echo6, sel)
	rest := sel
	if len(v4) > 0 || len(v6) > 0 {
		rest = minus(sel, union(v4, v6, g.list()), g.list())
	}
	return []part{{rows: v4, constant: true, value: 0}, {rows: v6, constant: true, value: 129}, {rows: rest, column: column.ICMPType}}
}

// answerPort: where type and code stand in the destination port of an echo request, they
// stand in that of the reply, too.
func (g *group) answerPort(f Field, sel []int32) []part {
	v4, v6 := g.echoes(icmp4, echo4, sel), g.echoes(icmp6, echo6, sel)
	if len(v4) == 0 && len(v6) == 0 {
		return g.answerSide(f, sel)
	}
	var out []part
	ported := g.list()
	none := flow.Addr{}
	asked := union(v4, v6, g.list())
	value := func(id column.ID, row int32) int64 { return g.col(id, asked).Value(int(row)) }
	for _, row := range asked {
		code, kind := uint64(value(column.ICMPCode, row)), uint64(value(column.ICMPType, row))
		if g.address(column.NATSrc, row) != none || g.address(column.NATDst, row) != none ||
			value(column.SrcPort, row) != 0 || uint64(value(column.DstPort, row)) != kind<<8|code {
			continue
		}
		ported = append(ported, row)
		p := part{rows: []int32{row}, constant: true}
		if f == DstPort {
			p.value = map[uint64]uint64{echo4: 0, echo6: 129}[kind]<<8 | code
		}
		if n := len(out); n > 0 && out[n-1].value == p.value {
			out[n-1].rows = append(out[n-1].rows, row)
		} else {
			out = append(out, p)
		}
	}
	return append(out, g.answerSide(f, minus(sel, ported, g.list()))...)
}

func (g *group) address(id column.ID, row int32) flow.Addr {
	c := g.col(id, []int32{row})
	return flow.AddrFrom16(c.Bytes[16*int(c.Index[row]):])
}
