package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"slices"
)

// On disk, a record of a segment is, little endian:
//
//	magic 4 | length 4 | seq 8 | CRC-32C of the payload 4 | CRC-32C of what stands before 4 | payload
//
// The header has a checksum of its own, so that a length can be trusted: a record
// that ends behind the file was never accepted, one whose payload is wrong is lost.
const (
	headerSize = 24
	// maxPayload is the longest payload, in bytes. A hit has a few hundred.
	maxPayload = 1 << 20
	readSize   = 256 << 10
	// blockSize is the least that is passed over where a disk cannot be read.
	blockSize = 4 << 10
)

var (
	magic      = []byte("\xf1FHJ")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	le         = binary.LittleEndian
)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// appendFrame appends a record as it stands on disk.
func appendFrame(b []byte, seq uint64, payload []byte) []byte {
	start := len(b)
	b = append(b, magic...)
	b = le.AppendUint32(b, uint32(len(payload)))
	b = le.AppendUint64(b, seq)
	b = le.AppendUint32(b, checksum(payload))
	b = le.AppendUint32(b, checksum(b[start:]))
	return append(b, payload...)
}

// parsed says what stands at the beginning of some bytes.
type parsed int

const (
	whole   parsed = iota // a record
	short                 // what may become one with more bytes
	damaged               // a header, and a payload that is another
	wrong                 // no record
)

// parseFrame reads the record at the beginning of b; n is its length with the header.
func parseFrame(b []byte) (seq uint64, payload []byte, n int, what parsed) {
	if k := min(len(b), len(magic)); !bytes.Equal(b[:k], magic[:k]) {
		return 0, nil, 0, wrong
	}
	if len(b) < headerSize {
		return 0, nil, 0, short
	}
	size := le.Uint32(b[4:])
	if checksum(b[:headerSize-4]) != le.Uint32(b[headerSize-4:]) || size > maxPayload {
		return 0, nil, 0, wrong
	}
	n = headerSize + int(size)
	if len(b) < n {
		return 0, nil, n, short
	}
	payload = b[headerSize:n:n]
	if checksum(payload) != le.Uint32(b[16:]) {
		return 0, nil, n, damaged
	}
	return le.Uint64(b[8:]), payload, n, whole
}

// scanner reads the records of one segment and passes over what is none: a flipped
// byte costs the record that it stands in.
type scanner struct {
	in    io.ReaderAt
	limit int64 // bytes from here on are not there yet
	at    int64 // offset of buf[0]
	good  int64 // where the last record ended
	dirty bool  // something before at is no record

	buf   []byte // read and not used
	store []byte // what buf lies in
	skip  int64  // bytes to pass over at the next error
}

// next returns the next record; its payload is valid until the call after. At the
// limit the error is io.EOF: what is left before it is the beginning of a record.
// Any other error is the disk's: the call may be repeated, or pass called.
func (s *scanner) next() (seq uint64, payload []byte, err error) {
	for {
		seq, payload, n, what := parseFrame(s.buf)
		switch what {
		case whole:
			s.use(n)
			s.good = s.at
			return seq, payload, nil
		case damaged:
			s.dirty = true
			s.use(n)
			continue
		case wrong:
			s.dirty = true
			s.use(toMagic(s.buf))
			continue
		}
		if err := s.fill(); err != nil {
			return 0, nil, err
		}
	}
}

// readTries is how often a place that cannot be read is tried before it is given up.
const readTries = 3

// mustNext is next that gives up what cannot be read: its error is io.EOF.
func (s *scanner) mustNext() (seq uint64, payload []byte, err error) {
	for tries := 1; ; tries++ {
		seq, payload, err = s.next()
		if err == nil || errors.Is(err, io.EOF) {
			return seq, payload, err
		}
		if tries%readTries == 0 {
			s.pass()
		}
	}
}

// toMagic returns how many bytes of b, which starts with no record, cannot be part
// of one.
func toMagic(b []byte) int {
	if i := bytes.Index(b[1:], magic); i >= 0 {
		return 1 + i
	}
	for n := min(len(magic)-1, len(b)-1); n > 0; n-- { // the end may be the beginning of a magic
		if bytes.HasSuffix(b, magic[:n]) {
			return len(b) - n
		}
	}
	return len(b)
}

func (s *scanner) use(n int) {
	s.buf = s.buf[n:]
	s.at += int64(n)
}

// fill reads more bytes behind buf; where many cannot be read, one block.
func (s *scanner) fill() error {
	from := s.at + int64(len(s.buf))
	room := s.limit - from
	if room <= 0 {
		return io.EOF
	}
	want := int(min(room, readSize))
	n, err := s.read(from, want)
	if n == 0 && err != nil && !errors.Is(err, io.EOF) {
		n, err = s.read(from, min(want, int(blockSize-from%blockSize)))
	}
	if n > 0 {
		s.skip = 0
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

func (s *scanner) read(from int64, want int) (int, error) {
	held := len(s.buf)
	if cap(s.store) < held+want {
		s.store = make([]byte, held+max(want, readSize))
	}
	store := s.store[:cap(s.store)]
	copy(store, s.buf)
	n, err := s.in.ReadAt(store[held:held+want], from)
	s.buf = store[:held+n]
	return n, err
}

// pass goes on behind a place that cannot be read: by a block, and by twice as much
// each time that it cannot be read there either.
func (s *scanner) pass() {
	s.skip = min(max(2*s.skip, blockSize), maxPayload)
	from := s.at + int64(len(s.buf))
	to := min(from+s.skip-from%blockSize, s.limit)
	s.buf, s.at, s.dirty = nil, to, true
}

// segment is a file of records; its name is the number of the first.
type segment struct {
	first   uint64
	size    int64
	damaged bool            // some of it could not be read: it is set aside and not removed
	wanted  map[*Cursor]int // records in it that the cursor has still to take
}

// searchSegment returns the place of the segment that holds the record, 0 for one
// that is older than all.
func searchSegment(segments []*segment, seq uint64) int {
	i, found := slices.BinarySearchFunc(segments, seq, func(g *segment, seq uint64) int {
		switch {
		case g.first < seq:
			return -1
		case g.first > seq:
			return 1
		}
		return 0
	})
	if found {
		return i
	}
	return max(i-1, 0)
}
