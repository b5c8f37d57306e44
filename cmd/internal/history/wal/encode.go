package wal

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// A field of a block is written in one of these ways. Nothing is compressed after that:
// S2 takes longer than all of this and makes blocks that are a fifth larger.
const (
	zeros  byte = iota // nothing: all are 0
	alike              // the value that all records have
	own                // the values of all records
	others             // the value that most have, a bit a record, the values of those that have another one
	steps              // a bit a record, the values of those that have another one than the record before
	halves             // the upper 32 bits in one of these ways, then the lower ones
)

// encoder makes blocks. Its memory is reused.
type encoder struct {
	values, upper, some [MaxBlock]uint64
	other, changed      marks // of the field that is written
	block               []byte
}

// encode returns the block of up to MaxBlock records, valid until the next call.
func (e *encoder) encode(records []flow.Record) []byte {
	memory := bytesOf(records)
	e.block = append(e.block[:0], magic[:]...)
	e.block = binary.LittleEndian.AppendUint32(e.block, uint32(len(records)))
	e.block = append(e.block, make([]byte, headerSize-8)...)
	differ := differences(records)
	for _, f := range fields {
		v := e.values[:len(records)]
		if differ[f.offset/8]&f.mask() == 0 { // half of the fields
			gather(v[:1], memory, f)
			e.alike(v[0])
			continue
		}
		gather(v, memory, f)
		if !f.split {
			e.field(v)
			continue
		}
		e.block = append(e.block, halves)
		upper := e.upper[:len(v)]
		for i, x := range v {
			upper[i], v[i] = x>>32, x&0xffffffff
		}
		e.field(upper)
		e.field(v)
	}
	binary.LittleEndian.PutUint32(e.block[8:], uint32(len(e.block)-headerSize))
	binary.LittleEndian.PutUint32(e.block[12:], blockSum(current.sum, e.block))
	return e.block
}

// blockSum is the checksum of a block, but for the place where it stands; sum is that
// of its fields.
func blockSum(sum uint32, block []byte) uint32 {
	return crc32.Update(crc32.Update(sum, castagnoli, block[:12]), castagnoli, block[headerSize:])
}

func (e *encoder) alike(v uint64) {
	if v == 0 {
		e.block = append(e.block, zeros)
		return
	}
	e.block = binary.LittleEndian.AppendUint64(append(e.block, alike), v)
}

// field appends the values of a field.
func (e *encoder) field(v []uint64) {
	most := usual(v)
	switch other, changed := e.mark(v, most); {
	case other == 0:
		e.alike(most)
	case 4*min(other, changed) > 3*len(v):
		e.block = appendNumbers(append(e.block, own), v)
	case other <= changed:
		e.block = binary.LittleEndian.AppendUint64(append(e.block, others), most)
		e.choose(v, &e.other)
	default:
		e.block = append(e.block, steps)
		e.choose(v, &e.changed)
	}
}

// usual guesses which value most of v have.
func usual(v []uint64) uint64 {
	if first := v[0]; first == v[len(v)/2] {
		return first
	}
	return v[len(v)-1]
}

// marks has a bit for each record of a block.
type marks [MaxBlock / 64]uint64

// mark marks the values that are not the one that most have, and those that are another
// one than the value before, and counts both. When nearly all of the first ones are both,
// it looks at no more.
func (e *encoder) mark(v []uint64, most uint64) (others, changes int) {
	before := ^v[0] // the first one counts as another
	for w := 0; 64*w < len(v); w++ {
		some := v[64*w : min(64*w+64, len(v))]
		other, changed := uint64(0), uint64(0)
		for _, x := range some {
			other = other>>1 | one(x != most)<<63
			changed = changed>>1 | one(x != before)<<63
			before = x
		}
		e.other[w], e.changed[w] = other>>(64-len(some)), changed>>(64-len(some))
		others, changes = others+bits.OnesCount64(other), changes+bits.OnesCount64(changed)
		if w == 0 && 8*min(others, changes) > 7*len(some) {
			return len(v), len(v)
		}
	}
	return others, changes
}

func one(yes bool) uint64 {
	if yes {
		return 1
	}
	return 0
}

// choose appends the marks of values, and those that are marked.
func (e *encoder) choose(v []uint64, of *marks) {
	n := uint(0)
	for w := 0; 64*w < len(v); w++ {
		word := of[w]
		e.block = binary.LittleEndian.AppendUint64(e.block, word)
		for ; word != 0; word &= word - 1 {
			e.some[n%MaxBlock] = v[64*w+bits.TrailingZeros64(word)]
			n++
		}
	}
	e.block = appendNumbers(e.block, e.some[:n])
}

// appendNumbers appends values as differences from the least of them: this one, a byte
// that says how many bytes the differences take and how many zeros all of them end with,
// and these bytes, of which all first ones stand together, then all second ones: where
// something follows what stands there mostly is alike.
func appendNumbers(b []byte, v []uint64) []byte {
	least, most, differ := v[0], v[0], uint64(0)
	for _, x := range v {
		least, most = min(least, x), max(most, x)
		differ |= x ^ v[0]
	}
	shift := min(bits.TrailingZeros64(differ), maxShift)
	width := (bits.Len64((most-least)>>shift) + 7) / 8
	b = binary.LittleEndian.AppendUint64(b, least)
	b = append(b, byte(width|shift<<4))
	n := len(b)
	b = slices.Grow(b, width*len(v))[:n+width*len(v)]
	planes, done := b[n:], 0
	if width > 2 {
		done = transpose(planes, v, least, shift, width)
	}
	for ; len(planes) > 0; shift += 8 {
		out, rest := planes[done:len(v)], v[done:]
		for i := range rest {
			out[i] = byte((rest[i] - least) >> (shift & 63))
		}
		planes = planes[len(v):]
	}
	return b
}

// maxShift is how many zeros at the end of differences are left out at most.
const maxShift = 15

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

// transpose writes differences byte by byte, eight values at once: a matrix of 8 x 8
// bytes is turned in three steps (Hacker's Delight, 7-3). It returns how many values it
// wrote; fewer than eight are left.
func transpose(planes []byte, v []uint64, least uint64, shift, width int) (done int) {
	n, s := len(v), shift&63
	const m32, m16, m8 = 0xffffffff, 0x0000ffff0000ffff, 0x00ff00ff00ff00ff
	for ; done+8 <= n; done += 8 {
		x := (*[8]uint64)(v[done:])
		a, b, c, d := (x[0]-least)>>s, (x[1]-least)>>s, (x[2]-least)>>s, (x[3]-least)>>s
		e, f, g, h := (x[4]-least)>>s, (x[5]-least)>>s, (x[6]-least)>>s, (x[7]-least)>>s
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
