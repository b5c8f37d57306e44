package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/klauspost/compress/s2"

	"github.com/flowhound/flowhound/cmd/internal/bounded"
	"github.com/flowhound/flowhound/cmd/internal/flow"
)

var errBlock = errors.New("a block is damaged")

// decoder reads blocks.
type decoder struct {
	values, upper, some [MaxBlock]uint64
	raw                 []byte // of an old block
}

// decode appends the n records of a block's content, whose checksum is right.
func (d *decoder) decode(to []flow.Record, n int, content []byte, old bool, fields []field) ([]flow.Record, error) {
	if n < 1 || n > MaxBlock {
		return to, errBlock
	}
	field := d.field
	if old {
		var err error
		if content, err = d.unpack(content, len(fields)); err != nil {
			return to, err
		}
		field = d.numbers // without a byte that says so
	}
	first := len(to)
	to = slices.Grow(to, n)[:first+n]
	clear(to[first:])
	memory := bytesOf(to[first:])
	r := bounded.Reader{B: content}
	for _, f := range fields {
		v := d.values[:n]
		if !old && len(r.B) > 0 && r.B[0] == zeros { // as the memory is
			r.Take(1)
			continue
		}
		if field(&r, v); r.Bad {
			return to[:first], errBlock
		}
		scatter(memory, v, f)
	}
	return to, nil
}

// unpack returns the fields of an old block.
func (d *decoder) unpack(content []byte, fields int) ([]byte, error) {
	size, err := s2.DecodedLen(content)
	if err != nil || size > MaxBlock*9*(fields+1) {
		return nil, errBlock
	}
	d.raw = slices.Grow(d.raw[:0], size)
	raw, err := s2.Decode(d.raw[:cap(d.raw)], content)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBlock, err)
	}
	return raw, nil
}

// field reads the values of a field.
func (d *decoder) field(r *bounded.Reader, v []uint64) {
	switch way := r.Take(1); {
	case r.Bad:
	case way[0] == halves:
		upper := d.upper[:len(v)]
		d.whole(r, r.Take(1), upper)
		d.whole(r, r.Take(1), v)
		for i := range v {
			v[i] |= upper[i] << 32
		}
	default:
		d.whole(r, way, v)
	}
}

// whole reads values that are not in halves.
func (d *decoder) whole(r *bounded.Reader, way []byte, v []uint64) {
	switch {
	case r.Bad:
	case way[0] == zeros:
		clear(v)
	case way[0] == alike:
		fill(v, number(r))
	case way[0] == own:
		d.numbers(r, v)
	case way[0] == others:
		d.chosen(r, v, number(r), 0)
	case way[0] == steps:
		d.chosen(r, v, 0, ^uint64(0))
	default:
		r.Fail()
	}
}

// chosen reads what encoder.choose wrote.
func (d *decoder) chosen(r *bounded.Reader, v []uint64, reference, follow uint64) {
	marks := r.Take(uint64(len(v)+63) / 64 * 8)
	n := 0
	for rest := marks; len(rest) > 0; rest = rest[8:] {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(rest))
	}
	if n > len(v) {
		r.Fail()
	}
	some := d.some[:min(n, len(v))]
	if d.numbers(r, some); r.Bad {
		return
	}
	for i := range v {
		v[i] = reference
		if marks[i/8]>>(i%8)&1 != 0 {
			if len(some) == 0 {
				r.Fail() // a mark behind the last value
				return
			}
			v[i], some = some[0], some[1:]
			reference ^= (reference ^ v[i]) & follow
		}
	}
}

func number(r *bounded.Reader) uint64 {
	b := r.Take(8)
	if r.Bad {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

func fill(v []uint64, x uint64) {
	for i := range v {
		v[i] = x
	}
}

// numbers reads what appendNumbers wrote.
func (d *decoder) numbers(r *bounded.Reader, v []uint64) {
	least, head := number(r), r.Take(1)
	if r.Bad {
		return
	}
	width, shift := int(head[0]&15), int(head[0]>>4)
	planes := r.Take(uint64(width * len(v)))
	if width > 8 || r.Bad {
		r.Fail()
		return
	}
	fill(v, least)
	for ; width >= 2; width -= 2 { // two at once
		low, high := planes[:len(v)], planes[len(v):2*len(v)]
		for i := range v {
			v[i] += (uint64(low[i]) | uint64(high[i])<<8) << (shift & 63)
		}
		planes = planes[2*len(v):]
		shift += 16
	}
	if width == 1 {
		for i := range v {
			v[i] += uint64(planes[i]) << (shift & 63)
		}
	}
}

func scatter(memory []byte, v []uint64, f field) {
	at := f.offset
	switch f.size {
	case 8:
		for _, x := range v {
			binary.NativeEndian.PutUint64(memory[at:], x)
			at += recordSize
		}
	case 4:
		for _, x := range v {
			binary.NativeEndian.PutUint32(memory[at:], uint32(x))
			at += recordSize
		}
	case 2:
		for _, x := range v {
			binary.NativeEndian.PutUint16(memory[at:], uint16(x))
			at += recordSize
		}
	case 1:
		for _, x := range v {
			memory[at] = byte(x)
			at += recordSize
		}
	}
}
