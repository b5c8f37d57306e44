package journal

import (
	"cmp"
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
	entries, err := os.ReadDir(j.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), cursorSuffix); ok {
			c := j.newCursor(name)
			if what := c.load(); what != "" {
				j.stats.Damage = append(j.stats.Damage, what)
			}
			j.next = max(j.next, c.at)
		}
		if first, ok := segmentNumber(e.Name()); ok {
			j.segments = append(j.segments, &segment{first: first, wanted: map[*Cursor]int{}})
		}
	}
	slices.SortFunc(j.segments, func(a, b *segment) int { return cmp.Compare(a.first, b.first) })
	for i, g := range j.segments {
		end := uint64(0) // where the next one starts; 0: it is the last
		if i+1 < len(j.segments) {
			end = j.segments[i+1].first
		}
		if err := j.recoverSegment(g, end); err != nil {
			j.aside(g, end, err)
		}
	}
	return j.openLast()
}

func segmentNumber(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	return n, err == nil && n > 0
}

// recoverSegment reads a segment whole, and counts what each cursor wants of it.
// Records that are missing count as wanted by all that have not passed them.
func (j *Journal) recoverSegment(g *segment, end uint64) error {
	f, err := os.Open(j.path(g.first))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	g.size = info.Size()
	s := &scanner{in: f, limit: g.size}
	want := g.first
	for {
		seq, payload, err := s.mustNext()
		if err != nil {
			break
		}
		if seq < want || end > 0 && seq >= end {
			continue // of some other file
		}
		r := Record{Seq: seq}
		if _, _, err := r.decode(payload); err != nil {
			continue
		}
		j.missing(g, want, seq)
		want = seq + 1
		for _, name := range r.To {
			if c := j.claim(name, g.first); c != nil && c.at <= seq {
				g.wanted[c]++
			}
		}
	}
	g.damaged = s.dirty
	if end == 0 {
		end = max(want, j.next) // a cursor may be further: a power failure took the rest
		if s.good < s.at {      // damage at the end: one record at least
			end = max(end, want+1)
		}
		j.next, j.whole = end, end == want && !s.dirty
		if torn := g.size - s.good; torn > 0 && !s.dirty {
			j.o.Log.Warn("a crash cut the last write to the journal; no accepted hit is lost", "bytes", torn)
			g.size = s.good
		}
	}
	j.missing(g, want, end)
	if g.damaged {
		j.o.Log.Error("the journal is damaged", "segment", filepath.Base(j.path(g.first)))
	}
	return nil
}

// aside takes a segment that cannot be opened for one of which all is lost.
func (j *Journal) aside(g *segment, end uint64, err error) {
	if end == 0 {
		end = max(g.first+1, j.next)
		j.next = end
	}
	g.damaged = true
	j.missing(g, g.first, end)
	j.stats.Damage = append(j.stats.Damage, "a segment of the journal cannot be read: "+err.Error())
}

// missing counts the records from..to-1, which should be in g, for those that have
// not passed them.
func (j *Journal) missing(g *segment, from, to uint64) {
	missed := uint64(0)
	for _, c := range j.cursors {
		if first := max(from, c.at); first < to {
			g.wanted[c] += int(to - first)
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
		c = j.newCursor(name)
		c.at, c.acked = first, first-1
	}
	return c
}

// openLast opens the last segment to go on in it. A damaged one, or one that lacks
// records at its end, stays as it is: the next record begins another.
func (j *Journal) openLast() error {
	if j.stats.Damaged > 0 {
		j.stats.Damage = append(j.stats.Damage, fmt.Sprintf("%d records of the journal were lost to damage or to a power failure", j.stats.Damaged))
	}
	if len(j.segments) == 0 {
		return nil
	}
	last := j.segments[len(j.segments)-1]
	if !j.whole {
		return nil
	}
	f, err := os.OpenFile(j.path(last.first), os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil //nolint:nilerr // the next record begins another segment
	}
	if f.Truncate(last.size) != nil {
		return f.Close()
	}
	j.active = f
	return nil
}

// clean forgets the oldest segments that nobody needs, and returns their removal,
// which is to be called without mu.
func (j *Journal) clean() (remove func()) {
	var gone []*segment
	for len(j.segments) > 1 && !j.needed(j.segments[0], j.segments[1].first) {
		gone = append(gone, j.segments[0])
		j.segments = j.segments[1:]
	}
	return func() {
		for _, g := range gone {
			path := j.path(g.first)
			if g.damaged {
				file.SetAside(path)
				j.removeBad()
			} else if err := os.Remove(path); err != nil {
				j.o.Log.Warn("a segment of the journal cannot be removed", "err", err)
			}
		}
	}
}

// removeBad keeps only the last damaged segments.
func (j *Journal) removeBad() {
	bad, _ := filepath.Glob(filepath.Join(j.dir, "*"+segmentSuffix+file.BadSuffix)) // the names sort by number
	for _, path := range bad[:max(0, len(bad)-keepBad)] {
		_ = os.Remove(path)
	}
}

// needed reports whether somebody still needs a segment that ends before end.
func (j *Journal) needed(g *segment, end uint64) bool {
	if j.keep < end && j.behind(g.first) <= keepLimit {
		return true
	}
	for _, c := range j.cursors {
		if c.needs(g, end) {
			return true
		}
	}
	return false
}

// behind returns how many bytes of segments begin at first or later.
func (j *Journal) behind(first uint64) (n int64) {
	for _, g := range j.segments {
		if g.first >= first {
			n += g.size
		}
	}
	return n
}

// Keep says that Replay needs no record before seq any more.
func (j *Journal) Keep(seq uint64) {
	j.mu.Lock()
	j.keep = max(j.keep, seq)
	remove := j.clean()
	j.mu.Unlock()
	remove()
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
	for i := range segments {
		f, err := os.Open(j.path(segments[i].first))
		if err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		s := &scanner{in: f, limit: segments[i].size}
		for {
			n, payload, err := s.mustNext()
			if err != nil {
				break
			}
			r := &Record{Seq: n}
			if _, _, err := r.decode(payload); err == nil && n >= seq {
				each(r)
			}
		}
		_ = f.Close() // it was only read
	}
	return nil
}
