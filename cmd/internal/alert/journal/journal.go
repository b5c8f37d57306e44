// Package journal keeps what was said on disk, once, for all who have to be told:
// the alert log and every output read the same records, each behind a cursor of its
// own. A record is on disk, as far as a crash of this program goes, before anybody
// is told of it; what a crash of the host may take is the Sync of whoever owns it.
//
// It knows nothing of what records mean.
package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
)

const (
	headerSize = 20 // magic 4, CRC-32C 4, length 4, seq 8
	maxPayload = 1 << 20
	suffix     = ".segment"
)

var (
	magic      = [4]byte{0xf1, 'F', 'H', 'J'}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	le         = binary.LittleEndian
)

// Journal is an open journal. Append and Sync may be called by a goroutine each,
// every Cursor by one of its own.
type Journal struct {
	dir     string
	segment int64 // bytes at which one is full

	mu       sync.Mutex // never held while the disk works, but for Append's write
	active   *os.File
	size     int64
	starts   []uint64 // first record of each segment, in order
	next     uint64
	cursors  map[string]*Cursor
	appended chan struct{} // closed and replaced by every Append
}

// Open opens the journal in dir; segments of that many bytes are removed when every
// cursor is past them.
func Open(dir string, segment int64) (*Journal, error) {
	j := &Journal{dir: dir, segment: segment, next: 1, cursors: map[string]*Cursor{}, appended: make(chan struct{})}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if digits, ok := strings.CutSuffix(n.Name(), suffix); ok {
			if first, err := strconv.ParseUint(digits, 10, 63); err == nil {
				j.starts = append(j.starts, first)
			}
		}
	}
	sort.Slice(j.starts, func(a, b int) bool { return j.starts[a] < j.starts[b] })
	if len(j.starts) == 0 {
		return j, j.roll()
	}
	return j, j.recover()
}

func (j *Journal) path(first uint64) string {
	return filepath.Join(j.dir, fmt.Sprintf("%020d%s", first, suffix))
}

