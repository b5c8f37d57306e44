package column

import (
	"iter"

	"github.com/flowhound/flowhound/cmd/internal/bounded"
)

// compact reads structures of Thrift's compact protocol, in which Parquet has its footer
// and the headers of its pages: of the thousands of fields in a footer few are wanted. What
// cannot be read makes it bad, and it stays so: then there is nothing more to read.
type compact struct{ bounded.Reader }

// The kinds of values.
const (
	compactStop   = 0
	compactTrue   = 1
	compactFalse  = 2
	compactByte   = 3
	compactInt16  = 4
	compactInt32  = 5
	compactInt64  = 6
	compactDouble = 7
	compactBinary = 8
	compactList   = 9
	compactSet    = 10
	compactMap    = 11
	compactStruct = 12
)

// maxNested is how deep structures may stand in each other: those of Parquet do so six times.
const maxNested = 16

func (c *compact) byte() byte {
	if len(c.B) == 0 {
		c.Fail()
		return 0
	}
	v := c.B[0]
	c.B = c.B[1:]
	return v
}

// number reads an integer of 16, 32 or 64 bits.
func (c *compact) number() int64 {
	v := c.Uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// list reads how many values of which kind follow: never more than there are bytes.
func (c *compact) list() (n int, kind byte) {
	head := c.byte()
	size := uint64(head >> 4)
	if size == 15 {
		size = c.Uvarint()
	}
	if size > uint64(len(c.B)) {
		c.Fail()
		return 0, 0
	}
	return int(size), head & 15
}

// structs reads the head of a list of structures; what is none fails.
func (c *compact) structs() int {
	n, kind := c.list()
	if n > 0 && kind != compactStruct {
		c.Fail()
		return 0
	}
	return n
}

// fields gives number and kind of each field of a structure. Its value must be read or
// skipped before the next one.
func (c *compact) fields() iter.Seq2[int, byte] {
	return func(yield func(int, byte) bool) {
		id := 0
		for {
			head := c.byte()
			kind := head & 15
			if kind == compactStop || c.Bad {
				return
			}
			if step := int(head >> 4); step > 0 {
				id += step
			} else {
				id = int(int16(c.number()))
			}
			if !yield(id, kind) || c.Bad {
				return
			}
		}
	}
}

// skip reads a value of a kind that is not wanted.
func (c *compact) skip(kind byte) { c.skipNested(kind, maxNested) }

func (c *compact) skipNested(kind byte, deep int) {
	if deep == 0 {
		c.Fail()
	}
	switch {
	case c.Bad:
	case kind == compactTrue, kind == compactFalse: // the kind is the value
	case kind == compactByte:
		c.byte()
	case kind <= compactInt64:
		c.Uvarint()
	case kind == compactDouble:
		c.Take(8)
	case kind == compactBinary:
		c.Prefixed()
	case kind == compactList, kind == compactSet:
		n, of := c.list()
		for range n {
			c.skipItem(of, deep-1)
		}
	case kind == compactMap:
		c.skipMap(deep - 1)
	case kind == compactStruct:
		for _, kind := range c.fields() {
			c.skipNested(kind, deep-1)
		}
	default:
		c.Fail()
	}
}

func (c *compact) skipMap(deep int) {
	n := c.Uvarint()
	if n == 0 {
		return
	}
	if n > uint64(len(c.B)) {
		c.Fail()
		return
	}
	kinds := c.byte()
	for range n {
		c.skipItem(kinds>>4, deep)
		c.skipItem(kinds&15, deep)
	}
}

// skipItem skips a value of a list or map, where a bool is a byte.
func (c *compact) skipItem(kind byte, deep int) {
	if c.Bad {
		return
	}
	if kind == compactTrue || kind == compactFalse {
		c.byte()
		return
	}
	c.skipNested(kind, deep)
}
