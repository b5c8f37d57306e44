package journal

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"syscall"

	"github.com/flowhound/flowhound/cmd/internal/finding"
)

const (
	// DefaultLimit is how many bytes of the journal wait for a cursor that has no
	// limit of its own.
	DefaultLimit = 1 << 30
	// keepLimit is how many bytes of the journal are kept for Replay.
	keepLimit = 256 << 20
)

// Cursor is how far one consumer is. Next, Rewind and Close are for one goroutine at a
// time, and so is Ack.
type Cursor struct {
	j    *Journal
	name string
	file *os.File // nil: could not be opened
	slot int

	// Of the goroutine that reads.
	in    *os.File // the segment that begins with the record first
	first uint64
	scan  *scanner
	fails int // to read at one place, in a row

	unsaved finding.Trouble // with the file

	// With the journal's mu.
	open  bool // somebody reads
	at    uint64
	acked uint64   // all up to this one are done
	hand  []taken  // records that Next returned and that are not acknowledged
	floor uint64   // what is older is beyond the limit
	where *segment // that at is in
	limit int64    // bytes that may wait

	// Counts of the records for it that have at least the number from: those that are
	// filed in segments, those that are in memory only, and those behind it. What is behind
	// it by its place and was not given to it is lost; excused are those of them that Rewind
	// makes it come to again.
	from            uint64
	filed, fresh    int
	passed, excused int
	lost            Lost
}

// taken is a record that a consumer has, and how many were behind the cursor before.
type taken struct {
	seq    uint64
	passed int
}

// Lost counts the records that a consumer wants and will not get, since Open.
type Lost struct {
	Full    uint64 // the limit was reached: the oldest made room
	Memory  uint64 // the disk could not be written, and memory was full
	Damaged uint64 // they could not be read
}

// Sum is all of them.
func (l Lost) Sum() uint64 { return l.Full + l.Memory + l.Damaged }

func (j *Journal) newCursor(name string, at uint64) *Cursor {
	c := &Cursor{j: j, name: name, limit: DefaultLimit, from: at, at: at, acked: at - 1}
	c.unsaved = finding.Trouble{Fails: "the cursor of " + name + " cannot be saved", Costs: "after a crash, hits would be delivered again", Log: j.o.Log}
	j.cursors[name] = c
	return c
}

// Cursor returns the cursor of that name, where its consumer left it; a new one
// stands at the end. limit bounds the bytes of the journal that wait for it; 0 is
// DefaultLimit.
func (j *Journal) Cursor(name string, limit int64) *Cursor {
	j.mu.Lock()
	c := j.cursors[name]
	if c == nil {
		c = j.newCursor(name, j.next)
	}
	c.open = true
	j.mu.Unlock()
	c.SetLimit(limit)
	c.save()
	return c
}

// SetLimit changes how many bytes of the journal may wait.
func (c *Cursor) SetLimit(limit int64) {
	if limit <= 0 {
		limit = DefaultLimit
	}
	c.j.mu.Lock()
	defer c.j.mu.Unlock()
	c.limit = max(limit, 16*minSegment)
}

// Names returns the names of all cursors, those without a consumer too.
func (j *Journal) Names() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Collect(maps.Keys(j.cursors))
}

// Waiting returns how many records are not done for the cursor of that name, how
// many bytes of the journal that is, and what it has lost. It may be called by
// anyone.
func (j *Journal) Waiting(name string) (n int, bytes int64, lost Lost) {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.cursors[name]
	if c == nil {
		return 0, 0, Lost{}
	}
	for i, g := range j.segments {
		if bytes > 0 || c.needs(i) {
			bytes += g.size
		}
	}
	return c.filed + c.fresh - c.passed + len(c.hand), bytes, c.lost
}

// each calls f for the cursors that count r. mu is held.
func (j *Journal) each(r *Record, f func(c *Cursor)) {
	for _, name := range r.To {
		if c := j.cursors[name]; c != nil && c.from <= r.Seq {
			f(c)
		}
	}
}

// nextOf returns the number of the record that follows the segment at i. mu is held.
func (j *Journal) nextOf(i int) uint64 {
	if i+1 < len(j.segments) {
		return j.segments[i+1].first
	}
	return j.written
}

// filedBy returns how many records for c the segments up to the one at i hold. mu is held.
func (c *Cursor) filedBy(i int) int {
	if i+1 < len(c.j.segments) {
		return c.j.segments[i+1].before[c]
	}
	return c.filed
}

// pass notes that the first filed records are behind, and returns how many of them were
// not given, and not counted either. mu is held.
func (c *Cursor) pass(filed int) (missed uint64) {
	n := max(0, filed-c.passed)
	again := min(n, c.excused)
	c.passed += n
	c.excused -= again
	return uint64(n - again)
}

// needs reports whether the consumer still needs the segment at i. mu is held.
func (c *Cursor) needs(i int) bool {
	next := c.j.nextOf(i)
	return c.floor < next && (c.passed < c.filedBy(i) || len(c.hand) > 0 && c.hand[0].seq < next)
}

// enforce gives up what is beyond the limit. mu is held.
func (c *Cursor) enforce() {
	last := len(c.j.segments) - 1
	total := c.j.segments[last].size
	for i := last - 1; i >= 0; i-- {
		if total += c.j.segments[i].size; total > c.limit {
			c.floor = max(c.floor, c.j.nextOf(i))
			c.at = max(c.at, c.floor)
			c.lost.Full += c.pass(c.filedBy(i))
			return
		}
	}
}

