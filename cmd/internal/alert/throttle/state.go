package throttle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

// The state on disk is a snapshot of the table, and the changes that lines have made
// since: those stand in the journal, each in the record of its line, so that neither
// is durable without the other. The snapshot carries the number of the last record
// whose change it holds:
//
//	magic, record, number of entries, entries with what they hold, CRC-32C
//
// The Table knows no files: the Emitter keeps what snapshot returns, and the changes.
const (
	magic = "flowhound fold 6\n"
	// anyMagic begins the snapshots of all versions.
	anyMagic = "flowhound fold "
)

var (
	// errDamaged is what restore wraps when the snapshot cannot be read.
	errDamaged = errors.New("the fold state is damaged")
	// errVersion says that it is another version's. A stop says all that is held, so
	// that an upgrade loses no count by it.
	errVersion = errors.New("the fold state is of another version of flowhound")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// restore fills a new Table with a snapshot and returns the number of the last record
// that it holds: the later ones are to be given to apply, and then settle called. After
// an error the Table starts without what the snapshot held.
func (t *Table) restore(snapshot []byte) (record uint64, err error) {
	switch {
	case bytes.HasPrefix(snapshot, []byte(magic)):
		return t.decode(snapshot)
	case bytes.HasPrefix(snapshot, []byte(anyMagic)):
		return 0, errVersion
	}
	return 0, fmt.Errorf("%w: it does not begin like a fold state", errDamaged)
}

// settle ends restore: it fits restored times to the clock, which may have been set
// back, so that nothing lasts longer than it could have from now on. Windows that
// ended meanwhile end with the next Advance.
func (t *Table) settle(now time.Time) {
	t.now = now.UnixNano()
	for _, e := range t.queue {
		e.saidAt = min(e.saidAt, t.now)
		e.end = min(e.end, saturate(t.now, int64(t.o.MaxWindow)))
	}
	t.queue.init()
	t.shrink(t.o.MaxKeys)
	t.changed = true
}

// snapshot returns the state as of the record of that number, nil when nothing has
// changed since the last time. Kept every few seconds it bounds what a kill loses of
// held counts.
func (t *Table) snapshot(record uint64) []byte {
	if !t.changed {
		return nil
	}
	t.changed = false
	b := t.encode(record)
	t.encoded = len(b)
	return b
}

// noteChange notes what e's line, which is about to be emitted, changes in the state.
func (t *Table) noteChange(e *entry) {
	c := coder{b: t.change[:0]}
	t.code(&c, e)
	t.change = c.b
}

// apply repeats the change of a line. It reports whether it could be read.
func (t *Table) apply(change []byte) bool {
	c := coder{b: change, reading: true}
	e := new(entry)
	c.entry(e)
	if c.bad || len(c.b) > 0 {
		return false
	}
	if old := t.entries[e.key]; old != nil {
		t.remove(old)
	}
	t.adopt(e)
	return true
}

// encode makes a snapshot: of a full table that is 20 MB.
func (t *Table) encode(record uint64) []byte {
	c := coder{b: append(make([]byte, 0, t.encoded+t.encoded/8), magic...)}
	n := len(t.entries)
	num(&c, &record, anyNum)
	num(&c, &n, anyNum)
	for _, l := range [...]*list{&t.recent.fresh, &t.recent.proven} {
		for e := l.oldest; e != nil; e = e.newer { // the order to adopt them in
			t.code(&c, e)
			c.held(e)
		}
	}
	return binary.BigEndian.AppendUint32(c.b, crc32.Checksum(c.b, castagnoli))
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
func (t *Table) decode(b []byte) (record uint64, err error) {
	if len(b) < len(magic)+4 {
		return 0, fmt.Errorf("%w: it is cut short", errDamaged)
	}
	body, crc := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, castagnoli) != crc {
		return 0, fmt.Errorf("%w: the checksum is wrong", errDamaged)
	}
	c := coder{b: body[len(magic):], reading: true}
	var n int
	num(&c, &record, anyNum)
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
		return 0, fmt.Errorf("%w: its entries cannot be read", errDamaged)
	}
	for _, e := range entries {
		t.adopt(e)
	}
	return record, nil
}

// adopt takes a restored entry for the most recently used one.
func (t *Table) adopt(e *entry) {
	t.link(e)
	t.created = max(t.created, e.created)
	if h := e.held; h != nil && h.behind != nil {
		t.addrs += addrBudget(len(h.behind.sources.counts) + len(h.behind.targets.counts))
	}
	if e.group.counted {
		t.crowds.add(e, false, 0, t.o.Window)
	}
	if p := t.noise.pace(e.key); p != nil {
		p.window = max(p.window, e.window)
	}
}
