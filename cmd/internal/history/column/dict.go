package column

import (
	"cmp"
	"encoding/binary"
	"math/bits"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// dict gives the values of a column numbers, in the order in which they come first: an
// open hash table over a list. An address column has addresses, all others numbers (a
// country is its two letters). Its memory is reused.
type dict struct {
	slots     []int32 // place in the list + 1
	numbers   []int64
	addresses []flow.Addr
}

const dictSlots = 256 // at first

func (d *dict) reset() { d.resetFor(0) }

// resetFor is reset for so many values, or about as many.
func (d *dict) resetFor(n int) {
	size := dictSlots
	for size < 2*n {
		size <<= 1
	}
	d.slots = grow(d.slots, size)
	clear(d.slots)
	d.numbers, d.addresses = d.numbers[:0], d.addresses[:0]
}

func (d *dict) len() int { return max(len(d.numbers), len(d.addresses)) }

// number returns the place of v, which is added if it is new.
func (d *dict) number(v int64) int32 { return place(d, &d.numbers, hashNumber(v), v) }

// address is number for addresses.
func (d *dict) address(a flow.Addr) int32 { return place(d, &d.addresses, mix(a.Hi, a.Lo), a) }

// hashNumber is mix for one number: the upper half of a product with a secret number
// depends on all of its bits.
func hashNumber(v int64) uint64 {
	high, low := bits.Mul64(uint64(v)+seed[1], seed[0])
	return high ^ low
}

// place returns the place of v, whose hash is given, in the list of a dict.
func place[T comparable](d *dict, list *[]T, hash uint64, v T) int32 {
	mask := uint64(len(d.slots) - 1)
	for p := hash & mask; ; p = (p + 1) & mask {
		at := d.slots[p]
		if at == 0 {
			*list = append(*list, v)
			n := len(*list)
			d.slots[p] = int32(n)
			d.widen(n)
			return int32(n - 1)
		}
		if (*list)[at-1] == v {
			return at - 1
		}
	}
}

// widen makes the table four times larger when half of it is taken by n values.
func (d *dict) widen(n int) {
	if 2*n < len(d.slots) {
		return
	}
	d.slots = grow(d.slots, 4*len(d.slots))
	clear(d.slots)
	mask := uint64(len(d.slots) - 1)
	put := func(hash uint64, i int) {
		p := hash & mask
		for d.slots[p] != 0 {
			p = (p + 1) & mask
		}
		d.slots[p] = int32(i + 1)
	}
	for i, v := range d.numbers {
		put(hashNumber(v), i)
	}
	for i, a := range d.addresses {
		put(mix(a.Hi, a.Lo), i)
	}
}

// encode appends the values as PLAIN has them, and returns the least and the most of
// them in the same form.
func (d *dict) encode(b []byte, kind Kind) (out, least, most []byte) {
	if kind == Address {
		low, high := d.addresses[0], d.addresses[0]
		for _, a := range d.addresses {
			b = appendAddress(b, a)
			if a.Compare(low) < 0 {
				low = a
			}
			if a.Compare(high) > 0 {
				high = a
			}
		}
		return b, appendAddress(nil, low), appendAddress(nil, high)
	}
	for _, v := range d.numbers {
		if kind == Country {
			b = binary.LittleEndian.AppendUint32(b, 2)
		}
		b = appendNumber(b, v, kind)
	}
	low, high := bounds(d.numbers)
	return b, appendNumber(nil, low, kind), appendNumber(nil, high, kind)
}

func appendAddress(b []byte, a flow.Addr) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, a.Hi), a.Lo)
}

// appendNumber appends a value of a kind; a country without its length.
func appendNumber(b []byte, v int64, kind Kind) []byte {
	switch kind {
	case Int32:
		return binary.LittleEndian.AppendUint32(b, uint32(v))
	case Country:
		return append(b, byte(v>>8), byte(v))
	default:
		return binary.LittleEndian.AppendUint64(b, uint64(v))
	}
}

func bounds[T cmp.Ordered](v []T) (least, most T) {
	least, most = v[0], v[0]
	for _, x := range v {
		least, most = min(least, x), max(most, x)
	}
	return least, most
}
