package query

import (
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// choose returns the rows of sel whose record of direction w the filter accepts. The
// list lives as lists do.
func (g *group) choose(n *node, w way, sel []int32) []int32 {
	switch {
	case n == nil || n.op == opAll && !n.negated:
		return sel
	case n.op == opAll || len(sel) == 0:
		return nil
	}
	out := g.list()
	mark := g.mark()
	defer func() { g.release(mark) }()
	switch n.op {
	case opAnd:
		left := sel
		for _, k := range n.kids {
			left = g.choose(k, w, left)
			out = append(out[:0], left...)
			left = out
			g.release(mark)
			if len(left) == 0 {
				return nil
			}
		}
		return out
	case opOr:
		found, left, rest := g.list(), g.list(), sel
		mark := g.mark()
		for _, k := range n.kids {
			some := g.choose(k, w, rest)
			if len(some) > 0 {
				found = append(found[:0], union(found, some, g.list())...)
			}
			if len(some) > len(rest)/8 { // to ask for a few once more takes less than to leave them out
				rest = append(left[:0], minus(rest, some, g.list())...)
			}
			g.release(mark)
			if len(rest) == 0 {
				break
			}
		}
		return append(out, found...)
	default:
		matches := g.leaf(n, w, sel)
		if n.negated {
			return minus(sel, matches, out)
		}
		return append(out, matches...)
	}
}

// leaf returns the rows of sel that have one of the values.
func (g *group) leaf(n *node, w way, sel []int32) []int32 {
	if fields[n.field].form == formAddress && len(n.vals.addrs.ranges) == 0 {
		return nil
	}
	if w == reverse && fields[n.field].form == formAddress {
		if sel = g.answerHolds(n, sel); len(sel) == 0 {
			return nil
		}
	}
	var found []int32
	if g.calculated(n.field) {
		found = g.list()
		for i, v := range g.numbers(n.field, w, sel, nil) {
			if n.vals.hasNumber(n.field, v) {
				found = append(found, sel[i])
			}
		}
	} else {
		found = g.list()
		for _, p := range g.parts(n.field, w, sel) {
			if some := g.leafPart(n, p); len(found) == 0 {
				found = append(found, some...)
			} else if len(some) > 0 {
				found = union(found, some, g.list())
			}
		}
	}
	if len(found) > 0 && hasOf[n.field] != 0 && n.vals.hasNumber(n.field, 0) {
		return g.present(hasOf[n.field], w, found)
	}
	return found
}

// answerHolds returns the rows of sel that have one of the addresses in a column from which
// the answer's may come: which one it is depends on more of the row, and is asked of these.
func (g *group) answerHolds(n *node, sel []int32) []int32 {
	var ids []column.ID
	switch n.field {
	case SrcIP:
		ids = []column.ID{column.Dst, column.NATDst}
	case DstIP:
		ids = []column.ID{column.Src, column.NATSrc}
	case NATSrcIP:
		ids = []column.ID{column.Dst}
	case NATDstIP:
		ids = []column.ID{column.Src}
	default:
		return sel
	}
	var found []int32
	for _, id := range ids {
		some := g.pickAddresses(n.vals.addrs, id, sel, g.list())
		switch {
		case len(found) == 0:
			found = some
		case len(some) > 0:
			found = union(found, some, g.list())
		}
	}
	return found
}

// leafPart returns the rows of p that have one of the values.
func (g *group) leafPart(n *node, p part) []int32 {
	if len(p.rows) == 0 {
		return nil
	}
	v, f := n.vals, n.field
	test := func(n int64) bool { return v.hasNumber(f, uint64(n)) }
	if f == NATSrcPort || f == NATDstPort {
		test = func(n int64) bool { return n != 0 && v.hasNumber(f, uint64(n)) }
	}
	if p.constant {
		if fields[f].form != formAddress && test(int64(p.value)) {
			return p.rows
		}
		return nil
	}
	c := g.begun(p.column)
	switch fields[f].form {
	case formAddress:
		return g.pickAddresses(v.addrs, p.column, p.rows, g.list())
	case formCountry:
		return g.pickBytes(c, 2, p.rows, func(b []byte) bool { return v.hasCountry(countryName(b)) }, g.list())
	}
	return g.pick(c, p.rows, test, g.list())
}

// present returns the rows of sel whose record has the fields.
func (g *group) present(need flow.Fields, w way, sel []int32) []int32 {
	has := func(n int64) bool { return flow.Fields(n)&need == need }
	if w == forward {
		return g.pick(g.begun(column.Has), sel, has, g.list())
	}
	own, both := g.split(column.RevHas, sel, func(n int64) bool { return n != 0 })
	a := g.pick(g.begun(column.RevHas), own, has, g.list())
	if len(both) == 0 {
		return a
	}
	b := g.pick(g.begun(column.Has), both, func(n int64) bool { return answerHas(flow.Fields(n))&need == need }, g.list())
	return union(a, b, g.list())
}

// answerHas says what is known of the opposite direction when one record counted both.
func answerHas(has flow.Fields) flow.Fields {
	out := has&(flow.HasStart|flow.HasEnd|flow.HasPorts|flow.HasProto|flow.HasSampling|flow.HasICMP|flow.HasFirewall|flow.HasDirection|flow.HasLayer2) |
		flow.HasBytes | flow.HasPackets
	for _, p := range [][2]flow.Fields{{flow.HasInIf, flow.HasOutIf}, {flow.HasNATSrc, flow.HasNATDst}, {flow.HasSrcAS, flow.HasDstAS}} {
		if has&p[0] != 0 {
			out |= p[1]
		}
		if has&p[1] != 0 {
			out |= p[0]
		}
	}
	if has&flow.HasRevTCPFlags != 0 {
		out |= flow.HasTCPFlags
	}
	return out
}

// calculated reports whether the values of a field follow from several columns.
func (g *group) calculated(f Field) bool {
	switch f {
	case Duration, BitRate, PacketRate, PacketSize, Service:
		return true
	case Bytes, Packets:
		return !g.unsampled()
	}
	return false
}

// unsampled reports whether counts are wanted as they stand in the columns.
func (g *group) unsampled() bool {
	if g.raw {
		return true
	}
	c := g.values(column.Sampling)
	return !slices.ContainsFunc(c.Int64, func(n int64) bool { return n > 1 })
}

// numbers appends the values of a field for each row of sel.
func (g *group) numbers(f Field, w way, sel []int32, out []uint64) []uint64 {
	switch f {
	case Duration:
		return g.millis(w, sel, out)
	case Service:
		return g.services(w, sel, out)
	case Bytes, Packets:
		return g.counts(f, w, sel, out)
	case BitRate, PacketRate, PacketSize:
		bytes, packets, millis := g.counts(Bytes, w, sel, nil), g.counts(Packets, w, sel, nil), g.millis(w, sel, nil)
		for i := range sel {
			out = append(out, derived(f, bytes[i], packets[i], millis[i]))
		}
		return out
	}
	first := len(out)
	out = append(out, make([]uint64, len(sel))...)
	for _, p := range g.parts(f, w, sel) {
		g.scatter(p, sel, out[first:])
	}
	return out
}

// services appends the services of the rows of sel.
func (g *group) services(w way, sel []int32, out []uint64) []uint64 {
	mark := g.mark()
	defer func() { g.release(mark) }()
	src, dst, protos := g.numbers(SrcPort, w, sel, nil), g.numbers(DstPort, w, sel, nil), g.numbers(Proto, w, sel, nil)
	for i := range sel {
		out = append(out, uint64(column.Service(uint8(protos[i]), uint16(src[i]), uint16(dst[i]))))
	}
	return out
}

// scatter writes the values of p's rows, which are some of sel, to their places.
func (g *group) scatter(p part, sel []int32, out []uint64) {
	if len(p.rows) == 0 {
		return
	}
	if p.constant && p.value == 0 {
		return
	}
	c := &column.Column{}
	if !p.constant {
		c = g.col(p.column, p.rows)
	}
	j := 0
	for i, row := range sel {
		if j == len(p.rows) {
			return
		}
		if p.rows[j] != row {
			continue
		}
		j++
		if p.constant {
			out[i] = p.value
			continue
		}
		out[i] = uint64(c.Value(int(row)))
	}
}

// counts appends bytes or packets, multiplied by the sampling rate unless raw.
func (g *group) counts(f Field, w way, sel []int32, out []uint64) []uint64 {
	id := directs[f].forward
	if w == reverse {
		id = directs[f].reverse
	}
	first := len(out)
	out = values64(g.col(id, sel), sel, out)
	if g.unsampled() {
		return out
	}
	c := g.col(column.Sampling, sel)
	for i, row := range sel {
		out[first+i] = scaled(out[first+i], uint64(c.Value(int(row))))
	}
	return out
}

// values64 appends the values of a column of INT64.
func values64(c *column.Column, sel []int32, out []uint64) []uint64 {
	if c.Index == nil {
		for _, row := range sel {
			out = append(out, uint64(c.Int64[row]))
		}
		return out
	}
	for _, row := range sel {
		out = append(out, uint64(c.Int64[c.Index[row]]))
	}
	return out
}

// millis appends how long the flows took.
func (g *group) millis(w way, sel []int32, out []uint64) []uint64 {
	dur, rest := g.col(column.Dur, sel), g.col(column.DurNS, sel)
	var more, moreNS *column.Column
	if w == reverse {
		more, moreNS = g.col(column.RevDDur, sel), g.col(column.RevDDurNS, sel)
	}
	for _, row := range sel {
		r := int(row)
		ns := int64(0)
		if n := rest.Value(r); n != column.Unset {
			ns = dur.Value(r)*1e6 + n
			if w == reverse {
				ns += more.Value(r)*1e6 + moreNS.Value(r)
			}
		}
		out = append(out, uint64(max(ns, 0))/1e6)
	}
	return out
}

// begin appends when the flows began, in Unix milliseconds, rounded down.
func (g *group) begin(w way, sel []int32, out []int64) []int64 {
	start := g.col(column.Start, sel)
	if w == forward {
		for _, row := range sel { // less than a millisecond more changes nothing
			out = append(out, start.Value(int(row)))
		}
		return out
	}
	ns, delay, delayNS := g.values(column.StartNS), g.col(column.RevDelay, sel), g.values(column.RevDelayNS)
	plain := !slices.ContainsFunc(ns.Int64, func(n int64) bool { return n != 0 && n != column.Unset }) && !slices.ContainsFunc(delayNS.Int64, func(n int64) bool { return n != 0 })
	if !plain {
		need(ns, sel)
		need(delayNS, sel)
	}
	for _, row := range sel {
		r := int(row)
		at := start.Value(r) + delay.Value(r)
		if !plain {
			rest := delayNS.Value(r)
			if n := ns.Value(r); n != column.Unset {
				rest += n
			}
			at += floorMillis(rest)
		}
		out = append(out, at)
	}
	return out
}

// within returns the rows of sel whose flow began from from on and before to, in Unix
// milliseconds.
func (g *group) within(w way, sel []int32, from, to int64) []int32 {
	at := g.begin(w, sel, nil)
	out := g.list()
	for i, row := range sel {
		if from <= at[i] && at[i] < to {
			out = append(out, row)
		}
	}
	return out
}
