package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
	"github.com/flowhound/flowhound/cmd/internal/history/wal"
	"github.com/flowhound/flowhound/cmd/internal/parallel"
)

// Set is a data set to read.
type Set struct{ dir string }

// Open returns the data set in a folder, which must exist. It keeps nothing open.
func Open(dir string) (*Set, error) {
	st, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return nil, fmt.Errorf("%s is not a folder", dir)
	}
	if !exists(dir) {
		return nil, fmt.Errorf("there is no history in %s: %w", dir, fs.ErrNotExist)
	}
	return &Set{dir}, nil
}

// exists reports whether a folder is one that Create has made, or holds a day: any other
// has no flows for another reason than that none were received.
func exists(dir string) bool {
	for _, name := range []string{lockName, logName} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	days, err := Days(dir)
	return err != nil || len(days) > 0
}

// Nearby returns a folder of history in or above a folder that is none itself; "" when
// there is none.
func Nearby(dir string) string {
	for _, near := range []string{filepath.Join(dir, "flows"), filepath.Dir(filepath.Clean(dir))} {
		if info, err := os.Stat(near); err == nil && info.IsDir() && exists(near) && near != dir {
			return near
		}
	}
	return ""
}

// File is a file of a snapshot.
type File struct {
	column.Info
	Day  string // of arrival, YYYY-MM-DD
	Name string
	Path string
}

// Open opens the file, also when it was replaced since the snapshot was taken. An
// error that wraps fs.ErrNotExist says that it has expired since; one that wraps
// column.ErrDamaged that its content is damaged, or another's.
func (f *File) Open() (*column.File, error) {
	opened, err := open(f.Path, f.Info)
	if errors.Is(err, fs.ErrNotExist) {
		if opened, err = open(f.Path+oldSuffix, f.Info); errors.Is(err, fs.ErrNotExist) {
			return nil, errGone
		}
	}
	return opened, err
}

var errGone = fmt.Errorf("it has expired, or was removed, since the question began: %w", fs.ErrNotExist)

// open opens a file that must be the one of which a manifest speaks.
func open(path string, want column.Info) (*column.File, error) {
	f, err := column.Open(path)
	if err == nil && f.Info != want {
		_ = f.Close()
		return nil, fmt.Errorf("%w: it is another file than the day's manifest says", column.ErrDamaged)
	}
	return f, err
}

// Snapshot is the data set at one moment. It stays readable for ten minutes whatever
// the writer does; only what is expired or forgotten goes earlier.
type Snapshot struct {
	Files   []*File  // in the order of days and hours
	Damaged []string // files of these days that were set aside
	dir     string
	from    int64
	to      int64
	log     []segment
	filed   map[string]mark // by day: which segments have their records in Files
	id      string          // of the log
}

type segment struct {
	number uint64
	log    string // the id of the log that it was written to
	f      *os.File
}

// Snapshot returns the files that can hold flows that were under way between two
// times; a zero time is no bound. Close it.
func (s *Set) Snapshot(from, to time.Time) (*Snapshot, error) {
	snap := &Snapshot{dir: s.dir, from: math.MinInt64, to: math.MaxInt64, filed: map[string]mark{}, id: logID(s.dir)}
	if !from.IsZero() {
		snap.from = from.UnixNano()
	}
	if !to.IsZero() {
		snap.to = to.UnixNano()
	}
	// The log first: records that leave it meanwhile are then found in both, and the
	// manifests say so; the other way round they would be in neither.
	if err := snap.openLog(); err != nil {
		snap.Close()
		return nil, err
	}
	days, err := Days(s.dir)
	if err != nil {
		snap.Close()
		return nil, err
	}
	if err := snap.addAll(days); err != nil {
		snap.Close()
		return nil, err
	}
	return snap, nil
}

// addAll adds days, whose manifests all processors read.
func (s *Snapshot) addAll(days []string) error {
	manifests, errs := make([]*manifest, len(days)), make([]error, len(days))
	parallel.Do(len(days), func(i int) { manifests[i], _, errs[i] = readManifest(s.dir, days[i], s.id) })
	for i, day := range days {
		if errors.Is(errs[i], fs.ErrNotExist) {
			continue // expired
		}
		if errs[i] != nil {
			return fmt.Errorf("%s: %w", filepath.Join(s.dir, day), errs[i])
		}
		s.add(day, manifests[i])
	}
	return nil
}

// Days returns the days of a data set, in order.
func Days(dir string) (days []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if isDay(e.Name()) {
			days = append(days, e.Name())
		}
	}
	slices.Sort(days)
	return days, nil
}

func (s *Snapshot) openLog() error {
	numbers, err := wal.List(LogDir(s.dir))
	if err != nil {
		return err
	}
	for _, n := range numbers {
		f, _, err := file.Open(wal.Path(LogDir(s.dir), n))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it stands in files by now
		}
		if err != nil {
			return err
		}
		id := wal.Owner(f)
		if id == "" {
			id = s.id
		}
		s.log = append(s.log, segment{n, id, f})
	}
	return nil
}

func (s *Snapshot) add(day string, m *manifest) {
	s.filed[day] = m.Filed
	if begin, _ := time.Parse(dayFormat, day); begin.UnixNano() < s.to && begin.AddDate(0, 0, 1).UnixNano() > s.from {
		for _, d := range m.Damaged {
			s.Damaged = append(s.Damaged, day+"/"+d.Name)
		}
	}
	slices.SortFunc(m.Files, func(a, b entry) int { return strings.Compare(a.Name, b.Name) })
	for _, e := range m.Files {
		if e.Start < s.to && e.End >= s.from {
			s.Files = append(s.Files, &File{Info: e.Info, Day: day, Name: e.Name, Path: filepath.Join(s.dir, day, e.Name)})
		}
	}
}

// Close lets go of what the snapshot holds.
func (s *Snapshot) Close() {
	for _, l := range s.log {
		_ = l.f.Close()
	}
	s.log = nil
}

// Recent gives the records to each that stand in no file yet: of the last minutes. The
// slice is valid during the call, and times are not looked at. An error of each ends
// the reading. A LogError comes when all were given that can be read.
func (s *Snapshot) Recent(ctx context.Context, each func([]flow.Record) error) error {
	var damaged error
	for _, l := range s.log {
		if _, err := l.f.Seek(0, 0); err != nil {
			return err
		}
		found, err := wal.Read(l.f, func(records []flow.Record) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if records = s.missing(&l, records); len(records) == 0 {
				return nil
			}
			return each(records)
		})
		if err != nil {
			return err
		}
		if found.Damaged > 0 && damaged == nil {
			damaged = &LogError{l.f.Name(), found.Damaged}
		}
	}
	return damaged
}

// LogError says that a segment of the log is damaged before its end.
type LogError struct {
	Path  string
	Bytes int64 // that hold no record
}

func (e *LogError) Error() string {
	return fmt.Sprintf("it is damaged: %d bytes of it hold no record", e.Bytes)
}

// missing takes out of the records of a segment those that stand in files by now. It
// changes records.
func (s *Snapshot) missing(l *segment, records []flow.Record) []flow.Record {
	last, gone := int64(math.MinInt64), false
	return slices.DeleteFunc(records, func(r flow.Record) bool {
		if n := floorDay(r.Received); n != last {
			last, gone = n, s.filed[dayOf(r.Received)].covers(l.log, l.number)
		}
		return gone
	})
}

func floorDay(ns int64) int64 {
	const day = 86400e9
	n := ns / day
	if ns%day < 0 {
		n--
	}
	return n
}
