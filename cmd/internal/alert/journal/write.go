package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"
)

// maxWrite bounds the bytes of one write(2).
const maxWrite = 1 << 20

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
	j.memory += r.size
	for _, name := range r.To {
		if c := j.cursors[name]; c != nil {
			c.fresh++
		}
	}
	for j.memory > maxMemory {
		j.evict()
	}
	if j.late || j.stats.Write != "" {
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
	j.memory -= r.size
	r.evicted = true
	j.stats.Evicted++
	for _, name := range r.To {
		if c := j.cursors[name]; c != nil && c.at <= r.Seq {
			c.fresh--
			c.lost.Memory++
		}
	}
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
		batch := j.batch()
		if len(batch) == 0 {
			select {
			case <-j.wake:
				continue
			case <-j.quit:
				return
			}
		}
		late := time.AfterFunc(j.lateAfter(), j.isLate)
		err := j.writeBatch(batch)
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

func (j *Journal) lateAfter() time.Duration {
	if j.Mode() == SyncAlways {
		return lateAlways
	}
	return lateAfter
}

// isLate lets consumers go on without a disk that does not answer.
func (j *Journal) isLate() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.late = true
	j.show(j.next)
}

// batch returns the records that are to be written next.
func (j *Journal) batch() []*Record {
	j.mu.Lock()
	defer j.mu.Unlock()
	from := j.unwritten()
	most := int64(maxWrite)
	if j.stats.Write != "" { // take what room there is
		most = maxWrite / 16
	}
	to := from
	for size := int64(0); to < len(j.tail) && (to == from || size+j.tail[to].size <= most); to++ {
		size += j.tail[to].size
	}
	return slices.Clone(j.tail[from:to])
}

// unwritten returns the place in tail of the first record that is not on disk. mu is
// held.
func (j *Journal) unwritten() int {
	at := len(j.tail)
	for at > 0 && j.tail[at-1].Seq >= j.written {
		at--
	}
	return at
}

// giveUp lets go of what was delivered from memory to all who want it, but for the
// last record, which finds out when the disk is well again. mu is held.
func (j *Journal) giveUp() {
	for at := j.unwritten(); at+1 < len(j.tail); at++ {
		if r := j.tail[at]; r.Seq < j.keep && !j.anyWants(r) {
			j.taken(r)
			continue
		}
		return
	}
}

// taken notes that r need not be in memory any more. mu is held.
func (j *Journal) taken(r *Record) {
	j.written = r.Seq + 1
	r.payload = nil
	if !r.evicted {
		j.memory -= r.size
		j.kept += r.size
	}
}

// writeBatch writes records, as few writes as there are segments.
func (j *Journal) writeBatch(batch []*Record) error {
	for len(batch) > 0 {
		size, most := j.room(batch[0].size)
		if size < 0 {
			if err := j.roll(batch[0].Seq); err != nil {
				return err
			}
			size = 0
		}
		j.buf = j.buf[:0]
		n := 0
		for n < len(batch) && (n == 0 || size+int64(len(j.buf))+batch[n].size <= most) {
			j.buf = appendFrame(j.buf, batch[n].Seq, batch[n].payload)
			n++
		}
		j.reserve(size + int64(len(j.buf)))
		if _, err := j.active.Write(j.buf); err != nil {
			j.broken = j.active.Truncate(size) != nil
			if !j.renew(batch[0].Seq) {
				return err
			}
			continue // in a fresh segment; a second failure finds nothing to renew
		}
		j.grew(int64(len(j.buf)), batch[:n])
		batch = batch[n:]
	}
	if j.Mode() == SyncAlways {
		_ = j.syncNow() // it is said, and consumers go on
	}
	return nil
}

// reserved is how much of the disk is kept for the journal, so that the lines which
// say that it is full, and some hits, are on it all the same.
const reserved = 512 << 10

// reserve sees to room for reserved bytes, some of them behind size. What cannot be
// reserved is written as long as there is room.
func (j *Journal) reserve(size int64) {
	if size+reserved/2 > j.reservedTo {
		j.reservedTo = size + reserved
		allocate(j.active, j.reservedTo)
	}
}

// room returns the size of the active segment, negative when a record of n bytes
// needs another one, and the size that a segment may have.
func (j *Journal) room(n int64) (size, most int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	most = maxSegment
	for _, c := range j.cursors {
		most = min(most, max(c.limit/16, minSegment))
	}
	if j.active == nil || j.broken {
		return -1, most
	}
	if size = j.segments[len(j.segments)-1].size; size > 0 && size+n > most {
		return -1, most
	}
	return size, most
}

// roll begins a new segment, whose first record will be seq.
func (j *Journal) roll(seq uint64) error {
	const flags = os.O_RDWR | os.O_CREATE | os.O_TRUNC | os.O_APPEND // a file of that name holds no record
	f, err := os.OpenFile(j.path(seq), flags, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(j.dir, 0o700); err == nil {
			f, err = os.OpenFile(j.path(seq), flags, 0o600)
		}
	}
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
	j.segments = append(j.segments, &segment{first: seq, wanted: map[*Cursor]int{}})
	j.active, j.broken, j.newNames, j.dirty, j.reservedTo = f, false, true, true, 0
	for _, c := range j.cursors {
		c.enforce()
	}
	remove := j.clean()
	j.mu.Unlock()
	remove()
	return nil
}

// renew begins another segment where nobody needs the active one: on a full disk
// that makes room. It reports whether it did.
func (j *Journal) renew(seq uint64) bool {
	j.mu.Lock()
	last, f := j.segments[len(j.segments)-1], j.active
	spent := last.size > 0 && !j.needed(last, seq)
	j.mu.Unlock()
	if !spent || j.roll(seq) != nil {
		return false
	}
	return f.Truncate(0) == nil // it may be open elsewhere: its bytes go at once all the same
}

// grew notes that records stand in the active segment.
func (j *Journal) grew(size int64, records []*Record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	g := j.segments[len(j.segments)-1]
	g.size += size
	j.dirty = true
	for _, r := range records {
		j.taken(r)
		if r.evicted { // and counted as lost
			continue
		}
		for _, name := range r.To {
			if c := j.cursors[name]; c != nil && c.at <= r.Seq {
				g.wanted[c]++
				c.fresh--
			}
		}
	}
}

// wrote lets consumers read what was written; after an error all there is.
func (j *Journal) wrote(err error) {
	j.mu.Lock()
	before, text := j.stats.Write, ""
	j.late = false
	switch {
	case err != nil:
		j.stats.Errors++
		text = err.Error()
		j.show(j.next)
		j.giveUp()
	case j.memory > 0: // that some fits is not the end of the trouble
		text = before
		fallthrough
	default:
		j.show(j.written)
	}
	j.stats.Write = text
	delivered := j.stats.Memory
	j.trim()
	j.mu.Unlock()
	switch {
	case before == "" && text != "":
		j.o.Log.Error("data_dir cannot be written; hits are delivered from memory", "err", err)
		j.o.Say("error", fmt.Sprintf("data_dir cannot be written: %s; hits are delivered from memory (%d MB), and a crash would lose those that wait", text, maxMemory>>20))
	case before != "" && text == "":
		j.o.Log.Info("data_dir can be written again")
		j.o.Say("alive", fmt.Sprintf("data_dir can be written again; since the start %d records were delivered from memory", delivered))
	}
}
