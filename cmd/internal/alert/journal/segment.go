package journal

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"sort"
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
	at    int64 // offset of what comes next
	good  int64 // where the last record ended
	dirty bool  // something before at is no record

	buf  *bufio.Reader // of what Read reads, from at on
	skip int64         // bytes to pass over at the next error
}

// next returns the next record; its payload is valid until the call after. At the
// limit the error is io.EOF: what is left before it is the beginning of a record.
// Any other error is the disk's: the call may be repeated, or pass called.
func (s *scanner) next() (seq uint64, payload []byte, err error) {
	if s.buf == nil {
		s.buf = bufio.NewReaderSize(s, headerSize+maxPayload)
	}
	for want := headerSize; ; {
		b, err := s.buf.Peek(want)
		seq, payload, n, what := parseFrame(b)
		switch {
		case what == whole:
			s.use(n)
			s.good = s.at
			return seq, payload, nil
		case what == short && err != nil:
			return 0, nil, err
		case what == short:
			want = n
			continue
		case what == wrong: // up to where another may begin
			b, _ = s.buf.Peek(s.buf.Buffered())
			if n = 1 + bytes.IndexByte(b[1:], magic[0]); n == 0 {
				n = len(b)
			}
		}
		s.dirty, want = true, headerSize
		s.use(n)
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

func (s *scanner) use(n int) {
	_, _ = s.buf.Discard(n) // it was peeked at
	s.at += int64(n)
}

// Read reads on behind what is buffered; where many bytes cannot be read, one block.
func (s *scanner) Read(b []byte) (int, error) {
	from := s.at + int64(s.buf.Buffered())
	b = b[:max(0, min(int64(len(b)), s.limit-from, readSize))]
	if len(b) == 0 {
		return 0, io.EOF
	}
	n, err := s.in.ReadAt(b, from)
	if n == 0 && !errors.Is(err, io.EOF) {
		n, err = s.in.ReadAt(b[:min(len(b), int(blockSize-from%blockSize))], from)
	}
	if n > 0 {
		s.skip, err = 0, nil
	}
	return n, err
}

// pass goes on behind a place that cannot be read: by a block, and by twice as much
// each time that it cannot be read there either.
func (s *scanner) pass() {
	s.skip = min(max(2*s.skip, blockSize), maxPayload)
	from := s.at + int64(s.buf.Buffered())
	s.at, s.dirty = min(from+s.skip-from%blockSize, s.limit), true
	s.buf.Reset(s)
}

// segment is a file of records; its name is the number of the first.
type segment struct {
	first   uint64
	size    int64
	damaged bool            // some of it could not be read: it is set aside and not removed
	before  map[*Cursor]int // how many of its records each cursor had filed when this one began
}

// searchSegment returns the place of the segment that holds the record, 0 for one
// that is older than all.
func searchSegment(segments []*segment, seq uint64) int {
	i := sort.Search(len(segments), func(i int) bool { return segments[i].first > seq })
	return max(i-1, 0)
}
