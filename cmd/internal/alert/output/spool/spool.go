// Package spool keeps payloads on disk until they are acknowledged, in the order
// in which they came: what one output has still to deliver. It knows nothing of
// what they mean.
//
// Segments hold records with a length and a checksum. What a crash tore is cut,
// what was flipped costs the record that it lies in, and is counted. The size is
// bounded: the oldest segment makes room for new records, and its records are
// counted as dropped. A record is safe from a crash of this program when Append
// returns, and from one of the host after the next Sync.
package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

const (
	// MinSize is the least size of a spool, in bytes.
	MinSize = 4 << 20

	// A segment is maxSegment bytes at most, and the spool holds segments of at
	// least this number: that is how finely it makes room.
	minSegments = 16
	maxSegment  = 16 << 20

	segmentSuffix = ".segment"
	cursorName    = "cursor"
)

var (
	// ErrInUse says that another process has the spool.
	ErrInUse = errors.New("in use by another flowhound")
	// ErrClosed says that the spool was closed.
	ErrClosed = errors.New("the spool is closed")
)

// Stats says what a spool holds and what has become of the rest since Open.
type Stats struct {
	Depth   uint64 // records that wait for their acknowledgement
	Bytes   int64  // on disk
	Dropped uint64 // records that made room for others
	Broken  uint64 // records that were lost to flipped bytes
	Cut     int64  // bytes of a torn end that Open has cut
}

// segment is a file of records; its name is the number of the first.
type segment struct {
	first uint64
	size  int64
}

// Spool is an open spool. Append, Sync and the methods of its one Reader may be
// called by a goroutine each, Stats by any.
type Spool struct {
	dir     string
	maxSize int64
	segSize int64
	lock    *os.File

	// Of the goroutine that appends.
	active *os.File
	broken bool // what stands behind the active segment's size is not known
	buf    []byte

	mu       sync.Mutex // held for moments, never while the disk works
	segments []segment  // oldest first; the last is the active one, if active is open
	next     uint64     // number of the record that comes next
	acked    uint64     // all before this number are acknowledged or gone
	taken    uint64     // all before this number were given to the reader
	rolled   []*os.File // finished segments to be synced and closed
	dirty    bool       // there is something to sync
	stats    Stats
	closed   bool
}

// Open makes dir where it is missing, takes its lock and continues with what it
// holds. maxSize bounds its bytes, MinSize at least.
func Open(dir string, maxSize int64) (*Spool, error) {
	maxSize = max(maxSize, MinSize)
	s := &Spool{
		dir: dir, maxSize: maxSize, segSize: min(maxSegment, maxSize/minSegments),
		next: 1, acked: 1,
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	var err error
	if s.lock, err = lock(filepath.Join(dir, "lock")); err != nil {
		return nil, fmt.Errorf("spool %s: %w", dir, err)
	}
	if err := s.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("spool %s: %w", dir, err), s.lock.Close())
	}
	return s, nil
}

func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// recover finds out what there is. Only the last segment is read: the names tell
// the rest.
func (s *Spool) recover() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		first, ok := segmentNumber(e.Name())
		if !ok {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		s.segments = append(s.segments, segment{first, info.Size()})
		s.stats.Bytes += info.Size()
	}
	slices.SortFunc(s.segments, func(a, b segment) int { return strings.Compare(segmentName(a.first), segmentName(b.first)) })
	s.acked = s.readCursor()
	if len(s.segments) > 0 {
		if err := s.recoverLast(); err != nil {
			return err
		}
		s.acked = max(s.acked, s.segments[0].first)
	}
	// A cursor beyond the records is of records that a crash of the host took.
	s.next = max(s.next, s.acked)
	s.taken = s.acked
	return nil
}

// recoverLast reads the last segment to its end and cuts what a crash tore.
func (s *Spool) recoverLast() error {
	last := &s.segments[len(s.segments)-1]
	f, err := os.OpenFile(s.path(last.first), os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	s.next = last.first
	scan := newScanner(f, last.first)
	scan.limit = last.size
	for {
		r, err := scan.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errors.Join(err, f.Close())
		}
		s.next = max(s.next, r.Seq+1)
	}
	if s.stats.Cut = last.size - scan.good; s.stats.Cut > 0 {
		if err := f.Truncate(scan.good); err != nil {
			return errors.Join(err, f.Close())
		}
		last.size -= s.stats.Cut
		s.stats.Bytes -= s.stats.Cut
	}
	s.active = f
	return nil
}

func segmentName(first uint64) string { return fmt.Sprintf("%020d%s", first, segmentSuffix) }

func segmentNumber(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	return n, err == nil && n > 0
}

func (s *Spool) path(first uint64) string { return filepath.Join(s.dir, segmentName(first)) }

// Stats returns what the spool holds now.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.Depth = s.next - s.acked
	return stats
}

// Oldest returns the number of the oldest record that is kept: those before it are
// acknowledged or made room for others.
func (s *Spool) Oldest() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acked
}

// Sync brings what was appended to the disk, so that not even a crash of the host
// loses it. It may take long; Append does not wait for it.
func (s *Spool) Sync() error {
	s.mu.Lock()
	if !s.dirty || s.closed {
		s.mu.Unlock()
		return nil
	}
	s.dirty = false
	rolled, active := s.rolled, s.active
	s.rolled = nil
	s.mu.Unlock()

	var errs []error
	for _, f := range rolled {
		errs = append(errs, f.Sync(), f.Close())
	}
	if active != nil {
		// The one that appends may have put it among the rolled ones: those are
		// closed here and nowhere else.
		errs = append(errs, active.Sync())
	}
	if dir, err := os.Open(s.dir); err == nil {
		errs = append(errs, dir.Sync(), dir.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// Close syncs and closes. Nothing else may run.
func (s *Spool) Close() error {
	err := s.Sync()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return err
	}
	s.closed = true
	errs := []error{err}
	for _, f := range append(s.rolled, s.active) {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(append(errs, s.lock.Close())...)
}
