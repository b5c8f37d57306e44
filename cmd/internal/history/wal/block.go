// Package wal keeps flow records on disk until they stand in Parquet files: segments
// of checksummed blocks, which a crash cuts off at most at their end. A block holds
// its records by fields, each as differences from its least value, and takes 30 to 45
// bytes a record.
package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"reflect"
	"slices"
	"strings"
	"unsafe"

	"github.com/klauspost/compress/s2"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// MaxBlock is how many records a block holds at most: what fits in the cache of a
// core.
const MaxBlock = 1024

// BlockBytes is how many bytes a block has at most: so much may be cut off at the end of
// a segment that is being written.
const BlockBytes = 1 << 20

const (
	headerSize = 16 // magic 4, records 4, length 4, CRC-32C of these 12 and of the content
	maxStored  = 1 << 20
	recordSize = int(unsafe.Sizeof(flow.Record{}))
)

var (
	magic      = [4]byte{'F', 'H', 'W', '1'}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// field is one number in a flow.Record.
type field struct {
	name   string
	offset int
	size   int
}

// fields are all numbers of a flow.Record, found by reflection so that none is
// forgotten when it gets a new one.
var fields = func() (out []field) {
	t := reflect.TypeFor[flow.Record]()
	for i := range t.NumField() {
		f := t.Field(i)
		switch {
		case f.Name == "_":
		case f.Type == reflect.TypeFor[flow.Addr]():
			out = append(out, field{f.Name + ".Hi", int(f.Offset), 8}, field{f.Name + ".Lo", int(f.Offset) + 8, 8})
		case f.Type.Kind() >= reflect.Int && f.Type.Kind() <= reflect.Uint64:
			out = append(out, field{f.Name, int(f.Offset), int(f.Type.Size())})
		default:
			panic("flow.Record." + f.Name + " is not a number")
		}
	}
	return out
}()

// recordWords is how many words of 8 bytes a record has.
const recordWords = recordSize / 8

// mask returns the bits of a field in its word.
func (f field) mask() uint64 {
	var b [8]byte
	for i := range f.size {
		b[f.offset%8+i] = 0xff
	}
	return binary.NativeEndian.Uint64(b[:])
}

// differences returns, for each word of a record, the bits that are not alike in all
// records. They are read once, in order, which costs less than to gather a field.
func differences(records []flow.Record) (d [recordWords]uint64) {
	words := wordsOf(records)
	first := words[0]
	for len(words) >= 4 {
		a, b, c, e := &words[0], &words[1], &words[2], &words[3]
		for i := range d {
			d[i] |= (a[i] ^ first[i]) | (b[i] ^ first[i]) | (c[i] ^ first[i]) | (e[i] ^ first[i])
		}
		words = words[4:]
	}
	for w := range words {
		for i := range d {
			d[i] |= words[w][i] ^ first[i]
		}
	}
	return d
}

// layout is which fields the blocks of a segment have, so that one that an earlier
// version wrote can be read. Blocks are summed up with it: with another one they are
// damaged, not something else.
type layout struct {
	names  string
	sum    uint32
	fields []field
}

var current = func() layout {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return parseLayout(strings.Join(names, " "))
}()

// parseLayout finds fields by their names; those that this version does not know have
// size 0.
func parseLayout(names string) layout {
	l := layout{names: names, sum: crc32.Checksum([]byte(names), castagnoli)}
	for name := range strings.FieldsSeq(names) {
		var field field
		for _, f := range fields {
			if f.name == name {
				field = f
			}
		}
		l.fields = append(l.fields, field)
	}
	return l
}

// bytesOf is the memory of records, which have no pointers.
func bytesOf(records []flow.Record) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(records))), len(records)*recordSize) //nolint:gosec // the bytes of the slice itself
}

// wordsOf is the memory of records likewise.
func wordsOf(records []flow.Record) [][recordWords]uint64 {
	return unsafe.Slice((*[recordWords]uint64)(unsafe.Pointer(unsafe.SliceData(records))), len(records)) //nolint:gosec // a record is 24 words
}

// encoder makes blocks. Its memory is reused.
type encoder struct {
	values [MaxBlock]uint64
	raw    []byte
	block  []byte
}

// encode returns the block of up to MaxBlock records, valid until the next call.
func (e *encoder) encode(records []flow.Record) []byte {
	memory := bytesOf(records)
	e.raw = e.raw[:0]
	differ := differences(records)
	for _, f := range fields {
		v := e.values[:len(records)]
		if differ[f.offset/8]&f.mask() == 0 { // half of the fields
			gather(v[:1], memory, f)
			e.raw = append(binary.LittleEndian.AppendUint64(e.raw, v[0]), 0)
			continue
		}
		gather(v, memory, f)
		e.raw = appendField(e.raw, v)
	}
	if need := headerSize + s2.MaxEncodedLen(len(e.raw)); cap(e.block) < need {
		e.block = make([]byte, need)
	}
	e.block = e.block[:cap(e.block)]
	n := len(s2.Encode(e.block[headerSize:], e.raw))
	e.block = e.block[:headerSize+n]
	copy(e.block, magic[:])
	binary.LittleEndian.PutUint32(e.block[4:], uint32(len(records)))
	binary.LittleEndian.PutUint32(e.block[8:], uint32(n))
	binary.LittleEndian.PutUint32(e.block[12:], blockSum(current.sum, e.block))
	return e.block
}

// blockSum is the checksum of a block, but for the place where it stands; sum is that
// of its fields.
func blockSum(sum uint32, block []byte) uint32 {
	return crc32.Update(crc32.Update(sum, castagnoli, block[:12]), castagnoli, block[headerSize:])
}