// Next returns the next record that the consumer wants, nil when there is none yet.
// An error is the disk's; the call may be repeated after a while: a place that
// cannot be read is given up then.
func (c *Cursor) Next() (*Record, error) {
	for {
		r, g, limit := c.locate()
		if r != nil || g == nil {
			return r, nil
		}
		err := c.openSegment(g)
		if err == nil {
			c.scan.limit = limit
			var seq uint64
			var payload []byte
			if seq, payload, err = c.scan.next(); err == nil {
				c.fails = 0
				if r := c.accept(seq, payload); r != nil {
					return r, nil
				}
				continue
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, os.ErrNotExist):
			c.leave(g, limit)
		case c.fails < readTries-1 || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE):
			c.fails++
			return nil, fmt.Errorf("journal: %w", err)
		case c.scan != nil:
			c.scan.pass()
		default:
			c.leave(g, -1)
		}
	}
}

// locate returns the record that comes next where it is in memory; else the segment
// that it is in, and how much of that there is. Neither: there is none.
func (c *Cursor) locate() (r *Record, g *segment, limit int64) {
	j := c.j
	j.mu.Lock()
	defer j.mu.Unlock()
	for memory := j.inMemory(); c.at < j.visible; {
		i := searchSegment(j.segments, c.at)
		if len(j.segments) > 0 && j.segments[i] != c.where {
			c.miss(j.segments[i].before[c])
			c.where = j.segments[i]
		}
		switch {
		case c.at >= memory:
			r := j.tail[c.at-memory]
			if c.at++; r.wants(c.name) {
				c.take(r.Seq)
				return r, nil, 0
			}
		case len(j.segments) == 0:
			c.at = memory
		default:
			if c.passed < c.filedBy(i) {
				return nil, j.segments[i], j.segments[i].size
			}
			next := j.nextOf(i) // as there is nothing for it in there
			if next <= c.at {   // those between were in memory, and had to make room
				next = memory
			}
			c.at = min(next, memory)
		}
	}
	return nil, nil, 0
}

// miss counts as lost what of the first filed records was not given: it should have been
// in the segment that at is in, or before. mu is held.
func (c *Cursor) miss(filed int) {
	if n := c.pass(filed); n > 0 {
		c.lost.Damaged += n
		if c.where != nil {
			c.where.damaged = true
		}
	}
}

// take notes that the consumer has the record. mu is held.
func (c *Cursor) take(seq uint64) {
	c.hand = append(c.hand, taken{seq, c.passed})
	c.passed++
}

func (c *Cursor) openSegment(g *segment) error {
	if c.in != nil && c.first == g.first {
		return nil
	}
	c.closeSegment()
	f, err := os.Open(c.j.path(g.first))
	if err != nil {
		return err
	}
	c.in, c.first, c.scan = f, g.first, &scanner{in: f}
	return nil
}

func (c *Cursor) closeSegment() {
	if c.in != nil {
		_ = c.in.Close() // it was only read
		c.in, c.scan = nil, nil
	}
}

// accept returns the record if it is one that the consumer wants.
func (c *Cursor) accept(seq uint64, payload []byte) *Record {
	r := &Record{Seq: seq, size: int64(headerSize + len(payload))}
	kind, body, err := r.decode(payload)
	c.j.mu.Lock()
	wants := err == nil && r.wants(c.name) && seq >= c.at
	if wants {
		c.take(seq)
	}
	c.at = max(c.at, seq+1)
	c.j.mu.Unlock()
	if !wants {
		return nil
	}
	r.Said = nil
	r.fill(kind, body)
	return r
}

// leave goes on behind a segment that has no more records, if it is as long as it was:
// negative, it cannot be opened.
func (c *Cursor) leave(g *segment, size int64) {
	j := c.j
	j.mu.Lock()
	defer j.mu.Unlock()
	i := searchSegment(j.segments, g.first)
	if size >= 0 && size != g.size || j.segments[i] != g {
		return // it has grown, or has made room
	}
	c.closeSegment()
	c.fails = 0
	filed, next := c.filedBy(i), j.nextOf(i)
	for _, r := range j.tail {
		if r.Seq < next && r.wants(c.name) { // it comes from memory
			filed--
		}
	}
	c.miss(filed)
	c.at = max(c.at, min(next, j.inMemory()))
}

// Wait returns a channel that is closed when there is more than there was.
func (c *Cursor) Wait() <-chan struct{} {
	c.j.mu.Lock()
	defer c.j.mu.Unlock()
	if c.at < c.j.visible {
		now := make(chan struct{})
		close(now)
		return now
	}
	return c.j.more
}

// Ack says that all records up to seq are done, and lets go of what nobody needs any
// more. It may be called now and then only: what it was not told of comes again after
// a crash.
func (c *Cursor) Ack(seq uint64) {
	c.j.mu.Lock()
	c.acked = max(c.acked, seq)
	n := 0
	for n < len(c.hand) && c.hand[n].seq <= seq {
		n++
	}
	c.hand = append(c.hand[:0], c.hand[n:]...)
	c.j.trim()
	c.j.mu.Unlock()
	c.save()
	c.j.clean()
}

// Close ends reading. The cursor stays where it is, and its records wait. What was
// taken and not acknowledged is given again to the next that asks for this cursor.
func (c *Cursor) Close() {
	c.Rewind()
	c.save()
	c.j.mu.Lock()
	defer c.j.mu.Unlock()
	c.open = false
}

// Rewind makes Next give again what was taken and not acknowledged.
func (c *Cursor) Rewind() {
	c.closeSegment()
	c.j.mu.Lock()
	defer c.j.mu.Unlock()
	for i, t := range c.hand {
		if t.seq >= c.floor {
			c.excused += c.passed - t.passed - len(c.hand[i:])
			c.at, c.where, c.passed = t.seq, nil, t.passed
			break
		}
		c.lost.Full++ // it has made room meanwhile
	}
	c.hand = nil
}
