package query

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// coded is the values of one Key for some rows of a group, as small numbers: places in
// dictionaries instead of addresses.
type coded struct {
	key   *Key
	codes []uint64
	bits  int

	base    int64       // of steps of time
	group   *group      // which has the dictionaries
	columns []column.ID // of addresses: in whose dictionaries they stand
	offsets []uint64    // and from which code on; 0 is not an address
	size    uint64
	hashes  []uint64 // of the addresses of all codes
}

// code sets codes for the rows of sel.
func (c *coded) code(g *group, k *Key, f Field, w way, sel []int32) {
	c.key, c.group = k, g
	c.codes = c.codes[:0]
	switch form := fields[f].form; {
	case k.Step > 0:
		c.codeTime(w, sel)
	case form == formAddress:
		c.codeAddress(f, w, sel)
	case form == formCountry:
		id := directs[f].forward
		if w == reverse {
			id = directs[f].reverse
		}
		col := g.col(id, sel)
		for _, row := range sel {
			c.codes = append(c.codes, uint64(lettersOf(binary.BigEndian.Uint16(col.Bytes[2*col.Index[row]:]))))
		}
		c.bits = 16
	default:
		c.codes = g.numbers(f, w, sel, c.codes)
		c.bits = 8 * k.Width()
		limit := uint64(1)<<c.bits - 1
		for i, n := range c.codes {
			c.codes[i] = min(n, limit)
		}
	}
}

func (c *coded) codeTime(w way, sel []int32) {
	c.base = math.MaxInt64
	last := int64(math.MinInt64)
	at := c.group.begin(w, sel, nil)
	for i, ms := range at {
		at[i] = c.key.step(ms)
		c.base, last = min(c.base, at[i]), max(last, at[i])
	}
	for _, step := range at {
		c.codes = append(c.codes, uint64(step-c.base))
	}
	c.bits = bits.Len64(uint64(last - c.base))
}

func (c *coded) codeAddress(f Field, w way, sel []int32) {
	c.columns, c.offsets, c.size = c.columns[:0], c.offsets[:0], 1 // 0 is none
	parts := c.group.parts(f, w, sel)
	if len(parts) == 1 && !parts[0].constant {
		offset := c.dictionary(parts[0].column)
		index := c.group.col(parts[0].column, sel).Index
		for _, row := range sel {
			c.codes = append(c.codes, offset+uint64(index[row]))
		}
	} else {
		for range sel {
			c.codes = append(c.codes, 0)
		}
		for _, p := range parts {
			if p.constant || len(p.rows) == 0 {
				continue
			}
			offset, index, j := c.dictionary(p.column), c.group.col(p.column, p.rows).Index, 0
			for i, row := range sel {
				if j == len(p.rows) {
					break
				}
				if p.rows[j] == row {
					c.codes[i] = offset + uint64(index[row])
					j++
				}
			}
		}
	}
	c.bits = bits.Len64(c.size)
}

// dictionary returns from which code on the addresses of a column have theirs.
func (c *coded) dictionary(id column.ID) uint64 {
	for i, other := range c.columns {
		if other == id {
			return c.offsets[i]
		}
	}
	offset := c.size
	c.columns, c.offsets = append(c.columns, id), append(c.offsets, offset)
	c.size += uint64(len(c.group.begun(id).Bytes) / 16)
	return offset
}

// append packs the value of a code.
func (c *coded) append(b []byte, code uint64) []byte {
	switch {
	case c.key.Step > 0:
		return c.key.appendNumber(b, uint64(c.base+int64(code)))
	case c.key.Width() == 16:
		return c.key.appendAddress(b, c.address(code))
	}
	return c.key.appendNumber(b, code)
}

// address returns the address of a code.
func (c *coded) address(code uint64) flow.Addr {
	for i := len(c.columns) - 1; i >= 0; i-- {
		if code >= c.offsets[i] {
			return flow.AddrFrom16(c.group.begun(c.columns[i]).Bytes[16*(code-c.offsets[i]):])
		}
	}
	return flow.Addr{}
}

// addressHashes returns the hash of the address of each code.
func (c *coded) addressHashes() []uint64 {
	c.hashes = append(c.hashes[:0], hashAddress(c.network(flow.Addr{})))
	for i := range c.columns {
		for b := c.group.begun(c.columns[i]).Bytes; len(b) >= 16; b = b[16:] {
			c.hashes = append(c.hashes, hashAddress(c.network(flow.AddrFrom16(b))))
		}
	}
	return c.hashes
}

func (c *coded) network(a flow.Addr) flow.Addr {
	if c.key.Bits4 > 0 {
		return c.key.network(a)
	}
	return a
}
