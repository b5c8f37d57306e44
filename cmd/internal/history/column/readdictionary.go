package column

import (
	"encoding/binary"
	"fmt"
	"sort"
)

var errDictionary = fmt.Errorf("%w: its dictionary has another size than its header says", ErrDamaged)

// sized makes room for the values of a dictionary.
func (c *Column) sized(p *page) error {
	if p.rows == 0 || p.size != p.rows*dictionaryBytes[c.kind] {
		return errDictionary
	}
	if err := p.plausible(); err != nil {
		return err
	}
	c.frames = p.frames(c.codec, dictionaryBytes[c.kind], c.frames)
	n := p.rows
	switch c.kind {
	case Int32:
		c.Int32 = grow(c.Int32, n)
	case Int64:
		c.Int64 = grow(c.Int64, n)
	default:
		c.Bytes = grow(c.Bytes, n*c.width()+padding)[:n*c.width()]
	}
	return nil
}

// dictionary reads the values of the dictionary.
func (c *Column) dictionary() error {
	for i := range c.frames {
		if err := c.unpack(&c.frames[i]); err != nil {
			return err
		}
	}
	c.frames = c.frames[:0]
	return nil
}

// has reads the values of some places of the dictionary.
func (c *Column) has(places ...int64) error {
	if len(c.frames) == 0 {
		return nil
	}
	for _, at := range places {
		i := sort.Search(len(c.frames), func(i int) bool { return c.frames[i].first > int(at) }) - 1
		if i < 0 || c.frames[i].content == nil {
			continue
		}
		if err := c.unpack(&c.frames[i]); err != nil {
			return err
		}
		c.frames[i].content = nil
	}
	return nil
}

// unpack reads a frame of the dictionary.
func (c *Column) unpack(p *page) error {
	s, _ := scratches.Get().(*scratch)
	defer scratches.Put(s)
	whole := c.kind == Address && 16*p.rows == len(c.Bytes)
	to := &s.bytes
	if whole { // at once where it belongs
		to = &c.Bytes
	}
	b, err := p.unpack(c.codec, *to)
	if err != nil {
		return err
	}
	*to = b
	if whole {
		return nil
	}
	switch c.kind {
	case Address:
		copy(c.Bytes[16*p.first:], b)
	case Int32:
		plain32(c.Int32[p.first:][:p.rows], b)
	case Int64:
		plain64(c.Int64[p.first:][:p.rows], b)
	default:
		for i := range p.rows {
			if binary.LittleEndian.Uint32(b[6*i:]) != 2 {
				return fmt.Errorf("%w: a country has not two letters", ErrDamaged)
			}
			copy(c.Bytes[2*(p.first+i):], b[6*i+4:6*i+6])
		}
	}
	return nil
}

// dictionaryBytes is what a value takes in a dictionary; the two letters of a country
// stand behind their length.
var dictionaryBytes = [...]int{Int32: 4, Int64: 8, Address: 16, Country: 6}

// values returns how many values there are, in the dictionary or without one.
func (c *Column) values() int {
	return max(len(c.Int32), len(c.Int64), len(c.Bytes)/c.width())
}

func (c *Column) width() int {
	if c.kind == Country {
		return 2
	}
	return 16
}
