package throttle

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"time"
)

// The state on disk is a snapshot of the table and a journal of the lines said
// since. Both carry the number of the last line, so that a journal which a crash
// left beside a newer snapshot changes nothing.
//
//	snapshot: magic, line, number of entries, entries with what they hold, CRC-32C
//	journal:  for each line: length and CRC-32C (4 bytes each), line, entry
//
// Neither is synced: they survive a kill, and after a power cut the checksums
// tell what is whole. A second of fsync would hold up the alerts instead.
const (
	magic      = "flowhound fold 4\n"
	maxJournal = 1 << 10 // bytes of one journal record: an entry is a tenth
)

// ErrDamaged is what Restore wraps when the snapshot cannot be read.
var ErrDamaged = errors.New("the fold state is damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// state is the table's place on disk.
type state struct {
	path    string
	journal *os.File // nil: could not be opened; the next snapshot tries again
	line    uint64   // number of the last line said
}

func (s *state) journalPath() string { return s.path + ".journal" }

// Restore loads the state from path and from path.journal beside it, and keeps
// it there from now on: every line is journaled before it is emitted. It is to be
// called once, on a new Table. Windows that ended meanwhile end with the next
// Advance.
//
// An error does not stop the Table from working: with ErrDamaged it starts
// without what the snapshot held and overwrites it; with any other error, such as
// a disk that is full, each Snapshot tries again to get the state onto disk.
func (t *Table) Restore(path string, now time.Time) error {
	t.state = &state{path: path}
	t.now = now.UnixNano()
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	case err == nil:
		err = t.decode(b)
	}
	if err != nil {
		err = fmt.Errorf("read fold state %s, starting without it: %w", path, err)
	}
	b, journalErr := os.ReadFile(t.state.journalPath())
	if errors.Is(journalErr, fs.ErrNotExist) {
		journalErr = nil
	}
	if journalErr != nil {
		journalErr = fmt.Errorf("read the journal of the fold state: %w", journalErr)
	}
	t.replay(b)
	t.settle()
	t.shrink(t.o.MaxKeys)
	t.changed = true
	return errors.Join(err, journalErr, t.Snapshot())
}

// settle fits restored times to the clock, which may have been set back: nothing
// lasts longer than it could have from now on.
func (t *Table) settle() {
	for _, e := range t.queue {
		e.saidAt = min(e.saidAt, t.now)
		e.end = min(e.end, saturate(t.now, int64(t.o.MaxWindow)))
	}
	t.queue.init()
}

// Snapshot writes the state, if it changed since the last time, and starts the
// journal afresh. Called every few seconds it bounds what a kill loses of held
// counts. Without Restore it does nothing.
func (t *Table) Snapshot() error {
	if t.state == nil || !t.changed && t.state.journal != nil {
		return nil
	}
	s := t.state
	if err := t.writeSnapshot(s.path + ".new"); err != nil {
		return fmt.Errorf("write fold state: %w", err)
	}
	if err := os.Rename(s.path+".new", s.path); err != nil {
		return fmt.Errorf("replace fold state: %w", err)
	}
	s.close()
	f, err := os.OpenFile(s.journalPath(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start the journal of the fold state: %w", err)
	}
	s.journal = f
	t.changed = false
	return nil
}

func (t *Table) writeSnapshot(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(t.encode(f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path)) // a full disk needs the room
	}
	return nil
}

// Close writes a last snapshot. The Table works on, but nothing is journaled.
func (t *Table) Close() error {
	t.releaseAll()
	err := t.Snapshot()
	if t.state != nil {
		t.state.close()
		t.state = nil
	}
	return err
}

func (s *state) close() {
	if s.journal != nil {
		_ = s.journal.Close() // nothing is buffered
		s.journal = nil
	}
}

