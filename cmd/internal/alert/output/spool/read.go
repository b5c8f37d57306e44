package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// Reader gives the records that are not acknowledged, in their order. There is one
// for each Spool, and it belongs to one goroutine.
type Reader struct {
	spool *Spool
	want  uint64 // number of the record that comes next
	file  *os.File
	first uint64 // of the segment that file is
	scan  *scanner
}

// NewReader returns the reader, at the first record that is not acknowledged.
func (s *Spool) NewReader() *Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Reader{spool: s, want: s.acked}
}

// Want returns the number of the record that Next looks for. Records that were
// dropped meanwhile are passed over.
func (r *Reader) Want() uint64 {
	r.spool.mu.Lock()
	defer r.spool.mu.Unlock()
	r.want = max(r.want, r.spool.taken)
	return r.want
}

// Next returns the next record, and false when there is none yet. Its payload is
// valid until the call after. An error is the disk's; the call may be repeated.
func (r *Reader) Next() (Record, bool, error) {
	for {
		limit, more := r.locate()
		if !more {
			return Record{}, false, nil
		}
		if err := r.open(); errors.Is(err, os.ErrNotExist) {
			r.passSegment()
			continue
		} else if err != nil {
			return Record{}, false, err
		}
		r.scan.limit = limit
		record, err := r.scan.next()
		switch {
		case errors.Is(err, io.EOF):
			r.passSegment()
		case err != nil:
			return Record{}, false, fmt.Errorf("spool: %w", err)
		case record.Seq >= r.want:
			r.passTo(record.Seq)
			r.Took(record.Seq)
			return record, true, nil
		}
	}
}

// Took says that the record of this number, which Want named, was had from
// elsewhere.
func (r *Reader) Took(seq uint64) {
	r.want = seq + 1
	r.spool.mu.Lock()
	r.spool.taken = max(r.spool.taken, r.want)
	r.spool.mu.Unlock()
}

// locate finds the segment of the record that comes next, and how many bytes it
// has. It reports whether there is a record.
func (r *Reader) locate() (limit int64, more bool) {
	s := r.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	r.want = max(r.want, s.taken)
	if r.want >= s.next {
		return 0, false
	}
	at := 0
	for i, g := range s.segments {
		if g.first <= r.want {
			at = i
		}
	}
	if g := s.segments[at]; g.first != r.first {
		r.close()
		r.first = g.first
	}
	return s.segments[at].size, true
}

// open opens the segment if it is not open.
func (r *Reader) open() error {
	if r.file != nil {
		return nil
	}
	f, err := os.Open(r.spool.path(r.first))
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	r.file, r.scan = f, newScanner(f, r.first)
	return nil
}

func (r *Reader) close() {
	if r.file != nil {
		_ = r.file.Close() // it was only read
		r.file = nil
	}
}

// passSegment goes on behind a segment that has no more records, although there
// should be one: those up to the next segment, or up to now, are broken.
func (r *Reader) passSegment() {
	s := r.spool
	s.mu.Lock()
	end := s.next
	for _, g := range s.segments {
		if g.first > r.first {
			end = g.first
			break
		}
	}
	s.mu.Unlock()
	r.passTo(end)
}

// passTo counts the records before seq that should have come as broken.
func (r *Reader) passTo(seq uint64) {
	if seq <= r.want {
		return
	}
	s := r.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	// Those that were dropped meanwhile are counted already.
	if from := max(r.want, s.taken); seq > from {
		s.stats.Broken += seq - from
	}
	r.want = seq
	s.taken = max(s.taken, seq)
}

// Ack says that all records up to and with seq are done. They are not read again,
// also after a crash: unless the error, which is the disk's, says that this could
// not be written down.
func (r *Reader) Ack(seq uint64) error {
	s := r.spool
	s.mu.Lock()
	s.acked = max(s.acked, seq+1)
	var done []uint64
	for len(s.segments) > 1 && s.segments[1].first <= s.acked {
		done = append(done, s.segments[0].first)
		s.forget(false)
	}
	cursor := s.acked
	s.mu.Unlock()

	err := s.writeCursor(cursor)
	for _, first := range done {
		if first == r.first {
			r.close()
		}
		err = errors.Join(err, os.Remove(s.path(first)))
	}
	return err
}

// Close closes what the reader has open.
func (r *Reader) Close() { r.close() }

// readCursor returns the number before which all records are acknowledged. A
// cursor that cannot be read costs no record: they are read again.
func (s *Spool) readCursor() uint64 {
	b, err := os.ReadFile(filepath.Join(s.dir, cursorName))
	if err != nil || len(b) > 32 {
		return 1
	}
	n, err := strconv.ParseUint(string(bytes.TrimSuffix(b, []byte("\n"))), 10, 63)
	if err != nil {
		return 1
	}
	return max(n, 1)
}

func (s *Spool) writeCursor(n uint64) error {
	path := filepath.Join(s.dir, cursorName)
	if err := os.WriteFile(path+".new", append(strconv.AppendUint(nil, n, 10), '\n'), 0o600); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}