// recover finds the end of the last segment and cuts what a crash tore.
func (j *Journal) recover() error {
	last := j.starts[len(j.starts)-1]
	f, err := os.OpenFile(j.path(last), os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	j.next = last
	r := reader{in: f}
	for {
		seq, _, err := r.next()
		if err != nil {
			break
		}
		j.next = seq + 1
	}
	j.active, j.size = f, r.at
	return f.Truncate(r.at)
}

func (j *Journal) roll() error {
	f, err := os.OpenFile(j.path(j.next), os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if j.active != nil {
		err = errors.Join(j.active.Sync(), j.active.Close())
	}
	j.active, j.size = f, 0
	j.starts = append(j.starts, j.next)
	return err
}

// Append writes a record with one write(2). When it returns a number, whatever
// kills this program leaves the record there.
func (j *Journal) Append(payload []byte) (seq uint64, err error) {
	if len(payload) > maxPayload {
		return 0, fmt.Errorf("journal: a record of %d bytes", len(payload))
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.size > 0 && j.size+int64(headerSize+len(payload)) > j.segment {
		if err := j.roll(); err != nil {
			return 0, err
		}
	}
	b := make([]byte, headerSize, headerSize+len(payload))
	copy(b, magic[:])
	le.PutUint32(b[8:], uint32(len(payload)))
	le.PutUint64(b[12:], j.next)
	b = append(b, payload...)
	le.PutUint32(b[4:], crc32.Checksum(b[8:], castagnoli))
	if _, err := j.active.Write(b); err != nil {
		return 0, errors.Join(err, j.active.Truncate(j.size))
	}
	j.size += int64(len(b))
	seq = j.next
	j.next++
	close(j.appended)
	j.appended = make(chan struct{})
	return seq, nil
}

// Sync brings what was appended to the disk.
func (j *Journal) Sync() error {
	j.mu.Lock()
	f := j.active
	j.mu.Unlock()
	return f.Sync()
}

// Cursor is how far one consumer is.
type Cursor struct {
	j    *Journal
	name string
	at   uint64 // the record that comes next
	file *os.File
	of   uint64 // first record of file
	r    reader
	done uint64 // all up to this one are done
}

// Cursor returns the cursor of that name, where it was left; a new one is at the
// end. A cursor that cannot be read stands at the oldest record: better twice than
// never, and the consumer can tell.
func (j *Journal) Cursor(name string) (*Cursor, error) {
	c := &Cursor{j: j, name: name}
	b, err := os.ReadFile(c.path())
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.at = j.next
	case err != nil:
		return nil, err
	case len(b) == 12 && crc32.Checksum(b[:8], castagnoli) == le.Uint32(b[8:]):
		c.at = max(le.Uint64(b), j.starts[0])
	default:
		c.at = j.starts[0]
	}
	c.done = c.at - 1
	j.cursors[name] = c
	return c, c.save()
}

func (c *Cursor) path() string { return filepath.Join(c.j.dir, c.name+".cursor") }

// Next returns the record that comes next; ok is false when there is none yet.
// The payload is valid until the call after.
func (c *Cursor) Next() (seq uint64, payload []byte, ok bool, err error) {
	for {
		c.j.mu.Lock()
		next, starts := c.j.next, c.j.starts
		c.j.mu.Unlock()
		if c.at >= next {
			return 0, nil, false, nil
		}
		i := sort.Search(len(starts), func(i int) bool { return starts[i] > c.at }) - 1
		if c.file == nil || c.of != starts[i] {
			if c.file != nil {
				_ = c.file.Close() // it was only read
			}
			f, err := os.Open(c.j.path(starts[i]))
			if err != nil {
				return 0, nil, false, err
			}
			c.file, c.of, c.r = f, starts[i], reader{in: f}
		}
		seq, payload, err := c.r.next()
		switch {
		case errors.Is(err, io.EOF) && i+1 < len(starts): // what is missing was damaged
			c.at = starts[i+1]
		case err != nil:
			return 0, nil, false, err
		case seq >= c.at:
			c.at = seq + 1
			return seq, payload, true, nil
		}
	}
}

// Wait returns a channel that is closed when there is more than there was.
func (c *Cursor) Wait() <-chan struct{} {
	c.j.mu.Lock()
	defer c.j.mu.Unlock()
	if c.at < c.j.next {
		now := make(chan struct{})
		close(now)
		return now
	}
	return c.j.appended
}

// Ack says that all records up to seq are done, and forgets segments that nobody
// wants any more. It may be called now and then only: what it has not said comes
// again after a crash.
func (c *Cursor) Ack(seq uint64) error {
	c.j.mu.Lock()
	c.done = max(c.done, seq)
	oldest := c.done
	for _, other := range c.j.cursors {
		oldest = min(oldest, other.done)
	}
	var gone []uint64
	for len(c.j.starts) > 1 && c.j.starts[1] <= oldest+1 {
		gone = append(gone, c.j.starts[0])
		c.j.starts = c.j.starts[1:]
	}
	c.j.mu.Unlock()
	err := c.save()
	for _, first := range gone {
		err = errors.Join(err, os.Remove(c.j.path(first)))
	}
	return err
}

func (c *Cursor) save() error {
	b := le.AppendUint64(nil, c.done+1)
	b = le.AppendUint32(b, crc32.Checksum(b, castagnoli))
	if err := os.WriteFile(c.path()+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(c.path()+".new", c.path())
}

// reader reads records one after the other.
type reader struct {
	in  io.ReaderAt
	at  int64
	buf []byte
}

var errTorn = errors.New("journal: damaged")

func (r *reader) next() (seq uint64, payload []byte, err error) {
	var head [headerSize]byte
	if n, err := r.in.ReadAt(head[:], r.at); n < headerSize {
		if n > 0 || err == nil {
			return 0, nil, errTorn
		}
		return 0, nil, err
	}
	n := int(le.Uint32(head[8:]))
	if [4]byte(head[:4]) != magic || n > maxPayload {
		return 0, nil, errTorn
	}
	if cap(r.buf) < n {
		r.buf = make([]byte, n)
	}
	if m, _ := r.in.ReadAt(r.buf[:n], r.at+headerSize); m < n {
		return 0, nil, errTorn
	}
	sum := crc32.Update(crc32.Checksum(head[8:], castagnoli), castagnoli, r.buf[:n])
	if sum != le.Uint32(head[4:]) {
		return 0, nil, errTorn
	}
	r.at += int64(headerSize + n)
	return le.Uint64(head[12:]), r.buf[:n], nil
}
