package column

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// Rows appends rows of a row group: rows holds their places in ascending order. only names
// the columns that are read, the others are zero; none: all.
func (f *File) Rows(group int, rows []int32, to []Row, only ...ID) ([]Row, error) {
	var c Column
	return f.RowsOf(group, rows, to, func(id ID) (*Column, error) {
		if err := f.Begin(group, id, &c); err != nil {
			return nil, err
		}
		return &c, nil
	}, only...)
}

// RowsOf is Rows for a reader that has columns of its own: begun returns them. It is the
// last step of a search, for the rows that are wanted.
func (f *File) RowsOf(group int, rows []int32, to []Row, begun func(ID) (*Column, error), only ...ID) ([]Row, error) {
	if Wants(only, ReceivedNth) { // it is a place in that list
		if _, err := f.at(); err != nil {
			return nil, err
		}
	}
	first := len(to)
	to = append(to, make([]Row, len(rows))...)
	n := f.GroupLen(group)
	for _, at := range rows {
		if at < 0 || int(at) >= n {
			return nil, fmt.Errorf("row %d of %d", at, n)
		}
	}
	for id := range Columns {
		if !Wants(only, id) {
			continue
		}
		c, err := begun(id)
		if err != nil {
			return nil, err
		}
		if err := c.Need(rows); err != nil {
			return nil, fmt.Errorf("column %s: %w", id, err)
		}
		c.fill(to[first:], id, rows)
	}
	return to, nil
}

// Wants reports whether a column is among those asked for; none means all.
func Wants(only []ID, id ID) bool { return len(only) == 0 || slices.Contains(only, id) }

// fill sets a column of rows. A field is found by its offset: with reflection a row takes
// 2 us.
func (c *Column) fill(out []Row, id ID, rows []int32) {
	offset := specs[id].offset
	for i, at := range rows {
		field := unsafe.Add(unsafe.Pointer(&out[i]), offset) //nolint:gosec // the offset is that of a field of Row
		switch id.Kind() {
		case Address:
			*(*[16]byte)(field) = c.Address(c.Index[at])
		case Country:
			*(*string)(field) = country(c.Country(c.Index[at]))
		case Int32:
			*(*int32)(field) = int32(c.Value(int(at)))
		default:
			*(*int64)(field) = c.Value(int(at))
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
