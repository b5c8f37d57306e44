package spool

import (
	"errors"
	"io"
)

// readSize is how much of a segment is read at once, in bytes.
const readSize = 256 << 10

// maxInSegment is more records than a segment can hold.
const maxInSegment = maxSegment/headerSize + 1

// scanner reads records from the bytes of one segment, and passes over what is
// none: a flipped byte costs the record that it lies in.
type scanner struct {
	in    io.ReaderAt
	first uint64 // number of the segment's first record
	limit int64  // bytes from here on are not there yet
	at    int64  // offset of buf[0] in the segment
	good  int64  // where the last record ended
	buf   []byte // read and not used
	store []byte // what buf lies in
}

// newScanner returns a scanner that has no bytes yet: limit is to be set.
func newScanner(in io.ReaderAt, first uint64) *scanner { return &scanner{in: in, first: first} }

// next returns the next record; its payload is valid until the call after. At the
// limit the error is io.EOF: what is left before it makes no record, be it torn or
// with a length that lies, and is passed over.
func (s *scanner) next() (Record, error) {
	for {
		switch r, what := parseRecord(s.buf); what {
		case whole:
			s.use(int(r.size()))
			if r.Seq-s.first > maxInSegment {
				continue // of some other file
			}
			s.good = s.at
			return r, nil
		case wrong:
			s.use(skip(s.buf))
			continue
		}
		if err := s.fill(); errors.Is(err, io.EOF) && len(s.buf) > 0 {
			s.use(skip(s.buf))
		} else if err != nil {
			return Record{}, err
		}
	}
}

func (s *scanner) use(n int) {
	s.buf = s.buf[n:]
	s.at += int64(n)
}

// fill reads more bytes behind buf, to the limit at most.
func (s *scanner) fill() error {
	room := s.limit - s.at - int64(len(s.buf))
	if room <= 0 {
		return io.EOF
	}
	want := int(min(room, readSize))
	if cap(s.store) < len(s.buf)+want {
		s.store = make([]byte, len(s.buf)+max(want, readSize))
	}
	copy(s.store[:cap(s.store)], s.buf)
	n, err := s.in.ReadAt(s.store[len(s.buf):len(s.buf)+want:cap(s.store)], s.at+int64(len(s.buf)))
	s.buf = s.store[:len(s.buf)+n]
	if n > 0 {
		return nil
	}
	return err
}
