package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
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
	in    *os.File
	first uint64 // of the segment that in is
	scan  *scanner
	fails int // to read at one place, in a row

	unsaved finding.Trouble // with the file

	// With the journal's mu.
	open  bool // somebody reads
	at    uint64
	acked uint64   // all up to this one are done
	hand  []uint64 // records that Next returned and that are not acknowledged
	floor uint64   // what is older is beyond the limit
	where *segment // that at is in
	limit int64    // bytes that may wait
	fresh int      // records in memory that it wants and has not taken
	lost  Lost
}

// Lost counts the records that a consumer wants and will not get, since Open.
type Lost struct {
	Full    uint64 // the limit was reached: the oldest made room
	Memory  uint64 // the disk could not be written, and memory was full
	Damaged uint64 // they could not be read
}

// Sum is all of them.
func (l Lost) Sum() uint64 { return l.Full + l.Memory + l.Damaged }

func (j *Journal) newCursor(name string) *Cursor {
	c := &Cursor{j: j, name: name, limit: DefaultLimit}
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
		c = j.newCursor(name)
		c.at, c.acked = j.next, j.next-1
	}
	if limit <= 0 {
		limit = DefaultLimit
	}
	c.open, c.limit = true, max(limit, 16*minSegment)
	j.mu.Unlock()
	c.save()
	return c
}

// SetLimit changes how many bytes of the journal may wait.
func (c *Cursor) SetLimit(limit int64) {
	c.j.mu.Lock()
	defer c.j.mu.Unlock()
	c.limit = max(limit, 16*minSegment)
}

// Names returns the names of all cursors, those without a consumer too.
func (j *Journal) Names() (names []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for name := range j.cursors {
		names = append(names, name)
	}
	return names
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
	n = c.fresh + len(c.hand)
	for i, g := range j.segments {
		n += g.wanted[c]
		end := j.next
		if i+1 < len(j.segments) {
			end = j.segments[i+1].first
		}
		if bytes > 0 || c.needs(g, end) {
			bytes += g.size
		}
	}
	return n, bytes, c.lost
}

// enforce gives up what is beyond the limit. mu is held.
func (c *Cursor) enforce() {
	total := int64(0)
	for i := len(c.j.segments) - 1; i >= 0; i-- {
		g := c.j.segments[i]
		if total += g.size; total <= c.limit || i == len(c.j.segments)-1 {
			continue
		}
		c.floor = max(c.floor, c.j.segments[i+1].first)
		c.lost.Full += uint64(g.wanted[c])
		delete(g.wanted, c)
	}
	c.at = max(c.at, c.floor)
}

// Next returns the next record that the consumer wants, nil when there is none yet.
// An error is the disk's; the call may be repeated after a while: a place that
// cannot be read is given up then.
func (c *Cursor) Next() (*Record, error) {
	for {
		r, g, limit, end := c.locate()
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
				if r := c.accept(g, seq, payload); r != nil {
					return r, nil
				}
				continue
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, os.ErrNotExist):
			c.passSegment(g, limit, end)
		case c.fails < readTries-1 || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE):
			c.fails++
			return nil, fmt.Errorf("journal: %w", err)
		case c.scan != nil:
			c.scan.pass()
		default:
			c.passSegment(g, -1, end)
		}
	}
}

// locate returns the record that comes next where it is in memory; else the segment
// that it is in, how much of that there is, and where it ends. Neither: there is none.
func (c *Cursor) locate() (r *Record, g *segment, limit int64, end uint64) {
	j := c.j
	j.mu.Lock()
	defer j.mu.Unlock()
	for c.at < j.visible {
		c.arrive()
		if len(j.tail) > 0 && c.at >= j.tail[0].Seq {
			r := j.tail[c.at-j.tail[0].Seq]
			c.at++
			if r.wants(c.name) {
				c.take(r)
				return r, nil, 0, 0
			}
			continue
		}
		end = j.visible
		if len(j.tail) > 0 {
			end = min(end, j.tail[0].Seq)
		}
		if len(j.segments) == 0 {
			c.at = end
			continue
		}
		i := searchSegment(j.segments, c.at)
		if i+1 < len(j.segments) {
			end = min(end, j.segments[i+1].first)
		}
		if g = j.segments[i]; g.wanted[c] > 0 {
			return nil, g, g.size, end
		}
		c.at = max(c.at, end) // there is nothing for it in there
	}
	return nil, nil, 0, 0
}

// take notes that the consumer has r. mu is held.
func (c *Cursor) take(r *Record) {
	c.hand = append(c.hand, r.Seq)
	if r.Seq >= c.j.written {
		c.fresh--
		return
	}
	if g := c.j.segments[searchSegment(c.j.segments, r.Seq)]; g.wanted[c] > 0 {
		g.wanted[c]--
	}
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
func (c *Cursor) accept(g *segment, seq uint64, payload []byte) *Record {
	r := &Record{Seq: seq, size: int64(headerSize + len(payload))}
	kind, body, err := r.decode(payload)
	wants := err == nil && r.wants(c.name)
	c.j.mu.Lock()
	if wants = wants && seq >= c.at; wants {
		c.hand = append(c.hand, seq)
		if g.wanted[c] > 0 {
			g.wanted[c]--
		}
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

// passSegment goes on behind a segment that has no more records, if it is as long as
// it was: negative, it cannot be opened.
func (c *Cursor) passSegment(g *segment, size int64, end uint64) {
	c.j.mu.Lock()
	defer c.j.mu.Unlock()
	if size >= 0 && size != g.size {
		return // it has grown
	}
	c.closeSegment()
	c.fails = 0
	c.miss(g)
	c.at = max(c.at, end)
}

// miss counts what should have been in a segment, and was not, as lost. mu is held.
func (c *Cursor) miss(g *segment) {
	if n := g.wanted[c]; n > 0 {
		c.lost.Damaged += uint64(n)
		g.damaged = true
		delete(g.wanted, c)
	}
}

// arrive looks whether the next record is in another segment than the last one, and
// what is missed of those before. mu is held.
func (c *Cursor) arrive() {
	j := c.j
	if len(j.segments) == 0 {
		return
	}
	i := searchSegment(j.segments, c.at)
	if j.segments[i] == c.where {
		return
	}
	c.where = j.segments[i]
	for _, g := range j.segments[:i] {
		c.miss(g)
	}
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
	for n < len(c.hand) && c.hand[n] <= seq {
		n++
	}
	c.hand = append(c.hand[:0], c.hand[n:]...)
	remove := c.j.clean()
	c.j.trim()
	c.j.mu.Unlock()
	c.save()
	remove()
}

// Kept reports whether the record of this number still waits on disk when nobody
// acknowledges it.
func (c *Cursor) Kept(seq uint64) bool {
	c.j.mu.Lock()
	defer c.j.mu.Unlock()
	return seq < c.j.written && seq >= c.floor
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
	for _, seq := range c.hand {
		if seq < c.floor {
			continue
		}
		c.at, c.where = min(c.at, seq), nil
		if seq >= c.j.written {
			c.fresh++
		} else {
			c.j.segments[searchSegment(c.j.segments, seq)].wanted[c]++
		}
	}
	c.hand = nil
}

// needs reports whether the consumer still needs a segment that ends before end. mu
// is held.
func (c *Cursor) needs(g *segment, end uint64) bool {
	return c.floor < end && (g.wanted[c] > 0 || len(c.hand) > 0 && c.hand[0] < end)
}

func (c *Cursor) close() {
	if c.file != nil {
		_ = c.file.Close() // every write said what became of it
	}
}
