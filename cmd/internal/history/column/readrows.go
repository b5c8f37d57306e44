package column

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"unsafe"

	"github.com/parquet-go/parquet-go"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// Rows appends rows of a row group: rows holds their places in ascending order. It is the
// last step of a search, for the rows that are wanted. only names the columns that are read,
// the others are zero; none: all.
func (f *File) Rows(group int, rows []int32, to []Row, only ...ID) ([]Row, error) {
	return f.RowsWith(group, rows, to, func(ID) *Column { return nil }, only...)
}

// RowsWith is Rows for a reader that has read some columns of the row group already: have
// returns these, nil for the others.
func (f *File) RowsWith(group int, rows []int32, to []Row, have func(ID) *Column, only ...ID) ([]Row, error) {
	first := len(to)
	to = append(to, make([]Row, len(rows))...)
	out := to[first:]
	n := f.GroupLen(group)
	for _, at := range rows {
		if at < 0 || int(at) >= n {
			return nil, fmt.Errorf("row %d of %d", at, n)
		}
	}
	for id := range Columns {
		if len(only) > 0 && !slices.Contains(only, id) {
			continue
		}
		if c := have(id); c != nil {
			c.fill(out, id, rows, 0)
		} else if err := f.pick(group, id, rows, out); err != nil {
			return nil, err
		}
	}
	return to, nil
}

// fill sets a column of rows, of which c has those from before on. A field is found by its
// offset: with reflection a row takes 2 us.
func (c *Column) fill(out []Row, id ID, rows []int32, before int32) {
	offset := specs[id].offset
	for i, at := range rows {
		at -= before
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

// picked are the columns in which pick keeps dictionaries, of each kind.
var picked [Country + 1]sync.Pool

// clear empties a column that is filled with values of the same kind again.
func (c *Column) clear(id ID) {
	*c = Column{Int32: c.Int32[:0], Int64: c.Int64[:0], Bytes: c.Bytes[:0], two: id.Kind() == Country}
	if id.Kind() != Int32 { // a column has no values of other kinds, rather than none
		c.Int32 = nil
	}
	if id.Kind() != Int64 {
		c.Int64 = nil
	}
}

// pick sets one column of rows, from the pages that hold them.
func (f *File) pick(group int, id ID, rows []int32, out []Row) (err error) {
	defer recovered(&err)
	if f.place[id] < 0 {
		var c Column
		c.constant(id, f.GroupLen(group))
		c.fill(out, id, rows, 0)
		return nil
	}
	pages := f.parquet.RowGroups()[group].ColumnChunks()[f.place[id]].Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	c, _ := picked[id.Kind()].Get().(*Column)
	if c == nil {
		c = &Column{}
	}
	defer picked[id.Kind()].Put(c)
	c.clear(id)
	for before := int32(0); len(rows) > 0; {
		page, err := pages.ReadPage()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("%w: it ends before row %d", ErrDamaged, rows[0])
			}
			return fmt.Errorf("column %s: %w", id, err)
		}
		end, n := before+int32(page.NumRows()), 0
		for n < len(rows) && rows[n] < end {
			n++
		}
		if n > 0 {
			err = c.pickFrom(page, id, before, rows[:n], out[:n])
		}
		parquet.Release(page)
		if err != nil {
			return fmt.Errorf("column %s: %w", id, err)
		}
		before, rows, out = end, rows[n:], out[n:]
	}
	return nil
}

// pickFrom sets a column of the rows that stand in a page, whose first is before. c keeps
// the dictionary from page to page.
func (c *Column) pickFrom(page parquet.Page, id ID, before int32, rows []int32, out []Row) error {
	if dict := page.Dictionary(); dict != nil {
		if c.values() == 0 {
			if err := c.addDictionary(id, dict); err != nil {
				return err
			}
		}
		data := page.Data()
		c.Index = data.Int32()
	} else {
		c.Int32, c.Int64 = c.Int32[:0], c.Int64[:0]
		if err := c.add(id, page); err != nil {
			return err
		}
	}
	values := c.values()
	for _, at := range rows {
		place := int(at - before)
		if c.Index != nil {
			if place >= len(c.Index) || uint32(c.Index[place]) >= uint32(values) {
				return fmt.Errorf("%w: a value is not in its dictionary", ErrDamaged)
			}
		} else if place >= values {
			return fmt.Errorf("%w: a page has %d rows", ErrDamaged, values)
		}
	}
	c.fill(out, id, rows, before)
	return nil
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