func gather(v []uint64, memory []byte, f field) {
	at := f.offset
	switch f.size {
	case 8:
		for i := range v {
			v[i] = binary.NativeEndian.Uint64(memory[at:])
			at += recordSize
		}
	case 4:
		for i := range v {
			v[i] = uint64(binary.NativeEndian.Uint32(memory[at:]))
			at += recordSize
		}
	case 2:
		for i := range v {
			v[i] = uint64(binary.NativeEndian.Uint16(memory[at:]))
			at += recordSize
		}
	default:
		for i := range v {
			v[i] = uint64(memory[at])
			at += recordSize
		}
	}
}

// appendField writes the least value, the width of the differences in bytes, and
// these byte by byte: all lowest bytes first, so that those that are zero stand
// together.
func appendField(b []byte, v []uint64) []byte {
	least, most := v[0], v[0]
	for _, x := range v {
		least, most = min(least, x), max(most, x)
	}
	b = binary.LittleEndian.AppendUint64(b, least)
	width := 0
	for d := most - least; d != 0; d >>= 8 {
		width++
	}
	b = append(b, byte(width))
	n := len(b)
	b = slices.Grow(b, width*len(v))[:n+width*len(v)]
	planes, done := b[n:], 0
	if width > 2 {
		done = transpose(planes, v, least, width)
	}
	for shift := 0; len(planes) > 0; shift += 8 {
		out, rest := planes[done:len(v)], v[done:]
		for i := range rest {
			out[i] = byte((rest[i] - least) >> (shift & 63))
		}
		planes = planes[len(v):]
	}
	return b
}

// transpose writes differences byte by byte, eight values at once: a matrix of 8 x 8
// bytes is turned in three steps (Hacker's Delight, 7-3). It returns how many values it
// wrote; fewer than eight are left.
func transpose(planes []byte, v []uint64, least uint64, width int) (done int) {
	n := len(v)
	const m32, m16, m8 = 0xffffffff, 0x0000ffff0000ffff, 0x00ff00ff00ff00ff
	for ; done+8 <= n; done += 8 {
		x := (*[8]uint64)(v[done:])
		a, b, c, d := x[0]-least, x[1]-least, x[2]-least, x[3]-least
		e, f, g, h := x[4]-least, x[5]-least, x[6]-least, x[7]-least
		a, e = exchange(a, e, 32, m32)
		b, f = exchange(b, f, 32, m32)
		c, g = exchange(c, g, 32, m32)
		d, h = exchange(d, h, 32, m32)
		a, c = exchange(a, c, 16, m16)
		b, d = exchange(b, d, 16, m16)
		e, g = exchange(e, g, 16, m16)
		f, h = exchange(f, h, 16, m16)
		a, b = exchange(a, b, 8, m8)
		c, d = exchange(c, d, 8, m8)
		e, f = exchange(e, f, 8, m8)
		g, h = exchange(g, h, 8, m8)
		turned := [8]uint64{a, b, c, d, e, f, g, h}
		at := done
		for p := range width {
			binary.LittleEndian.PutUint64(planes[at:], turned[p&7])
			at += n
		}
	}
	return done
}

// exchange swaps the bits of low that mask has, shifted up, with those of high.
func exchange(low, high uint64, shift int, mask uint64) (uint64, uint64) {
	t := (low>>(shift&63) ^ high) & mask
	return low ^ t<<(shift&63), high ^ t
}

var errBlock = errors.New("a block is damaged")

// decoder reads blocks.
type decoder struct {
	values [MaxBlock]uint64
	raw    []byte
}

// decode appends the n records of a block's content, whose checksum is right.
func (d *decoder) decode(to []flow.Record, n int, content []byte, fields []field) ([]flow.Record, error) {
	size, err := s2.DecodedLen(content)
	if err != nil || size > MaxBlock*9*(len(fields)+1) || n < 1 || n > MaxBlock {
		return to, errBlock
	}
	if cap(d.raw) < size {
		d.raw = make([]byte, size)
	}
	raw, err := s2.Decode(d.raw[:cap(d.raw)], content)
	if err != nil {
		return to, fmt.Errorf("%w: %w", errBlock, err)
	}
	first := len(to)
	to = slices.Grow(to, n)[:first+n]
	clear(to[first:])
	memory := bytesOf(to[first:])
	for _, f := range fields {
		if len(raw) < 9 || raw[8] > 8 || len(raw) < 9+int(raw[8])*n {
			return to[:first], errBlock
		}
		v, width := d.values[:n], int(raw[8])
		least := binary.LittleEndian.Uint64(raw)
		raw = raw[9:]
		if width == 0 && least == 0 {
			continue // as the memory is
		}
		for i := range v {
			v[i] = least
		}
		raw = addPlanes(v, raw, width)
		scatter(memory, v, f)
	}
	return to, nil
}

// addPlanes adds differences of width bytes, which stand byte by byte, two at once, and
// returns what stands behind them.
func addPlanes(v []uint64, raw []byte, width int) []byte {
	shift := 0
	for ; width >= 2; width -= 2 {
		low, high := raw[:len(v)], raw[len(v):2*len(v)]
		for i := range v {
			v[i] += (uint64(low[i]) | uint64(high[i])<<8) << (shift & 63)
		}
		raw = raw[2*len(v):]
		shift += 16
	}
	if width == 1 {
		low := raw[:len(v)]
		for i := range v {
			v[i] += uint64(low[i]) << (shift & 63)
		}
		raw = raw[len(v):]
	}
	return raw
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
