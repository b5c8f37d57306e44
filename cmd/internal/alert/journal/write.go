package journal

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// maxWrite bounds the bytes of one write(2).
const maxWrite = 1 << 20

// reserved is how much of the disk is kept for the journal, so that the lines which
// say that it is full, and some hits, are on it all the same.
const reserved = 512 << 10

// Append accepts a record and returns its number. It waits for no disk: consumers
// are told once the disk has the record, or from memory where that fails. The record
// is the journal's from then on.
func (j *Journal) Append(r *Record) (uint64, error) {
	if r.At.IsZero() {
		r.At = time.Now()
	}
	if err := r.encode(); err != nil {
		return 0, err
	}
	r.Said = nil // it is the caller's again
	j.mu.Lock()
	r.Seq = j.next
	j.next++
	j.stats.Appended++
	j.tail = append(j.tail, r)
	j.stats.Waiting += r.size
	j.each(r, func(c *Cursor) { c.fresh++ })
	for j.stats.Waiting > maxMemory {
		j.evict()
	}
	if j.stats.Late || j.stats.Write != "" {
		j.show(j.next)
	}
	j.mu.Unlock()
	select {
	case j.wake <- struct{}{}:
	default: // it is awake
	}
	return r.Seq, nil
}

// show lets consumers read all records before seq. mu is held.
func (j *Journal) show(seq uint64) {
	if seq <= j.visible {
		return
	}
	if from := max(j.visible, j.written); seq > from {
		j.stats.Memory += seq - from
	}
	j.visible = seq
	close(j.more)
	j.more = make(chan struct{})
}

// evict takes the oldest record out of memory. What is not on disk is lost to those
// that have not taken it. mu is held.
func (j *Journal) evict() {
	r := j.tail[0]
	j.tail[0] = nil
	j.tail = j.tail[1:]
	if r.Seq < j.written {
		j.kept -= r.size
		return
	}
	j.stats.Waiting -= r.size
	r.evicted = true
	j.stats.Evicted++
	j.each(r, func(c *Cursor) {
		if c.fresh--; c.at <= r.Seq {
			c.lost.Memory++
		} else {
			c.filed++
		}
	})
}

// inMemory returns the number of the first record that is in memory. mu is held.
func (j *Journal) inMemory() uint64 {
	if len(j.tail) > 0 {
		return j.tail[0].Seq
	}
	return j.next
}

// trim forgets records that are on disk: those that all have taken, and the oldest
// beyond maxTail. mu is held.
func (j *Journal) trim() {
	oldest := j.written
	for _, c := range j.cursors {
		if c.open {
			oldest = min(oldest, c.at)
		}
	}
	for len(j.tail) > 0 && j.tail[0].Seq < j.written && (j.tail[0].Seq < oldest || j.kept > maxTail) {
		j.evict()
	}
}

// write is the goroutine that alone writes. It takes what waits along at the end.
func (j *Journal) write() {
	for {
		batch, size := j.batch()
		if len(batch) == 0 {
			select {
			case <-j.wake:
				continue
			case <-j.quit:
				return
			}
		}
		wait := lateAfter
		if j.Mode() == SyncAlways {
			wait = lateAlways
		}
		late := time.AfterFunc(wait, j.isLate)
		err := j.writeBatch(batch, size)
		late.Stop()
		j.wrote(err)
		if err == nil {
			continue
		}
		select {
		case <-time.After(retryEvery):
		case <-j.quit:
			return
		}
	}
}

// isLate lets consumers go on without a disk that does not answer.
func (j *Journal) isLate() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stats.Late = true
	j.show(j.next)
}

// batch returns the records that one write is to take next, and the size of the segment
// that they belong to: negative, it is to be begun.
func (j *Journal) batch() (batch []*Record, size int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	batch = j.unwritten()
	if len(batch) == 0 {
		return nil, 0
	}
	room, n := int64(maxSegment), batch[0].size
	for _, c := range j.cursors {
		room = min(room, max(c.limit/16, minSegment))
	}
	if j.active != nil && !j.broken {
		size = j.segments[len(j.segments)-1].size
	}
	if j.active == nil || j.broken || size > 0 && size+n > room {
		size = -1
	}
	room = min(room-max(size, 0), maxWrite)
	if j.stats.Write != "" { // take what room there is
		room = min(room, maxWrite/16)
	}
	most := 1
	for most < len(batch) && n+batch[most].size <= room {
		n += batch[most].size
		most++
	}
	return slices.Clone(batch[:most]), size
}

