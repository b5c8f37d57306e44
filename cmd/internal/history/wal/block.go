// Package wal keeps flow records on disk until they stand in Parquet files: segments
// of checksummed blocks, which a crash cuts off at most at their end. A block holds
// its records by fields, and takes 25 to 40 bytes a record.
package wal

import (
	"encoding/binary"
	"hash/crc32"
	"reflect"
	"strings"
	"unsafe"

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
	magic      = [4]byte{'F', 'H', 'W', '2'}
	oldMagic   = [4]byte{'F', 'H', 'W', '1'} // of blocks in which each field is as appendNumbers writes it, compressed by S2
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// field is one number in a flow.Record.
type field struct {
	name   string
	offset int
	size   int
	split  bool // its halves are alike in other records: the lower one of an address
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
			out = append(out, field{f.Name + ".Hi", int(f.Offset), 8, false}, field{f.Name + ".Lo", int(f.Offset) + 8, 8, true})
		case f.Type.Kind() >= reflect.Int && f.Type.Kind() <= reflect.Uint64:
			out = append(out, field{f.Name, int(f.Offset), int(f.Type.Size()), false})
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