// journal writes down that e has just said a line. A record that fails ends the
// journal until the next snapshot: what follows a torn one could not be read.
func (t *Table) journal(e *entry) {
	s := t.state
	if s == nil {
		return
	}
	s.line++
	if s.journal == nil {
		t.stats.JournalErrors++
		return
	}
	c := coder{b: make([]byte, 8, 256)}
	num(&c, &s.line, anyNum)
	t.code(&c, e)
	body := c.b[8:]
	binary.BigEndian.PutUint32(c.b, uint32(len(body)))
	binary.BigEndian.PutUint32(c.b[4:], crc32.Checksum(body, castagnoli))
	if _, err := s.journal.Write(c.b); err != nil {
		t.stats.JournalErrors++
		s.close()
	}
}

// replay applies a journal up to its end or the record that a crash cut short.
func (t *Table) replay(b []byte) {
	for len(b) >= 8 {
		n, crc := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
		if b = b[8:]; n > maxJournal || int(n) > len(b) || crc32.Checksum(b[:n], castagnoli) != crc {
			return
		}
		c := coder{b: b[:n], reading: true}
		b = b[n:]
		var line uint64
		e := new(entry)
		num(&c, &line, anyNum)
		c.entry(e)
		if c.bad {
			return
		}
		if line <= t.state.line {
			continue
		}
		t.state.line = line
		if old := t.entries[e.key]; old != nil {
			t.remove(old)
		}
		t.adopt(e)
	}
}

// encode writes the snapshot, an entry at a time: a full table is 20 MB of it.
func (t *Table) encode(w io.Writer) error {
	sum := crc32.New(castagnoli)
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<16)
	c := coder{b: []byte(magic)}
	n := len(t.entries)
	num(&c, &t.state.line, anyNum)
	num(&c, &n, anyNum)
	_, _ = out.Write(c.b) // out keeps the first error for Flush
	for _, l := range [...]*list{&t.recent.fresh, &t.recent.proven} {
		for e := l.oldest; e != nil; e = e.newer { // the order to adopt them in
			c.b = c.b[:0]
			t.code(&c, e)
			c.held(e)
			_, _ = out.Write(c.b)
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err := w.Write(sum.Sum(nil))
	return err
}

// code writes e with the window that a shared pace has come to.
func (t *Table) code(c *coder, e *entry) {
	w := *e
	if p := t.noise.pace(e.key); p != nil {
		w.window = p.window
	}
	c.entry(&w)
}

// decode fills an empty table with a snapshot, or leaves it empty.
func (t *Table) decode(b []byte) error {
	if len(b) < len(magic)+4 || string(b[:len(magic)]) != magic {
		return fmt.Errorf("%w: it does not begin like one", ErrDamaged)
	}
	body, crc := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, castagnoli) != crc {
		return fmt.Errorf("%w: the checksum is wrong", ErrDamaged)
	}
	c := coder{b: body[len(magic):], reading: true}
	var line uint64
	var n int
	num(&c, &line, anyNum)
	c.count(&n)
	entries := make([]*entry, 0, min(n, 1<<16))
	seen := make(map[key]bool)
	for i := 0; i < n && !c.bad; i++ {
		e := new(entry)
		c.entry(e)
		c.held(e)
		c.bad = c.bad || seen[e.key]
		seen[e.key] = true
		entries = append(entries, e)
	}
	if c.bad || len(c.b) > 0 {
		return fmt.Errorf("%w: its entries cannot be read", ErrDamaged)
	}
	t.state.line = line
	for _, e := range entries {
		t.adopt(e)
	}
	return nil
}

// adopt takes a restored entry for the most recently used one.
func (t *Table) adopt(e *entry) {
	t.link(e)
	t.created = max(t.created, e.created)
	if h := e.held; h != nil && h.behind != nil {
		t.addrs += addrBudget(len(h.behind.sources.counts) + len(h.behind.targets.counts))
	}
	if e.group.counted {
		t.crowds.add(e, false, 0)
	}
	if p := t.noise.pace(e.key); p != nil {
		p.window = max(p.window, e.window)
	}
}
