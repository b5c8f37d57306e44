package column

import (
	"fmt"
	"math"
	"slices"
	"unsafe"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// Rows appends rows of a row group: rows holds their places in ascending order. only names
// the columns that are read, the others are zero; none: all.
func (f *File) Rows(group int, rows []int32, to []Row, only ...ID) ([]Row, error) {
	var c Column
	return f.RowsOf(group, rows, to, func(id ID) (*Column, error) {
		return &c, f.BeginRows(group, id, &c, len(rows))
	}, only...)
}

// RowsOf is Rows for a reader that has columns of its own: begun returns them. It is the
// last step of a search, for the rows that are wanted.
func (f *File) RowsOf(group int, rows []int32, to []Row, begun func(ID) (*Column, error), only ...ID) ([]Row, error) {
	first := len(to)
	to = append(to, make([]Row, len(rows))...)
	n := f.GroupLen(group)
	for _, at := range rows {
		if at < 0 || int(at) >= n {
			return nil, fmt.Errorf("row %d of %d", at, n)
		}
	}
	var values []int64
	for id := range Columns {
		if !Wants(only, id) {
			continue
		}
		c, err := begun(id)
		if err != nil {
			return nil, err
		}
		values = grow(values, len(rows))
		if err := c.some(rows, values); err != nil {
			return nil, fmt.Errorf("column %s: %w", id, err)
		}
		c.fill(to[first:], id, values)
	}
	if Wants(only, ReceivedNth) { // it is a place in the list of arrivals
		at, err := f.arrived()
		if err == nil {
			err = at.need(to[first:])
		}
		if err != nil {
			return nil, err
		}
	}
	return to, nil
}

// Wants reports whether a column is among those asked for; none means all.
func Wants(only []ID, id ID) bool { return len(only) == 0 || slices.Contains(only, id) }

// some sets to to what stands in some rows, which stand in ascending order: numbers, of
// addresses and countries their places in the dictionary. Of pages that nobody has read
// so far nothing else is kept, so that the memory of all rows is not touched.
func (c *Column) some(rows []int32, to []int64) (err error) {
	defer recovered(&err)
	pages := c.pages
	if c.single {
		pages = nil
		if err := c.has(0); err != nil {
			return err
		}
	}
	for n := 0; len(rows) > 0; rows, to = rows[n:], to[n:] {
		for len(pages) > 0 && int(rows[0]) >= pages[0].first+pages[0].rows {
			pages = pages[1:]
		}
		unread := len(pages) > 0 && int(rows[0]) >= pages[0].first
		end := math.MaxInt
		switch {
		case unread:
			end = pages[0].first + pages[0].rows
		case len(pages) > 0:
			end = pages[0].first
		}
		for n = 0; n < len(rows) && int(rows[n]) < end; n++ {
			if !unread {
				to[n] = c.Value(int(rows[n]))
			}
		}
		if unread {
			if err := c.loadSome(&pages[0], rows[:n], to[:n]); err != nil {
				return err
			}
		}
	}
	return nil
}

// loadSome is load for some rows.
func (c *Column) loadSome(p *page, rows []int32, to []int64) error {
	p, err := c.fetched(p)
	if err != nil {
		return err
	}
	if c.Index == nil {
		return p.numbersOf(c.codec, rows, to, c.Int64 != nil)
	}
	if err := p.placesOf(c.codec, rows, to, c.values()); err != nil {
		return err
	}
	if err := c.has(to...); err != nil {
		return err
	}
	for i, place := range to {
		switch {
		case c.Int64 != nil:
			to[i] = c.Int64[place]
		case c.Int32 != nil:
			to[i] = int64(c.Int32[place])
		}
	}
	return nil
}

// fill sets a column of rows. A field is found by its offset: with reflection a row takes
// 2 us.
func (c *Column) fill(out []Row, id ID, values []int64) {
	offset := specs[id].offset
	for i, v := range values {
		field := unsafe.Add(unsafe.Pointer(&out[i]), offset) //nolint:gosec // the offset is that of a field of Row
		switch id.Kind() {
		case Address:
			*(*[16]byte)(field) = c.Address(int32(v))
		case Country:
			*(*string)(field) = country(c.Country(int32(v)))
		case Int32:
			*(*int32)(field) = int32(v)
		default:
			*(*int64)(field) = v
		}
	}
}

// Records appends all flow records of a row group.
func (f *File) Records(group int, to []flow.Record) ([]flow.Record, error) {
	all := make([]int32, f.GroupLen(group))
	for i := range all {
		all[i] = int32(i)
	}
	rows, err := f.Rows(group, all, nil)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		to = rows[i].AppendRecords(to, f)
	}
	return to, nil
}
