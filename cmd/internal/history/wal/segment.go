package wal

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// suffix ends the name of a segment: NNNNNNNNNN.wal.
const suffix = ".wal"

// The first line of a segment: a word, the id of its log, the fields of its records.
const (
	firstWord = "flowhound-log-2 "
	maxLine   = 4096
)

// maxNumber bounds the numbers of segments: others are not ours, and the next one must
// fit.
const maxNumber = 1 << 48

// Path returns the path of a segment in a folder.
func Path(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%010d%s", number, suffix))
}

// List returns the numbers of the segments in a folder, in order. A folder that does
// not exist has none.
func List(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	var numbers []uint64
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), suffix)
		if n, err := strconv.ParseUint(digits, 10, 64); ok && err == nil && n <= maxNumber && Path(dir, n) == filepath.Join(dir, e.Name()) {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// Segment is a segment that is being written. It is for one goroutine, but for Sync.
type Segment struct {
	Number  uint64
	Records int   // appended
	Size    int64 // bytes written
	f       *os.File
	encoder *encoder
	torn    bool // a write failed half-way: what is behind it would not be found
	listed  bool // the folder's entry is on the disk: Sync's
}

// Writer makes segments, one after the other.
type Writer struct {
	dir, id string
	encoder encoder
}

// NewWriter returns a Writer into a folder, which must exist; id, a word, names the log.
func NewWriter(dir, id string) *Writer { return &Writer{dir: dir, id: id} }

// Create begins a segment.
func (w *Writer) Create(number uint64) (*Segment, error) {
	f, err := os.OpenFile(Path(w.dir, number), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640) //nolint:gosec // the group reads the flows
	if err != nil {
		return nil, err
	}
	s := &Segment{Number: number, f: f, encoder: &w.encoder}
	n, err := f.WriteString(firstWord + w.id + " " + current.names + "\n")
	s.Size = int64(n)
	if err != nil {
		_ = os.Remove(f.Name())
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

// Append writes records. After an error none of the block that failed are there; those
// before it are, and taken says how many of records they are.
func (s *Segment) Append(records []flow.Record) (taken int, err error) {
	for len(records) > 0 {
		n := min(len(records), MaxBlock)
		if err := s.write(s.encoder.encode(records[:n])); err != nil {
			return taken, err
		}
		s.Records += n
		taken += n
		records = records[n:]
	}
	return taken, nil
}

func (s *Segment) write(block []byte) error {
	if s.torn {
		if err := s.f.Truncate(s.Size); err != nil {
			return err
		}
		s.torn = false
	}
	n, err := s.f.WriteAt(block, s.Size)
	if err != nil {
		s.torn = n > 0
		return err
	}
	s.Size += int64(n)
	return nil
}

// Sync brings what was appended to the disk. It may be called beside Append.
func (s *Segment) Sync() error {
	err := s.f.Sync()
	if err == nil && !s.listed {
		s.listed = true
		_ = file.SyncFolder(filepath.Dir(s.f.Name()))
	}
	return err
}

// Close syncs and closes the segment.
func (s *Segment) Close() error { return errors.Join(s.Sync(), s.f.Close()) }

// firstLine reads how a segment begins, and returns how many bytes that are.
func firstLine(b []byte) (id, names string, size int) {
	line, _, ok := bytes.Cut(b, []byte{'\n'})
	rest, found := strings.CutPrefix(string(line), firstWord)
	if !ok || !found {
		return "", "", 0
	}
	id, names, _ = strings.Cut(rest, " ")
	return id, names, len(line) + 1
}

// Owner returns the id of the log that a segment was written to, "" where it does not say
// so.
func Owner(f io.ReaderAt) string {
	b := make([]byte, maxLine)
	n, _ := f.ReadAt(b, 0)
	id, _, _ := firstLine(b[:n])
	return id
}

// Found is what Read came upon.
type Found struct {
	Records int
	// Lost is how many bytes hold no whole block: what a crash cut off, or damage.
	Lost int64
	// Damaged is how many of these no crash explains: they stand before a whole block, or
	// in a file that does not begin as a segment does.
	Damaged int64
}

// Read gives the records of an open segment to each, in order and in blocks; the slice
// is valid during the call. A damaged block costs itself alone. An error of each ends
// the reading.
func Read(f io.Reader, each func([]flow.Record) error) (found Found, err error) {
	r := bufio.NewReaderSize(f, 256<<10)
	layouts := []layout{current}
	line, _ := r.Peek(maxLine)
	_, names, size := firstLine(line)
	_, _ = r.Discard(size)
	if size > 0 && names != current.names {
		layouts = append(layouts, parseLayout(names))
	}
	foreign := size == 0 && len(line) > 0 && !strings.HasPrefix(firstWord, string(line[:min(len(line), len(firstWord))]))
	var d decoder
	var block []byte
	var records []flow.Record
	for {
		header, err := r.Peek(headerSize)
		if len(header) < headerSize {
			found.Lost += int64(len(header))
			if foreign {
				found.Damaged = found.Lost
			}
			if err != nil && !errors.Is(err, io.EOF) {
				return found, err
			}
			return found, nil
		}
		size := int(binary.LittleEndian.Uint32(header[8:]))
		old := [4]byte(header) == oldMagic
		if !old && [4]byte(header) != magic || size > maxStored {
			found.Lost++
			_, _ = r.Discard(1)
			continue
		}
		block = slices.Grow(block[:0], headerSize+size)[:headerSize+size]
		whole, err := peek(r, block)
		if err != nil {
			return found, err
		}
		use := -1
		for i := 0; whole && i < len(layouts) && use < 0; i++ {
			if blockSum(layouts[i].sum, block) == binary.LittleEndian.Uint32(block[12:]) {
				use = i
			}
		}
		if use < 0 {
			found.Lost++
			_, _ = r.Discard(1)
			continue
		}
		_, _ = r.Discard(len(block))
		n := int(binary.LittleEndian.Uint32(block[4:]))
		if records, err = d.decode(records[:0], n, block[headerSize:], old, layouts[use].fields); err != nil {
			found.Lost += int64(len(block))
			continue
		}
		found.Records += n
		found.Damaged = found.Lost
		if err := each(records); err != nil {
			return found, err
		}
	}
}

// peek fills block with what comes next, without taking it. Blocks are far smaller
// than the reader's memory unless a header is damaged.
func peek(r *bufio.Reader, block []byte) (whole bool, err error) {
	if len(block) > r.Size() {
		return false, nil
	}
	b, err := r.Peek(len(block))
	if len(b) < len(block) {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return false, err
	}
	copy(block, b)
	return true, nil
}
