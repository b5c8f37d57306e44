package query

import (
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// way is which of a row's two directions a record is.
type way uint8

const (
	forward way = iota
	reverse
)

// group is a row group that is being searched. It reads columns when they are first
// wanted. Rows are chosen by ascending lists of their numbers. It belongs to one
// worker, which uses its memory for one group after another.
//
// Errors of reading are thrown as a failure and caught by search, so that the steps of
// a search stay readable.
type group struct {
	file *column.File
	at   int
	part int // of the scan
	task int
	rows int
	raw  bool

	cols   [column.Columns]column.Column
	loaded [column.Columns]bool
	passed [column.Country + 1]column.Column // of each kind, one that is looked at once
	mask   []bool
	all    []int32 // 0, 1, 2, ...

	lists [][]int32
	used  int // of lists

	masks        []addressMask
	asked, there *AddrSet // of the part
}

// failure is a panic of group: the file cannot be read.
type failure struct{ err error }

// open starts on a row group.
func (g *group) open(f *column.File, at int) {
	g.file, g.at, g.rows = f, at, f.GroupLen(at)
	g.loaded = [column.Columns]bool{}
	g.used = 0
	g.masks = g.masks[:0]
	g.all = slices.Grow(g.all, max(g.rows-len(g.all), 0))
	for i := len(g.all); i < g.rows; i++ {
		g.all = append(g.all, int32(i))
	}
}

// begun returns a column of which the dictionary can be looked at, and of each row what
// need was told of.
func (g *group) begun(id column.ID) *column.Column {
	c := &g.cols[id]
	if !g.loaded[id] {
		if err := g.file.Begin(g.at, id, c); err != nil {
			panic(failure{err})
		}
		g.loaded[id] = true
	}
	return c
}

// once is begun for a column that RowsOf looks at for the last time, in so many rows. What nobody has read so
// far is read where the one before of its kind was: 30 columns of a row group would take
// 2 MB, most of which a processor would see for the first time.
func (g *group) once(id column.ID, rows int) *column.Column {
	if g.loaded[id] {
		return &g.cols[id]
	}
	c := &g.passed[id.Kind()]
	if err := g.file.BeginRows(g.at, id, c, rows); err != nil {
		panic(failure{err})
	}
	return c
}

// need makes rows of a column readable. They stand in ascending order.
func need(c *column.Column, rows []int32) *column.Column {
	if err := c.Need(rows); err != nil {
		panic(failure{err})
	}
	return c
}

// col returns a column, of which rows can be looked at.
func (g *group) col(id column.ID, rows []int32) *column.Column { return need(g.begun(id), rows) }

// values returns a column of which all values can be looked at: those of its dictionary,
// or of all rows.
func (g *group) values(id column.ID) *column.Column {
	c := g.begun(id)
	if c.Index == nil {
		need(c, g.all[:g.rows])
	}
	return c
}

// list returns an empty list with room for all rows. It lives until the release of a
// mark that was taken before.
func (g *group) list() []int32 {
	if g.used == len(g.lists) {
		g.lists = append(g.lists, nil)
	}
	if cap(g.lists[g.used]) < g.rows {
		g.lists[g.used] = make([]int32, 0, g.rows+g.rows/8)
	}
	g.used++
	return g.lists[g.used-1][:0]
}

func (g *group) mark() int { return g.used }

func (g *group) release(mark int) { g.used = mark }

// accepted returns the rows that hold a record of a direction which a filter accepts. Which
// rows hold one of the opposite direction is the last question: of few rows it takes few
// pages.
func (g *group) accepted(root *node, w way) []int32 {
	rows := g.choose(root, w, g.all[:g.rows])
	if w == reverse {
		rows = g.answered(rows)
	}
	return rows
}

// answered returns the rows of sel with a record of the opposite direction, or with one
// record that counted both (RFC 5103, firewalls).
func (g *group) answered(sel []int32) []int32 {
	if len(sel) == 0 {
		return nil
	}
	own := g.begun(column.RevHas)
	both := g.numbersWith(column.Has, func(n int64) bool { return flow.Fields(n)&flow.HasReverse != 0 })
	if both == nil {
		return g.pick(own, sel, func(n int64) bool { return n != 0 }, g.list())
	}
	need(own, sel)
	bytes, packets, has := g.col(column.RevBytes, sel), g.col(column.RevPackets, sel), g.col(column.Has, sel)
	out := g.list()
	for _, row := range sel {
		if own.Value(int(row)) != 0 || flow.Fields(has.Value(int(row)))&flow.HasReverse != 0 && bytes.Value(int(row))|packets.Value(int(row)) != 0 {
			out = append(out, row)
		}
	}
	return out
}

// numbersWith returns a mask of the dictionary of a column of numbers, nil when none of
// its values is wanted. It holds until the next mask is made.
func (g *group) numbersWith(id column.ID, test func(int64) bool) []bool {
	c := g.values(id)
	any := false
	g.mask = g.mask[:0]
	for _, v := range c.Int32 {
		ok := test(int64(v))
		any = any || ok
		g.mask = append(g.mask, ok)
	}
	for _, v := range c.Int64 {
		ok := test(v)
		any = any || ok
		g.mask = append(g.mask, ok)
	}
	if !any {
		return nil
	}
	return g.mask
}

// pick appends the rows of sel whose number passes the test.
func (g *group) pick(c *column.Column, sel []int32, test func(int64) bool, out []int32) []int32 {
	if c.Index == nil {
		need(c, sel)
		if c.Int32 != nil {
			for _, row := range sel {
				if test(int64(c.Int32[row])) {
					out = append(out, row)
				}
			}
			return out
		}
		for _, row := range sel {
			if test(c.Int64[row]) {
				out = append(out, row)
			}
		}
		return out
	}
	g.mask = g.mask[:0]
	for _, v := range c.Int32 {
		g.mask = append(g.mask, test(int64(v)))
	}
	for _, v := range c.Int64 {
		g.mask = append(g.mask, test(v))
	}
	return g.masked(c, sel, out)
}

// pickBytes is pick for a column of addresses or countries; test is given the bytes of
// a value.
func (g *group) pickBytes(c *column.Column, width int, sel []int32, test func([]byte) bool, out []int32) []int32 {
	g.mask = g.mask[:0]
	for b := c.Bytes; len(b) >= width; b = b[width:] {
		g.mask = append(g.mask, test(b[:width]))
	}
	return g.masked(c, sel, out)
}

// masked appends the rows of sel whose value is in the mask of the dictionary.
func (g *group) masked(c *column.Column, sel []int32, out []int32) []int32 {
	switch mask := g.mask; {
	case !slices.Contains(mask, true):
		return out
	case !slices.Contains(mask, false):
		return append(out, sel...)
	default:
		index := need(c, sel).Index
		for _, row := range sel {
			if mask[index[row]] {
				out = append(out, row)
			}
		}
		return out
	}
}

// minus appends the rows of a that are not in b, which is a part of a.
func minus(a, b, out []int32) []int32 {
	for _, row := range a {
		if len(b) > 0 && b[0] == row {
			b = b[1:]
			continue
		}
		out = append(out, row)
	}
	return out
}

// union appends the rows of a and of b.
func union(a, b, out []int32) []int32 {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			out = append(out, a[0])
			a = a[1:]
		case b[0] < a[0]:
			out = append(out, b[0])
			b = b[1:]
		default:
			out = append(out, a[0])
			a, b = a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}
