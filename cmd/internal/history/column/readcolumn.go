package column

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"
)

// Column holds the values of one column of a row group. Its memory is reused when it
// is filled again. Values are as the files hold them: Index has a place in the
// dictionary for each row where the column has one, else Int32 or Int64 hold a value
// a row.
type Column struct {
	Index []int32 // nil: no dictionary

	// Of the dictionary, or of the rows where Index is nil. An Address is 16 bytes of
	// Bytes, a Country two.
	Int32 []int32
	Int64 []int64
	Bytes []byte

	two bool // Bytes holds countries
}

// Address returns the value of a dictionary's place in a column of addresses.
func (c *Column) Address(i int32) [16]byte { return [16]byte(c.Bytes[16*i:]) }

// Country returns the value of a dictionary's place in a column of countries.
func (c *Column) Country(i int32) [2]byte { return [2]byte(c.Bytes[2*i:]) }

// Value returns the number in a row, whatever the column's kind and encoding: for the
// few rows that are wanted. (Of addresses and countries it is the dictionary's place.)
func (c *Column) Value(row int) int64 {
	if c.Index != nil {
		row = int(c.Index[row])
	}
	switch {
	case c.Int64 != nil:
		return c.Int64[row]
	case c.Int32 != nil:
		return int64(c.Int32[row])
	}
	return int64(row)
}

// Column reads a column of a row group. A column that the file does not have, as one
// that a later version of this program added, has its default in every row.
func (f *File) Column(group int, id ID, c *Column) (err error) {
	defer recovered(&err)
	c.Index, c.Int32, c.Int64, c.Bytes = c.Index[:0], c.Int32[:0], c.Int64[:0], c.Bytes[:0]
	rows := f.GroupLen(group)
	if f.place[id] < 0 {
		c.constant(id, rows)
		return nil
	}
	pages := f.parquet.RowGroups()[group].ColumnChunks()[f.place[id]].Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	n := 0
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("column %s: %w", id, err)
		}
		if n += int(page.NumRows()); n > rows {
			return fmt.Errorf("%w: column %s has more than %d rows", ErrDamaged, id, rows)
		}
		if len(c.Index) == 0 && page.Dictionary() != nil { // one allocation, not ten
			c.Index = slices.Grow(c.Index, rows)
		}
		err = c.add(id, page)
		parquet.Release(page)
		if err != nil {
			return fmt.Errorf("column %s: %w", id, err)
		}
	}
	if n != rows {
		return fmt.Errorf("%w: column %s has %d rows of %d", ErrDamaged, id, n, rows)
	}
	return c.settle()
}

// constant makes the column of a file that has none.
func (c *Column) constant(id ID, rows int) {
	c.Index = grow(c.Index, rows)
	clear(c.Index)
	switch id.Kind() {
	case Int32:
		c.Int32 = append(c.Int32, 0)
	case Int64:
		c.Int64 = append(c.Int64, 0)
	case Address:
		c.Bytes = append(c.Bytes, make([]byte, 16)...)
	case Country:
		c.Bytes = append(c.Bytes, "--"...)
	}
	_ = c.settle()
}

// settle checks the places, and makes nil what the column does not have.
func (c *Column) settle() error {
	if len(c.Int32) == 0 {
		c.Int32 = nil
	}
	if len(c.Int64) == 0 {
		c.Int64 = nil
	}
	if len(c.Index) == 0 {
		c.Index = nil
		return nil
	}
	var a, b, most uint32 // two at a time: a tenth of a large question was spent here
	for i := 0; i+1 < len(c.Index); i += 2 {
		a, b = max(a, uint32(c.Index[i])), max(b, uint32(c.Index[i+1]))
	}
	most = max(a, b, uint32(c.Index[len(c.Index)-1]))
	if most >= uint32(c.values()) {
		return fmt.Errorf("%w: a value is not in its dictionary", ErrDamaged)
	}
	return nil
}

// values returns how many values there are, in the dictionary or without one.
func (c *Column) values() int {
	return max(len(c.Int32), len(c.Int64), len(c.Bytes)/c.width())
}

func (c *Column) width() int {
	if c.two {
		return 2
	}
	return 16
}

// add appends the values of a page.
func (c *Column) add(id ID, page parquet.Page) error {
	c.two = id.Kind() == Country
	data := page.Data()
	dict := page.Dictionary()
	if dict == nil {
		switch id.Kind() {
		case Int32:
			c.Int32 = append(c.Int32, data.Int32()...)
		case Int64:
			c.Int64 = append(c.Int64, data.Int64()...)
		default:
			return fmt.Errorf("%w: it has no dictionary", ErrDamaged)
		}
		return nil
	}
	if len(c.Index) == 0 {
		if err := c.addDictionary(id, dict); err != nil {
			return err
		}
	}
	c.Index = append(c.Index, data.Int32()...)
	return nil
}

// addDictionary copies the values of a dictionary.
func (c *Column) addDictionary(id ID, dict parquet.Dictionary) error {
	values := dict.Page()
	d := values.Data()
	switch id.Kind() {
	case Int32:
		c.Int32 = append(c.Int32, d.Int32()...)
	case Int64:
		c.Int64 = append(c.Int64, d.Int64()...)
	case Address:
		b, size := d.FixedLenByteArray()
		if size != 16 {
			return fmt.Errorf("%w: its addresses have %d bytes", ErrDamaged, size)
		}
		c.Bytes = append(c.Bytes, b...)
	default:
		b, ends := d.ByteArray()
		for i := 1; i < len(ends); i++ {
			if ends[i]-ends[i-1] != 2 {
				return fmt.Errorf("%w: a country has not two letters", ErrDamaged)
			}
		}
		c.Bytes = append(c.Bytes, b...)
	}
	return nil
}
