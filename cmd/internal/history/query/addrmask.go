package query

import (
	"encoding/binary"
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// addressMask is which addresses of a column's dictionary are in a set. Both directions of
// a conversation ask for it.
type addressMask struct {
	set *AddrSet
	id  column.ID
	in  []bool
	// count is how many there are. Of few, places has them, and found says which rows have
	// one, once all were looked at.
	count  int
	places []int32
	looked bool
	found  []int32
}

// few is how many addresses of a dictionary stand in so few rows that no page is kept.
const few = 4

// pickAddresses appends the rows of sel whose address is in a set.
func (g *group) pickAddresses(set *AddrSet, id column.ID, sel, out []int32) []int32 {
	c := g.begun(id)
	m := g.addressMask(set, id)
	switch {
	case m.count == 0:
		return out
	case m.count == len(m.in):
		return append(out, sel...)
	}
	if len(sel) == g.rows && m.count <= few {
		if !m.looked {
			var err error
			if m.found, err = c.Where(m.places, m.found[:0]); err != nil {
				panic(failure{err})
			}
			m.looked = true
		}
		return append(out, m.found...)
	}
	index := need(c, sel).Index
	for _, row := range sel {
		if m.in[index[row]] {
			out = append(out, row)
		}
	}
	return out
}

// addressMask returns the mask of a set in a column. The zero address is never in it, as it
// stands for none.
func (g *group) addressMask(set *AddrSet, id column.ID) *addressMask {
	for i := range g.masks {
		if m := &g.masks[i]; m.set == set && m.id == id {
			return m
		}
	}
	if len(g.masks) < cap(g.masks) {
		g.masks = g.masks[:len(g.masks)+1]
	} else {
		g.masks = append(g.masks, addressMask{})
	}
	m := &g.masks[len(g.masks)-1]
	*m = addressMask{set: set, id: id, in: m.in[:0], places: m.places[:0], found: m.found[:0]}
	b := g.begun(id).Bytes
	m.in = slices.Grow(m.in, len(b)/16)[:len(b)/16]
	if set == g.asked && g.there != nil { // fewer are found sooner
		set = g.there
	}
	var f *front
	if set.front != nil {
		f = set.front()
	}
	one := set.ranges[0]
	narrow := len(set.ranges) == 1 && one.First.Hi == one.Last.Hi // as when somebody asks for one address
	for i := range m.in {
		a := flow.Addr{Hi: binary.BigEndian.Uint64(b[16*i:]), Lo: binary.BigEndian.Uint64(b[16*i+8:])}
		in := false
		switch {
		case narrow:
			in = a.Hi == one.First.Hi && a.Lo-one.First.Lo <= one.Last.Lo-one.First.Lo
		case f != nil && !f.may(a):
		default:
			in = set.Contains(a)
		}
		m.in[i] = in && a != flow.Addr{}
		if m.in[i] {
			if m.count++; m.count <= few {
				m.places = append(m.places, int32(i))
			}
		}
	}
	return m
}
