package column

import (
	"fmt"
	"unsafe"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// Rows appends rows of a row group, all columns of them: rows holds their places in
// ascending order. It is the last step of a search, for the rows that are wanted.
func (f *File) Rows(group int, rows []int32, to []Row) ([]Row, error) {
	first := len(to)
	to = append(to, make([]Row, len(rows))...)
	out := to[first:]
	n := f.GroupLen(group)
	for _, at := range rows {
		if at < 0 || int(at) >= n {
			return nil, fmt.Errorf("row %d of %d", at, n)
		}
	}
	var c Column
	for id := range Columns {
		if err := f.Column(group, id, &c); err != nil {
			return nil, err
		}
		c.fill(out, id, rows)
	}
	return to, nil
}

// fill sets a column of rows. A field is found by its offset: with reflection a row
// takes 2 us.
func (c *Column) fill(out []Row, id ID, rows []int32) {
	offset := specs[id].offset
	for i, at := range rows {
		field := unsafe.Add(unsafe.Pointer(&out[i]), offset)
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
