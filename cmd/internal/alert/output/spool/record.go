package spool

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"time"
)

// MaxPayload is the most bytes that a record holds. Longer ones are refused.
const MaxPayload = 1 << 20

// A record on disk is, little endian:
//
//	magic 4 | crc 4 | length 4 | tries 4 | seq 8 | at 8 | payload
//
// crc is CRC32C of everything after it. The magic is what a reader looks for
// after bytes that make no record.
const headerSize = 32

var (
	magic      = []byte("\xf1FH1")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	le         = binary.LittleEndian
)

// Record is one payload in the spool.
type Record struct {
	Seq     uint64    // 1, 2, 3, ... in the order of appending
	At      time.Time // when it was first accepted, to the nanosecond
	Tries   uint32    // whatever its owner counts
	Payload []byte
}

// size is how many bytes r takes on disk.
func (r *Record) size() int64 { return int64(headerSize + len(r.Payload)) }

// appendRecord appends r as it stands on disk.
func appendRecord(b []byte, r *Record) []byte {
	start := len(b)
	b = append(b, magic...)
	b = append(b, 0, 0, 0, 0)
	b = le.AppendUint32(b, uint32(len(r.Payload)))
	b = le.AppendUint32(b, r.Tries)
	b = le.AppendUint64(b, r.Seq)
	b = le.AppendUint64(b, uint64(r.At.UnixNano()))
	b = append(b, r.Payload...)
	le.PutUint32(b[start+4:], crc32.Checksum(b[start+8:], castagnoli))
	return b
}

// parse says what stands at the beginning of b.
type parsed int

const (
	whole parsed = iota // a record
	short               // what may become one with more bytes
	wrong               // no record
)

// parseRecord reads the record at the beginning of b. Its payload is part of b.
func parseRecord(b []byte) (Record, parsed) {
	if n := min(len(b), len(magic)); !bytes.Equal(b[:n], magic[:n]) {
		return Record{}, wrong
	}
	if len(b) < headerSize {
		return Record{}, short
	}
	n := int(le.Uint32(b[8:]))
	switch {
	case n > MaxPayload:
		return Record{}, wrong
	case len(b) < headerSize+n:
		return Record{}, short
	case crc32.Checksum(b[8:headerSize+n], castagnoli) != le.Uint32(b[4:]):
		return Record{}, wrong
	}
	return Record{
		Seq: le.Uint64(b[16:]), At: time.Unix(0, int64(le.Uint64(b[24:]))), Tries: le.Uint32(b[12:]),
		Payload: b[headerSize : headerSize+n : headerSize+n],
	}, whole
}

// skip returns how many bytes of b, which starts with no record, cannot be part of
// one.
func skip(b []byte) int {
	if len(b) < 2 {
		return len(b)
	}
	if i := bytes.Index(b[1:], magic); i >= 0 {
		return 1 + i
	}
	// The end of b may be the beginning of a magic.
	for n := min(len(magic)-1, len(b)-1); n > 0; n-- {
		if bytes.HasSuffix(b, magic[:n]) {
			return len(b) - n
		}
	}
	return len(b)
}
