package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/file"
)

// recover finds out what there is.
func (j *Journal) recover() error {
	entries, err := os.ReadDir(j.o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	var firsts []uint64
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), cursorSuffix); ok {
			c := j.newCursor(name, 0)
			if what := c.load(); what != "" {
				j.stats.Damage = append(j.stats.Damage, what)
			}
			j.next = max(j.next, c.at)
		}
		if digits, ok := strings.CutSuffix(e.Name(), segmentSuffix); ok && len(digits) == 20 {
			if first, err := strconv.ParseUint(digits, 10, 63); err == nil && first > 0 {
				firsts = append(firsts, first)
			}
		}
	}
	slices.Sort(firsts)
	whole := false
	for i, first := range firsts {
		end := uint64(0) // where the next one starts; 0: it is the last
		if i+1 < len(firsts) {
			end = firsts[i+1]
		}
		whole = j.recoverSegment(first, end)
	}
	if j.stats.Damaged > 0 {
		j.stats.Damage = append(j.stats.Damage, fmt.Sprintf("%d records of the journal were lost to damage or to a power failure", j.stats.Damaged))
	}
	if !whole { // the next record begins another one
		return nil
	}
	last := j.segments[len(j.segments)-1]
	f, err := os.OpenFile(j.path(last.first), os.O_RDWR|os.O_APPEND, 0o600)
	if err == nil && f.Truncate(last.size) != nil {
		return f.Close()
	} else if err == nil {
		j.active = f
	}
	return nil //nolint:nilerr // the next record begins another one
}

// scan gives the records of a segment to each, as far as they can be read. A record and
// what it holds are valid during the call. The scanner tells of the rest.
func (j *Journal) scan(g segment, each func(*Record)) (*scanner, error) {
	f, err := os.Open(j.path(g.first))
	if err != nil {
		return &scanner{at: 1, dirty: true}, err // all of it is lost
	}
	defer f.Close()
	s := &scanner{in: f, limit: g.size}
	var r Record
	for {
		seq, payload, err := s.mustNext()
		if err != nil {
			return s, nil //nolint:nilerr // io.EOF
		}
		r = Record{Seq: seq}
		if _, _, err := r.decode(payload); err == nil {
			each(&r)
		}
	}
}

// recoverSegment reads a segment whole, and counts what each cursor wants of it.
// Records that are missing count as wanted by all that have not passed them. It reports
// whether one can go on in it.
func (j *Journal) recoverSegment(first, end uint64) (whole bool) {
	g, want := j.begin(first), first
	if info, err := os.Stat(j.path(first)); err == nil {
		g.size = info.Size()
	}
	s, err := j.scan(*g, func(r *Record) {
		if r.Seq < want || end > 0 && r.Seq >= end {
			return // of some other file
		}
		j.missing(want, r.Seq)
		want = r.Seq + 1
		for _, name := range r.To {
			if c := j.claim(name, first); c != nil && c.at <= r.Seq {
				c.filed++
			}
		}
	})
	if g.damaged = s.dirty; err != nil {
		j.stats.Damage = append(j.stats.Damage, "a segment of the journal cannot be read: "+err.Error())
	}
	if end == 0 {
		end = max(want, j.next) // a cursor may be further: a power failure took the rest
		if s.good < s.at {      // damage at the end: one record at least
			end = max(end, want+1)
		}
		j.next, whole = end, end == want && !s.dirty
		if torn := g.size - s.good; torn > 0 && !s.dirty {
			j.o.Log.Warn("a crash cut the last write to the journal; no accepted hit is lost", "bytes", torn)
			g.size = s.good
		}
	}
	j.missing(want, end)
	if g.damaged {
		j.o.Log.Error("the journal is damaged", "segment", filepath.Base(j.path(g.first)))
	}
	return whole
}

// missing counts the records from..to-1, which should have been in the last segment, for
// those that have not passed them.
func (j *Journal) missing(from, to uint64) {
	missed := uint64(0)
	for _, c := range j.cursors {
		if first := max(from, c.at); first < to {
			c.filed += int(to - first)
			missed = max(missed, to-first)
		}
	}
	j.stats.Damaged += missed
}

// claim returns the cursor of a record's consumer; one whose file is gone begins at
// the oldest record.
func (j *Journal) claim(name string, first uint64) *Cursor {
	c := j.cursors[name]
	if c == nil && name != "" && !strings.ContainsAny(name, "/\x00") {
		c = j.newCursor(name, first)
	}
	return c
}

// clean removes the oldest segments that nobody needs.
func (j *Journal) clean() {
	j.mu.Lock()
	n := 0
	for n+1 < len(j.segments) && !j.needed(n) {
		n++
	}
	gone := j.segments[:n]
	j.segments = j.segments[n:]
	j.mu.Unlock()
	for _, g := range gone {
		if path := j.path(g.first); g.damaged {
			file.SetAside(path)
			j.removeBad()
		} else if err := os.Remove(path); err != nil {
			j.o.Log.Warn("a segment of the journal cannot be removed", "err", err)
		}
	}
}

// removeBad keeps only the last damaged segments.
func (j *Journal) removeBad() {
	bad, _ := filepath.Glob(filepath.Join(j.o.Dir, "*"+segmentSuffix+file.BadSuffix)) // the names sort by number
	for _, path := range bad[:max(0, len(bad)-keepBad)] {
		_ = os.Remove(path)
	}
}

// needed reports whether somebody still needs the segment at i. mu is held.
func (j *Journal) needed(i int) bool {
	needed := j.keep < j.nextOf(i) && j.behind(i) <= keepLimit
	for _, c := range j.cursors {
		needed = needed || c.needs(i)
	}
	return needed
}

// behind returns how many bytes the segments from the one at i on have. mu is held.
func (j *Journal) behind(i int) (n int64) {
	for _, g := range j.segments[i:] {
		n += g.size
	}
	return n
}

// Keep says that Replay needs no record before seq any more.
func (j *Journal) Keep(seq uint64) {
	j.mu.Lock()
	j.keep = max(j.keep, seq)
	j.mu.Unlock()
	j.clean()
}

// Replay gives all records from seq on that are on disk to each, in order. A record and
// what it holds are valid during the call. Damage is passed over: Open has counted it.
func (j *Journal) Replay(seq uint64, each func(*Record)) error {
	j.mu.Lock()
	var segments []segment // as long as they are now
	for i := searchSegment(j.segments, seq); i < len(j.segments); i++ {
		segments = append(segments, *j.segments[i])
	}
	j.mu.Unlock()
	for _, g := range segments {
		_, err := j.scan(g, func(r *Record) {
			if r.Seq >= seq {
				each(r)
			}
		})
		if err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	return nil
}
