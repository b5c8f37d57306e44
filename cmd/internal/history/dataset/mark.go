package dataset

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/history/wal"
)

// A mark says which segments of a log have their records of one day in files: all up to
// a number, because they are filed in order. It names the log and the day, so that a
// manifest or a file that was copied from elsewhere says nothing about the segments
// here: the mere presence of a file never does.
type mark struct {
	log     string // the log's id
	day     string
	segment uint64 // 0: none
}

// What stands in a file's metadata: its mark, which is that of its day once it is there,
// and in a part the segment that it holds records of. What was imported has passed no
// segment.
const (
	metaFiled   = "flowhound.filed"
	metaSegment = "flowhound.segment"
)

// of reports whether a mark is about a day of this data set.
func (m mark) of(log, day string) bool { return m.log == log && m.day == day }

// covers reports whether the records that a segment has of the mark's day are in files.
func (m mark) covers(log string, segment uint64) bool { return m.log == log && segment <= m.segment }

func (m mark) String() string { return fmt.Sprintf("%s %s %d", m.log, m.day, m.segment) }

// MarshalText implements encoding.TextMarshaler.
func (m mark) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

var errMark = errors.New("it does not say which segments of which log are filed")

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *mark) UnmarshalText(b []byte) error {
	var read mark
	if _, err := fmt.Sscanf(string(b), "%s %s %d", &read.log, &read.day, &read.segment); err != nil {
		return errMark
	}
	*m = read
	return nil
}

// markOf returns the mark of a file, the zero one where it has none.
func markOf(lookup func(string) (string, bool)) (m mark) {
	text, _ := lookup(metaFiled)
	_ = m.UnmarshalText([]byte(text))
	return m
}

// segmentOf returns the segment of the log that a part of this day was made of.
func segmentOf(lookup func(string) (string, bool), log, day string) (n uint64, ok bool) {
	text, _ := lookup(metaSegment)
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil && markOf(lookup).of(log, day)
}

// inLog reports whether a segment is in the log still.
func inLog(dir string, segment uint64) bool {
	_, err := os.Lstat(wal.Path(LogDir(dir), segment))
	return err == nil
}

// idName is the file in the log's folder that holds its id.
const idName = "id"

const idBytes = 8

// logID returns the id of a data set's log, "" where it has none.
func logID(dir string) string {
	b, err := file.Read(filepath.Join(LogDir(dir), idName), 4*idBytes)
	if err != nil {
		return ""
	}
	id := strings.TrimSpace(string(b))
	if raw, err := hex.DecodeString(id); err != nil || len(raw) != idBytes {
		return ""
	}
	return id
}

// makeLogID returns the id of a data set's log. One that has lost its id takes that of its
// newest segment.
func makeLogID(dir string) (string, error) {
	if id := logID(dir); id != "" {
		return id, nil
	}
	id := newestOwner(dir)
	if id == "" {
		raw := make([]byte, idBytes)
		_, _ = rand.Read(raw) // never fails
		id = hex.EncodeToString(raw)
	}
	return id, file.Replace(filepath.Join(LogDir(dir), idName), []byte(id+"\n"), 0o640)
}

func newestOwner(dir string) string {
	numbers, err := wal.List(LogDir(dir))
	if err != nil || len(numbers) == 0 {
		return ""
	}
	f, _, err := file.Open(wal.Path(LogDir(dir), numbers[len(numbers)-1]))
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	return wal.Owner(f)
}

// freeName returns the name with which a file can be put into a day. No file of another
// is overwritten; one that an attempt to write the same segment has left is.
func freeName(dir string, m *manifest, name Name, own mark) Name {
	taken := func(path string) bool {
		_, err := os.Lstat(path)
		return !errors.Is(err, fs.ErrNotExist)
	}
	for ; ; name.Again++ {
		path := filepath.Join(dir, name.String())
		if m.lists(name.String()) || taken(path+oldSuffix) {
			continue
		}
		if !taken(path) || isLeftover(path, own) {
			return name
		}
	}
}
