package spool

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Append writes a record with one write(2). An error of the disk costs this record
// only.
func (s *Spool) Append(payload []byte, at time.Time, tries uint32) (seq uint64, err error) {
	if len(payload) > MaxPayload {
		return 0, fmt.Errorf("spool: a record of %d bytes is longer than %d", len(payload), MaxPayload)
	}
	r := Record{Seq: s.nextSeq(), At: at, Tries: tries, Payload: payload}
	if err := s.makeRoom(r.size()); err != nil {
		return 0, fmt.Errorf("spool: %w", err)
	}
	s.buf = appendRecord(s.buf[:0], &r)
	if _, err = s.active.Write(s.buf); err != nil && s.renew() {
		_, err = s.active.Write(s.buf)
	}
	if err != nil {
		s.takeBack()
		return 0, fmt.Errorf("spool: %w", err)
	}
	s.publish(&r)
	return r.Seq, nil
}

func (s *Spool) nextSeq() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

// takeBack cuts the active segment to its records. Where that fails, the next
// record goes into another segment.
func (s *Spool) takeBack() {
	s.mu.Lock()
	size := s.segments[len(s.segments)-1].size
	s.mu.Unlock()
	s.broken = s.active.Truncate(size) != nil
}

func (s *Spool) publish(r *Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments[len(s.segments)-1].size += r.size()
	s.stats.Bytes += r.size()
	s.next = r.Seq + 1
	s.dirty = true
}

// makeRoom sees to an active segment with room for n bytes, and drops the oldest
// segments if the spool would grow beyond its size.
func (s *Spool) makeRoom(n int64) error {
	s.mu.Lock()
	last := len(s.segments) - 1
	roll := s.active == nil || s.broken || s.segments[last].size > 0 && s.segments[last].size+n > s.segSize
	s.mu.Unlock()
	if roll {
		if err := s.roll(); err != nil {
			return err
		}
	}
	for {
		s.mu.Lock()
		var oldest uint64
		if s.stats.Bytes+n > s.maxSize && len(s.segments) > 1 {
			oldest = s.segments[0].first
			s.forget(true)
		}
		s.mu.Unlock()
		if oldest == 0 {
			return nil
		}
		if err := os.Remove(s.path(oldest)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
}

// Resize changes the bound of the spool's bytes.
func (s *Spool) Resize(maxSize int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.maxSize = max(maxSize, MinSize)
	s.segSize = min(maxSegment, s.maxSize/minSegments)
}

// forget takes the oldest segment out of the books. Its records that nobody has
// taken are dropped. The caller holds mu, and there is a younger one.
func (s *Spool) forget(drop bool) {
	s.stats.Bytes -= s.segments[0].size
	s.segments = s.segments[1:]
	first := s.segments[0].first
	if from := max(s.acked, s.taken); drop && first > from {
		s.stats.Dropped += first - from
	}
	s.acked = max(s.acked, first)
	s.taken = max(s.taken, first)
}

// renew begins a new segment in the place of one of which every record is
// acknowledged: on a full disk that makes room. It reports whether it did.
func (s *Spool) renew() bool {
	s.mu.Lock()
	old := s.segments[len(s.segments)-1]
	spent := len(s.segments) == 1 && s.acked == s.next && old.size > 0
	s.mu.Unlock()
	if !spent || s.roll() != nil {
		return false
	}
	s.mu.Lock()
	if s.segments[0].first == old.first { // Ack has not come here first
		s.forget(false)
	}
	s.mu.Unlock()
	// The reader and Sync may have it open: its bytes go at once all the same.
	_ = os.Truncate(s.path(old.first), 0)
	_ = os.Remove(s.path(old.first))
	return true
}

// roll begins a new segment, which the next record gives its name.
func (s *Spool) roll() error {
	first := s.nextSeq()
	// A segment of that name holds no record, or its records would count.
	f, err := os.OpenFile(s.path(first), os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active != nil {
		s.rolled = append(s.rolled, s.active)
	}
	if n := len(s.segments); n > 0 && s.segments[n-1].first == first { // it was broken before its first record
		s.segments = s.segments[:n-1]
	}
	s.segments = append(s.segments, segment{first: first})
	s.active, s.broken = f, false
	return nil
}
