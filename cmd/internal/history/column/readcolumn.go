package column

import (
	"errors"
	"fmt"
	"slices"
)

// Column holds the values of one column of a row group. Its memory is reused when it
// is filled again. Values are as the files hold them: Index has a place in the
// dictionary for each row where the column has one, else Int32 or Int64 hold a value
// a row. Whoever wants few rows reads few pages: see File.Begin.
type Column struct {
	Index []int32 // nil: no dictionary. It must not be changed

	// Of the dictionary, or of the rows where Index is nil. An Address is 16 bytes of
	// Bytes, a Country two.
	Int32 []int32
	Int64 []int64
	Bytes []byte

	kind   Kind
	codec  codec
	chunk  []byte // as it stands in the file
	frames []page // of the dictionary, by the places of their first values; without content once they are unpacked
	pages  []page // of chunk that are not unpacked yet, by their first rows
	rows   int    // that there is no room for yet
	of     *checked
	page   []byte
	index  []int32 // what Index is made of
	single bool    // all rows have the only value of the dictionary
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
	if err := f.Begin(group, id, c); err != nil {
		return err
	}
	if err := c.All(); err != nil {
		return fmt.Errorf("column %s: %w", id, err)
	}
	return nil
}

// Begin is Column for a reader that wants some rows: it reads the dictionary, and that of
// which rows Need or All were told follows.
func (f *File) Begin(group int, id ID, c *Column) (err error) {
	if err := f.begin(group, id, c, false); err != nil {
		return err
	}
	defer recovered(&err)
	if err := c.dictionary(); err != nil {
		return fmt.Errorf("column %s: %w", id, err)
	}
	return nil
}

// fewRows are so few that their pages are read one by one.
const fewRows = 8

// BeginRows is Begin for RowsOf, which reads of so many rows what they have of the dictionary,
// too. Until then the column's values must not be looked at.
func (f *File) BeginRows(group int, id ID, c *Column, rows int) error {
	return f.begin(group, id, c, rows <= fewRows)
}

// begin is Begin without the values of the dictionary, and with single pages, if asked so,
// without what is in the others.
func (f *File) begin(group int, id ID, c *Column, single bool) (err error) {
	defer recovered(&err)
	rows := f.GroupLen(group)
	c.reset(id)
	place := f.layout.place[id]
	if place < 0 {
		c.constant(id, rows)
		return nil
	}
	at := &f.layout.groups[group].chunks[place]
	c.codec = at.codec
	var lengths, b []byte
	if single {
		lengths, err = f.lengthsOf(group, place)
	}
	switch {
	case err != nil:
	case len(lengths) > 0:
		err = c.beginPages(id, f.pages, at, lengths, rows)
	default:
		if b, err = f.pages.read(&c.chunk, at.offset, at.size); err == nil {
			err = c.begin(id, b, rows)
		}
	}
	if err != nil {
		return fmt.Errorf("column %s: %w", id, err)
	}
	return nil
}

func (c *Column) reset(id ID) {
	c.Index, c.Int32, c.Int64, c.Bytes = nil, c.Int32[:0], c.Int64[:0], c.Bytes[:0]
	c.kind, c.single, c.frames, c.pages, c.rows = id.Kind(), false, c.frames[:0], c.pages[:0], 0
}

// begin reads the headers of a chunk's pages.
func (c *Column) begin(id ID, b []byte, rows int) error {
	n, hasDictionary := 0, false
	for len(b) > 0 && n < rows {
		p, kind, rest, err := nextPage(b)
		if err != nil {
			return err
		}
		switch b = rest; {
		case kind == dictionaryPage && n == 0 && !hasDictionary && p.rows <= rows:
			if err := c.sized(&p); err != nil {
				return err
			}
			hasDictionary = true
		case (kind == dataPage || kind == dataPage2) && p.rows <= rows-n:
			p.first = n
			n += p.rows
			c.pages = append(c.pages, p)
		case kind != indexPage:
			return fmt.Errorf("%w: it has a page that does not belong there", ErrDamaged)
		}
	}
	if n != rows {
		return fmt.Errorf("%w: it has %d rows of %d", ErrDamaged, n, rows)
	}
	return c.prepare(id, rows, hasDictionary)
}

