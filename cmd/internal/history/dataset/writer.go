package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// ErrLocked says that another process writes the data set.
var ErrLocked = errors.New("another process writes this history")

// Writer changes a data set. One process has one at a time. Its methods may be called
// concurrently but for Part and Add, which belong to one goroutine.
type Writer struct {
	Dir    string
	Places column.Places // nil: no country and no AS but the exporter's
	lock   *os.File
	files  column.Writer

	work  sync.Mutex // held by what replaces or removes files
	mu    sync.Mutex // held while a manifest changes
	added []flow.Record
	next  uint64
	old   []retired
	log   string // the log's id

	warn   func(text string) // nil: nobody is told
	unsaid []string          // what Create came upon
}

// Warn has warn told of files that were set aside, also of those that Create came upon.
func (w *Writer) Warn(warn func(text string)) {
	w.warn = warn
	for _, text := range w.unsaid {
		warn(text)
	}
	w.unsaid = nil
}

func (w *Writer) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if w.warn == nil {
		w.unsaid = append(w.unsaid, text)
		return
	}
	w.warn(text)
}

// Create opens a data set to write it, and makes the folder if there is none.
func Create(dir string) (*Writer, error) {
	if err := os.MkdirAll(LogDir(dir), 0o750); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o640) //nolint:gosec // the group reads the flows
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", dir, ErrLocked)
		}
		return nil, fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	w := &Writer{Dir: dir, lock: lock}
	if w.log, err = makeLogID(dir); err == nil {
		err = w.clean()
	}
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	return w, nil
}

// LogID is the id of the log: its segments carry it.
func (w *Writer) LogID() string { return w.log }

// manifest returns what a day consists of: see readManifest.
func (w *Writer) manifest(day string) (m *manifest, rebuilt bool, err error) {
	return readManifest(w.Dir, day, w.log)
}

// clean removes what a process that was killed has left, and makes missing manifests
// anew.
func (w *Writer) clean() error {
	days, err := Days(w.Dir)
	if err != nil {
		return err
	}
	for _, day := range days {
		dir := filepath.Join(w.Dir, day)
		file.Sweep(dir)
		m, rebuilt, err := w.manifest(day)
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		w.next = max(w.next, m.Filed.segment)
		if rebuilt {
			if err := w.write(day, m); err != nil {
				return err
			}
		}
		if err := w.sortOut(day, m); err != nil {
			return err
		}
	}
	return nil
}

// Close gives the data set up to others, after writing what was added.
func (w *Writer) Close() error {
	err := w.Flush()
	return errors.Join(err, w.lock.Close())
}

// FreeMemory lets go of what Part keeps for the next call. It belongs to Part's
// goroutine.
func (w *Writer) FreeMemory() { w.files = column.Writer{} }

// Last returns the number of the last segment of the log that stands in files.
func (w *Writer) Last() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.next
}

