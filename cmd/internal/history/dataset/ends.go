package dataset

import (
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// ranked are the columns that tell the ends of records and what they have.
var ranked = append([]column.ID{column.Src, column.Dst, column.ICMPType, column.ICMPCode}, summed...)

// end is one end of a record.
type end struct {
	addr flow.Addr
	port uint16
}

// rowEnds tells the ends of the records in a row, as questions see them.
type rowEnds struct {
	cols *[column.Columns]column.Column
	row  int
}

func (x *rowEnds) value(id column.ID) int64 { return x.cols[id].Value(x.row) }

func (x *rowEnds) address(id column.ID) flow.Addr {
	c := &x.cols[id]
	return flow.AddrFrom16(c.Bytes[16*int(c.Index[x.row]):])
}

// forward returns source and destination of the row's own direction.
func (x *rowEnds) forward() (from, to end) {
	return end{x.address(column.Src), uint16(x.value(column.SrcPort))}, end{x.address(column.Dst), uint16(x.value(column.DstPort))}
}

// answer returns those of the opposite direction, which is seen outside of NAT. Where type
// and code of an echo request stand in its port, so they do in the reply.
func (x *rowEnds) answer() (from, to end) {
	from, to = end{x.address(column.Dst), uint16(x.value(column.DstPort))}, end{x.address(column.Src), uint16(x.value(column.SrcPort))}
	nat := false
	for _, side := range []struct {
		end       *end
		addr, own column.ID
	}{{&from, column.NATDst, column.NATDstPort}, {&to, column.NATSrc, column.NATSrcPort}} {
		a := x.address(side.addr)
		if a == (flow.Addr{}) {
			continue
		}
		nat, side.end.addr = true, a
		if n := x.value(side.own); n != -1 {
			side.end.port = uint16(n)
		}
	}
	proto, kind, code := x.value(column.Proto), x.value(column.ICMPType), x.value(column.ICMPCode)
	if !nat && to.port == 0 && int64(from.port) == kind<<8|code {
		switch {
		case proto == 1 && kind == 8:
			from.port, to.port = 0, uint16(code)
		case proto == 58 && kind == 128:
			from.port, to.port = 0, 129<<8|uint16(code)
		}
	}
	return from, to
}