// prepare makes nil what the column does not have. For the rows there is room when some are
// read: of most columns of a search, none are.
func (c *Column) prepare(id ID, rows int, hasDictionary bool) error {
	c.rows = rows
	switch {
	case hasDictionary && c.values() == 1:
		c.single = true
		c.Index, c.rows = noughts(rows), 0
	case hasDictionary:
		c.Index = []int32{}
	case id.Kind() != Int32 && id.Kind() != Int64:
		return fmt.Errorf("%w: it has no dictionary", ErrDamaged)
	}
	c.Int32, c.Int64 = onlyFor(id, Int32, c.Int32), onlyFor(id, Int64, c.Int64)
	return nil
}

// onlyFor returns values for a column of their kind, nil for others.
func onlyFor[T any](id ID, kind Kind, values []T) []T {
	switch {
	case id.Kind() != kind:
		return nil
	case values == nil:
		return []T{}
	}
	return values
}

// room makes room for all rows.
func (c *Column) room() {
	switch {
	case c.rows == 0:
	case c.Index != nil:
		c.index = grow(c.index, c.rows)
		c.Index = c.index
	case c.Int32 != nil:
		c.Int32 = grow(c.Int32, c.rows)
	default:
		c.Int64 = grow(c.Int64, c.rows)
	}
	c.rows = 0
}

// nought is the index of columns that have one value in all rows.
var nought [GroupRows + GroupRows/2]int32

func noughts(rows int) []int32 {
	if rows > len(nought) {
		return make([]int32, rows)
	}
	return nought[:rows:rows]
}

// constant makes the column of a file that has none.
func (c *Column) constant(id ID, rows int) {
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
	_ = c.prepare(id, rows, true) // it has a dictionary
}

// All reads all rows of a column that was begun.
func (c *Column) All() (err error) {
	if c.single {
		return nil
	}
	defer recovered(&err)
	c.room()
	for i := range c.pages {
		if err := c.load(&c.pages[i]); err != nil {
			return err
		}
	}
	c.pages = c.pages[:0]
	return nil
}

// check reads all pages of a column that was begun, also where the dictionary says it all.
func (c *Column) check() error {
	if c.single && len(c.pages) > 0 {
		c.single = false
		c.index = grow(c.index, len(c.Index))
		c.Index = c.index
	}
	return c.All()
}

// Need reads the pages that hold some rows, which stand in ascending order. The others of
// the column must not be looked at.
func (c *Column) Need(rows []int32) (err error) {
	if len(c.pages) == 0 || len(rows) == 0 || c.single {
		return nil
	}
	defer recovered(&err)
	c.room()
	left := c.pages[:0]
	for i := range c.pages {
		p := c.pages[i]
		at, _ := slices.BinarySearch(rows, int32(p.first))
		if rows = rows[at:]; len(rows) == 0 || int(rows[0]) >= p.first+p.rows {
			left = append(left, p)
			continue
		}
		if err := c.load(&p); err != nil {
			return err
		}
	}
	c.pages = left
	return nil
}

// Where appends the rows that have one of a few places of the dictionary. It keeps no page
// that it reads: who looks for one address needs a page or two of all that it may stand in.
func (c *Column) Where(places []int32, to []int32) (out []int32, err error) {
	defer recovered(&err)
	row := 0
	read := func(end int) {
		for ; row < end; row++ {
			if slices.Contains(places, c.Index[row]) {
				to = append(to, int32(row))
			}
		}
	}
	if !c.single {
		for i := range c.pages {
			p := &c.pages[i]
			read(p.first)
			if to, err = p.where(c.codec, places, to); err != nil {
				return nil, err
			}
			row = p.first + p.rows
		}
	}
	read(len(c.Index))
	return to, nil
}

// load reads the rows of a page.
func (c *Column) load(p *page) error {
	from, to := p.first, p.first+p.rows
	switch {
	case c.Index != nil:
		return p.places(c.codec, c.index[from:to], c.values())
	case c.Int32 != nil:
		return p.numbers(c.codec, c.Int32[from:to], nil)
	case c.Int64 != nil:
		return p.numbers(c.codec, nil, c.Int64[from:to])
	}
	return errors.New("a column was not begun")
}
