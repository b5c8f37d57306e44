package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
	"github.com/flowhound/flowhound/cmd/internal/history/wal"
)

// grace is how long files that were replaced stay for those who read them.
const grace = 10 * time.Minute

// DamagedDir is where files are set aside.
func DamagedDir(dir string) string { return filepath.Join(dir, damagedName) }

// Size returns the bytes of the files of a data set, by its manifests.
func Size(dir string) int64 {
	s, err := Summarize(dir)
	if err != nil {
		return 0
	}
	return s.Bytes
}

// Summary is what a data set holds.
type Summary struct {
	Files, Parts int
	Bytes        int64 // of files and indexes
	Rows, Flows  int64
	First, Last  int64 // arrivals, Unix nanoseconds; 0 when there is no file
	Damaged      []string
	LogBytes     int64 // of what stands in no file yet
}

// Summarize reads the manifests of a data set.
func Summarize(dir string) (s Summary, err error) {
	days, err := Days(dir)
	if err != nil {
		return s, err
	}
	id := logID(dir)
	for _, day := range days {
		m, _, err := readManifest(dir, day, id)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return s, err
		}
		for _, e := range m.Files {
			s.add(e)
		}
		for _, d := range m.Damaged {
			s.Damaged = append(s.Damaged, day+"/"+d.Name)
		}
		for _, name := range []string{manifestName, indexName, countriesName, servicesName, largestName} {
			s.Bytes += sizeOf(filepath.Join(dir, day, name))
		}
	}
	segments, err := wal.List(LogDir(dir))
	for _, number := range segments {
		s.LogBytes += sizeOf(wal.Path(LogDir(dir), number))
	}
	return s, err
}

func (s *Summary) add(e entry) {
	if s.Files == 0 {
		s.First, s.Last = e.First, e.Last
	}
	s.Files++
	if n, _ := parseName(e.Name); n.Part {
		s.Parts++
	}
	s.First, s.Last = min(s.First, e.First), max(s.Last, e.Last)
	s.Bytes += e.Size
	s.Rows += e.Rows
	s.Flows += e.Flows
}

func sizeOf(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Size()
}

// Size returns the bytes of the data set: the files as the manifests have them now.
func (w *Writer) Size() int64 { return Size(w.Dir) }

// SetAside moves a file that cannot be read to the folder of damaged files.
func (w *Writer) SetAside(path string, why error) error {
	w.say("set aside %s, which is damaged: %v", path, why)
	return w.moveAside(path)
}

func (w *Writer) moveAside(path string) error {
	if err := os.MkdirAll(DamagedDir(w.Dir), 0o750); err != nil {
		return err
	}
	name := strings.ReplaceAll(strings.TrimPrefix(path, w.Dir+string(filepath.Separator)), string(filepath.Separator), "-")
	to := filepath.Join(DamagedDir(w.Dir), name)
	for i := 1; ; i++ {
		if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			break
		}
		to = filepath.Join(DamagedDir(w.Dir), fmt.Sprintf("%s.%d", name, i))
	}
	return file.Move(path, to)
}

// Quiet is a time without arrivals, from the last flow before it to the first one after it.
// The zero Quiet is none.
type Quiet struct{ From, Until time.Time }

// Quiet returns the last time before now without arrivals that lasted longer than that. It
// lasts until now where nothing has arrived since. Flows that arrive after now by their
// times, from before a clock was set back, do not count.
func (w *Writer) Quiet(now time.Time, longer time.Duration) (q Quiet, err error) {
	days, err := Days(w.Dir)
	if err != nil {
		return q, err
	}
	var all []entry
	for _, day := range days {
		m, _, err := w.manifest(day)
		if err != nil {
			return q, err
		}
		all = append(all, m.Files...)
	}
	slices.SortFunc(all, func(a, b entry) int { return cmp.Compare(a.First, b.First) })
	last := int64(0) // arrival so far
	for _, e := range append(all, entry{Info: column.Info{First: now.UnixNano()}}) {
		if e.First > now.UnixNano() {
			continue
		}
		if last != 0 && e.First-last > int64(longer) {
			q = Quiet{time.Unix(0, last), time.Unix(0, e.First)}
		}
		last = max(last, e.Last)
	}
	return q, nil
}

// HoldPath is the file that keeps, as the time of its change, until when nothing is removed
// for its age, because the clock was set.
func HoldPath(dir string) string { return filepath.Join(dir, holdName) }

// Limits are what Expire keeps to.
type Limits struct {
	Now     time.Time
	Keep    time.Duration // by arrival
	MaxSize int64         // bytes
}

// Expired is what Expire removed.
type Expired struct {
	Files int
	Flows int64
	Bytes int64
}

// Expire removes files that are too old, and the oldest ones until what is left fits.
// A day goes file by file, with its last one as a whole.
func (w *Writer) Expire(l Limits) (gone Expired, err error) {
	w.work.Lock()
	defer w.work.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	days, err := Days(w.Dir)
	if err != nil {
		return gone, err
	}
	type dated struct {
		day string
		*manifest
	}
	var all []dated
	size := int64(0)
	for _, day := range days {
		m, _, err := w.manifest(day)
		if err != nil {
			return gone, err
		}
		slices.SortFunc(m.Files, func(a, b entry) int { return strings.Compare(a.Name, b.Name) })
		for _, e := range m.Files {
			size += e.Size
		}
		all = append(all, dated{day, m})
	}
	oldest := l.Now.Add(-l.Keep).UnixNano()
	for _, d := range all {
		n := 0
		for n < len(d.Files) && (d.Files[n].Last < oldest || size > l.MaxSize) {
			size -= d.Files[n].Size
			gone.Files++
			gone.Flows += d.Files[n].Flows
			gone.Bytes += d.Files[n].Size
			n++
		}
		if n == 0 && len(d.Files) > 0 {
			continue
		}
		if err := w.drop(d.day, d.manifest, n, oldest); err != nil {
			return gone, err
		}
	}
	return gone, nil
}

// drop removes the first n files of a day, and the day when nothing is left of it.
func (w *Writer) drop(day string, m *manifest, n int, oldest int64) error {
	dir := filepath.Join(w.Dir, day)
	removed := m.Files[:n]
	m.Files = m.Files[n:]
	end, _ := time.Parse(dayFormat, day)
	if len(m.Files) == 0 && (n > 0 || end.AddDate(0, 0, 1).UnixNano() < oldest) {
		return os.RemoveAll(dir)
	}
	if n == 0 {
		return nil
	}
	err := w.write(day, m)
	if err != nil && !file.IsFull(err) {
		return err
	}
	for _, e := range removed {
		if err := remove(filepath.Join(dir, e.Name)); err != nil {
			return err
		}
	}
	if err != nil { // the disk was full; what was removed has made room
		return w.write(day, m)
	}
	return nil
}

// retire renames files that the manifest does not list any more; sweepOld removes them
// later.
func (w *Writer) retire(dir string, names []string, now time.Time) {
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := file.Move(path, path+oldSuffix); err == nil {
			w.old = append(w.old, retired{path + oldSuffix, now})
		}
	}
}

type retired struct {
	path string
	at   time.Time
}

func (w *Writer) sweepOld(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.old = slices.DeleteFunc(w.old, func(r retired) bool {
		if now.Sub(r.at) < grace && !now.Before(r.at) {
			return false
		}
		return remove(r.path) == nil
	})
}

// remove removes a file; one that is not there is no error.
func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