// unwritten returns the records that are not on disk. mu is held.
func (j *Journal) unwritten() []*Record {
	first := j.inMemory()
	return j.tail[max(j.written, first)-first:]
}

// giveUp lets go of what was delivered from memory to all who want it, but for the
// last record, which finds out when the disk is well again. mu is held.
func (j *Journal) giveUp() {
	for rest := j.unwritten(); len(rest) > 1 && rest[0].Seq < j.keep && !j.anyWants(rest[0]); rest = rest[1:] {
		j.taken(rest[0])
	}
}

// taken notes that r need not be in memory any more: it is on disk, or all have it. mu is
// held.
func (j *Journal) taken(r *Record) {
	j.written = r.Seq + 1
	r.payload = nil
	if !r.evicted {
		j.stats.Waiting -= r.size
		j.kept += r.size
	}
	j.each(r, func(c *Cursor) {
		switch {
		case !r.evicted:
			c.fresh--
			c.filed++
		case c.at <= r.Seq: // it was counted as lost, and is there all the same
			c.filed++
		}
	})
}

// writeBatch writes records behind size in the active segment, or, where it is negative,
// in a new one.
func (j *Journal) writeBatch(batch []*Record, size int64) error {
	if size < 0 {
		if err := j.roll(batch[0].Seq); err != nil {
			return err
		}
		size = 0
	}
	j.buf = j.buf[:0]
	for _, r := range batch {
		j.buf = appendFrame(j.buf, r.Seq, r.payload)
	}
	if end := size + int64(len(j.buf)); end+reserved/2 > j.reservedTo {
		j.reservedTo = end + reserved
		allocate(j.active, j.reservedTo)
	}
	if _, err := j.active.Write(j.buf); err != nil {
		j.broken = j.active.Truncate(size) != nil
		if j.renew(batch[0].Seq) { // a second failure finds nothing to renew
			return j.writeBatch(batch, 0)
		}
		return err
	}
	j.mu.Lock()
	j.segments[len(j.segments)-1].size += int64(len(j.buf))
	j.dirty = true
	for _, r := range batch {
		j.taken(r)
	}
	j.mu.Unlock()
	if j.Mode() == SyncAlways {
		_ = j.syncNow() // it is said, and consumers go on
	}
	return nil
}

// roll begins a new segment, whose first record will be seq.
func (j *Journal) roll(seq uint64) error {
	err := os.MkdirAll(j.o.Dir, 0o700)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(j.path(seq), os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600) // a file of that name holds no record
	if err != nil {
		return err
	}
	j.mu.Lock()
	if j.active != nil {
		j.unsynced = append(j.unsynced, j.active)
	}
	if n := len(j.segments); n > 0 && j.segments[n-1].first == seq { // it broke before its first record
		j.segments = j.segments[:n-1]
	}
	j.begin(seq)
	j.active, j.broken, j.newNames, j.dirty, j.reservedTo = f, false, true, true, 0
	for _, c := range j.cursors {
		c.enforce()
	}
	j.mu.Unlock()
	j.clean()
	return nil
}

// begin adds a segment whose first record will be seq. mu is held.
func (j *Journal) begin(seq uint64) *segment {
	g := &segment{first: seq, before: map[*Cursor]int{}}
	for _, c := range j.cursors {
		g.before[c] = c.filed
	}
	j.segments = append(j.segments, g)
	return g
}

// renew begins another segment where nobody needs the active one: on a full disk
// that makes room. It reports whether it did.
func (j *Journal) renew(seq uint64) bool {
	j.mu.Lock()
	last, f := len(j.segments)-1, j.active
	spent := j.segments[last].size > 0 && !j.needed(last)
	j.mu.Unlock()
	if !spent || j.roll(seq) != nil {
		return false
	}
	return f.Truncate(0) == nil // it may be open elsewhere: its bytes go at once all the same
}

// wrote lets consumers read what was written; after an error all there is.
func (j *Journal) wrote(err error) {
	j.mu.Lock()
	j.stats.Late = false
	switch {
	case err != nil:
		j.stats.Errors++
		j.stats.Write = err.Error()
		j.show(j.next)
		j.giveUp()
	case j.stats.Write != "" && j.stats.Waiting > 0: // that some fits is not the end of the trouble
		err = errors.New(j.stats.Write)
		j.show(j.written)
	default:
		if j.stats.Write != "" {
			j.unwritable.Again = fmt.Sprintf("data_dir can be written again; since the start %d records were delivered from memory", j.stats.Memory)
		}
		j.stats.Write = ""
		j.show(j.written)
	}
	j.trim()
	j.mu.Unlock()
	j.unwritable.Note(err)
}