// Add takes records without a log: they are on disk after Flush or Close. The records
// are the caller's again.
func (w *Writer) Add(records []flow.Record) error {
	for len(records) > 0 {
		n := min(len(records), column.PartRecords-len(w.added))
		w.added = append(w.added, records[:n]...)
		records = records[n:]
		if len(w.added) == column.PartRecords {
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Flush writes what was added.
func (w *Writer) Flush() error {
	if len(w.added) == 0 {
		return nil
	}
	err := w.parts(w.Last()+1, 0, w.added)
	if err == nil {
		w.added = w.added[:0]
	}
	return err
}

// Part writes the records of a segment of the log as parts, one for each hour of
// arrival. The records of a day are there in one step; those of days that have them
// already, after a crash, are not written again. It changes the order of records.
func (w *Writer) Part(number uint64, records []flow.Record) error {
	return w.parts(number, number, records)
}

// parts is Part with the number for the names of the files. Segment 0: the records come
// from no segment.
func (w *Writer) parts(number, segment uint64, records []flow.Record) error {
	for hours := byHour(records); len(hours) > 0; {
		n := 1
		for n < len(hours) && floorDay(hours[n][0].Received) == floorDay(hours[0][0].Received) {
			n++
		}
		if err := w.partOfDay(number, segment, hours[:n]); err != nil {
			return err
		}
		hours = hours[n:]
	}
	w.mu.Lock()
	w.next = max(w.next, number)
	w.mu.Unlock()
	return nil
}

const hour = 3600e9

// byHour brings records of one hour together, in the order of arrival within it, and
// returns those of each hour. They nearly always are together: then they are read once.
func byHour(records []flow.Record) [][]flow.Record {
	hours, ordered := splitHours(records)
	if !ordered {
		slices.SortStableFunc(records, func(a, b flow.Record) int { return cmp.Compare(floorHour(a.Received), floorHour(b.Received)) })
		hours, _ = splitHours(records)
	}
	return hours
}

// splitHours cuts records where another hour begins; ordered says that it always is a
// later one.
func splitHours(records []flow.Record) (hours [][]flow.Record, ordered bool) {
	ordered = true
	first := 0
	var begin, end int64 // of the hour of the last record
	for i := range records {
		at := records[i].Received
		if at >= begin && at < end {
			continue
		}
		if i > first {
			hours = append(hours, records[first:i])
			ordered = ordered && at >= end
		}
		first, begin = i, floorHour(at)*hour
		end = begin + hour
	}
	if first < len(records) {
		hours = append(hours, records[first:])
	}
	return hours, ordered
}

func floorHour(received int64) int64 {
	day := floorDay(received)
	return day*24 + (received-day*24*hour)/hour
}

func (w *Writer) partOfDay(number, segment uint64, hours [][]flow.Record) error {
	day := dayOf(hours[0][0].Received)
	dir := filepath.Join(w.Dir, day)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	m, rebuilt, err := w.manifest(day)
	if err == nil && rebuilt { // a day begins
		err = w.write(day, m)
	}
	if err != nil || segment > 0 && m.Filed.covers(w.log, segment) {
		return err
	}
	var made []entry
	for i, records := range hours {
		own, metadata := mark{w.log, day, segment}, map[string]string{}
		if segment > 0 {
			metadata[metaSegment] = strconv.FormatUint(segment, 10)
			if i < len(hours)-1 {
				own.segment-- // this one is filed with the last hour's file
			}
		}
		metadata[metaFiled] = own.String()
		name := freeName(dir, m, Name{Hour: hourOf(records[0].Received), Part: true, Number: number}, own)
		e, err := commit(dir, name, func(p *file.Pending) (column.Info, error) {
			return w.files.Write(p, records, column.Options{Places: w.Places, Metadata: metadata})
		})
		if err != nil {
			return err
		}
		made = append(made, e)
	}
	return w.change(day, func(m *manifest) {
		m.Filed.segment = max(m.Filed.segment, segment)
		m.add(made)
	})
}

func hourOf(received int64) int {
	return int(floorHour(received) - floorDay(received)*24)
}

// commit makes a file of a day.
func commit(dir string, name Name, write func(*file.Pending) (column.Info, error)) (entry, error) {
	p, err := file.Create(filepath.Join(dir, name.String()))
	if err != nil {
		return entry{}, err
	}
	defer p.Discard()
	info, err := write(p)
	if err == nil {
		err = p.Chmod(0o640)
	}
	if err == nil {
		err = p.Commit()
	}
	return entry{name.String(), info}, err
}

// change changes a day in one step.
func (w *Writer) change(day string, edit func(*manifest)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	m, _, err := w.manifest(day)
	if err != nil {
		return err
	}
	edit(m)
	return w.write(day, m)
}

func (w *Writer) write(day string, m *manifest) error {
	return file.Replace(filepath.Join(w.Dir, day, manifestName), m.encode(), 0o640)
}
