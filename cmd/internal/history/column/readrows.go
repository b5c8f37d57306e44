package column

import (
	"fmt"
	"reflect"

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
		for i, at := range rows {
			c.set(&out[i], id, int(at))
		}
	}
	return to, nil
}

// set sets a row's column by reflection: a row is wanted rarely.
func (c *Column) set(row *Row, id ID, at int) {
	field := reflect.ValueOf(row).Elem().Field(int(id))
	switch id.Kind() {
	case Address:
		field.Set(reflect.ValueOf(c.Address(c.Index[at])))
	case Country:
		cc := c.Country(c.Index[at])
		field.SetString(country(cc))
	default:
		field.SetInt(c.Value(at))
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
