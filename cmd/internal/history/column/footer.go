package column

import (
	"fmt"

	"github.com/flowhound/flowhound/cmd/internal/bounded"
)

// layout is what is read of a file's footer: where its pages are.
type layout struct {
	groups []groupLayout
	meta   map[string][]byte // parts of the footer
	place  [Columns]int      // of each column in the file, -1 where it has none
}

type groupLayout struct {
	rows   int
	chunks []chunkLayout
}

// chunkLayout is where a column of a row group stands.
type chunkLayout struct {
	offset int64 // of its dictionary, or of its first page
	size   int64
	codec  codec
}

// codec is how pages are compressed, by the numbers of Parquet.
type codec int8

const (
	stored codec = 0
	zstded codec = 6
)

// parseFooter reads a footer, FileMetaData of the Parquet format. Its numbers stand in
// https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
func parseFooter(b []byte) (*layout, error) {
	l := &layout{meta: map[string][]byte{}}
	c := &compact{bounded.Reader{B: b}}
	leaves := 0
	var err error
	for id, kind := range c.fields() {
		switch {
		case id == 2 && kind == compactList:
			leaves, err = l.schema(c)
		case id == 4 && kind == compactList:
			l.rowGroups(c, leaves)
		case id == 5 && kind == compactList:
			l.metadata(c)
		default:
			c.skip(kind)
		}
		if err != nil {
			return nil, err
		}
	}
	if c.Bad {
		return nil, fmt.Errorf("%w: its footer cannot be read", ErrDamaged)
	}
	return l, nil
}

// physicalTypes are the numbers of the types in which columns stand.
var physicalTypes = [...]int64{Int32: 1, Int64: 2, Address: 7, Country: 6}

// schema finds the columns: a root, and below it nothing but columns that have a value in
// each row.
func (l *layout) schema(c *compact) (leaves int, err error) {
	for id := range l.place {
		l.place[id] = -1
	}
	for i := range c.structs() {
		typ, length, repetition, children := int64(-1), int64(0), int64(-1), int64(0)
		var name []byte
		for id, kind := range c.fields() {
			switch {
			case id == 1 && kind == compactInt32:
				typ = c.number()
			case id == 2 && kind == compactInt32:
				length = c.number()
			case id == 3 && kind == compactInt32:
				repetition = c.number()
			case id == 4 && kind == compactBinary:
				name = c.Prefixed()
			case id == 5 && kind == compactInt32:
				children = c.number()
			default:
				c.skip(kind)
			}
		}
		if c.Bad || i == 0 {
			continue
		}
		id, known := Lookup(string(name))
		switch {
		case children != 0:
			return 0, fmt.Errorf("%w: its columns stand in each other", ErrDamaged)
		case !known: // of a later version of this program
		case typ != physicalTypes[id.Kind()] || repetition != 0 || id.Kind() == Address && length != 16:
			return 0, fmt.Errorf("%w: column %s has another type", ErrDamaged, id)
		default:
			l.place[id] = i - 1
		}
		leaves++
	}
	return leaves, nil
}

func (l *layout) rowGroups(c *compact, leaves int) {
	n := c.structs()
	l.groups = make([]groupLayout, 0, n)
	all := make([]chunkLayout, 0, min(n*leaves, len(c.B)))
	for range n {
		first := len(all)
		g := groupLayout{rows: -1}
		for id, kind := range c.fields() {
			switch {
			case id == 1 && kind == compactList:
				for range c.structs() {
					all = append(all, columnChunk(c))
				}
			case id == 3 && kind == compactInt64:
				if n := c.number(); n >= 0 && n <= maxSorted {
					g.rows = int(n)
				}
			default:
				c.skip(kind)
			}
		}
		if g.chunks = all[first:]; g.rows < 0 || len(g.chunks) != leaves {
			c.Fail()
		}
		l.groups = append(l.groups, g)
	}
}

// columnChunk reads where a column is. What is said of its content is left to its pages.
func columnChunk(c *compact) (out chunkLayout) {
	for id, kind := range c.fields() {
		if id != 3 || kind != compactStruct {
			c.skip(kind)
			continue
		}
		data, dictionary := int64(0), int64(0)
		for id, kind := range c.fields() {
			switch {
			case id == 4 && kind == compactInt32:
				out.codec = codec(min(c.number(), 127))
			case id == 7 && kind == compactInt64:
				out.size = c.number()
			case id == 9 && kind == compactInt64:
				data = c.number()
			case id == 11 && kind == compactInt64:
				dictionary = c.number()
			default:
				c.skip(kind)
			}
		}
		out.offset = data
		if dictionary > 0 && dictionary < data {
			out.offset = dictionary
		}
	}
	return out
}

func (l *layout) metadata(c *compact) {
	for range c.structs() {
		var key string
		var value []byte
		for id, kind := range c.fields() {
			switch {
			case id == 1 && kind == compactBinary:
				key = string(c.Prefixed())
			case id == 2 && kind == compactBinary:
				value = c.Prefixed()
			default:
				c.skip(kind)
			}
		}
		l.meta[key] = value
	}
}
