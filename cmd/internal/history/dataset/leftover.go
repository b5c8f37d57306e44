package dataset

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// sortOut takes the files out of a day that its manifest does not list. What a process
// that was killed has left is removed, if all its records stand elsewhere: in the log, or
// in the files that it was to replace. Everything else is another's, and set aside.
func (w *Writer) sortOut(day string, m *manifest) error {
	dir := filepath.Join(w.Dir, day)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		name, isOld := strings.CutSuffix(e.Name(), oldSuffix)
		if _, ok := parseName(name); !ok {
			continue
		}
		switch {
		case isOld:
			err = os.Remove(path)
		case m.lists(name) || slices.ContainsFunc(m.Damaged, func(d damaged) bool { return d.Name == name }):
		case w.isSpare(day, m, path):
			err = os.Remove(path)
		default:
			w.say("set aside %s in %s: this history did not write it. To add a day of another history, copy its whole folder where there is none of that day", path, DamagedDir(w.Dir))
			err = w.moveAside(path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// isSpare reports whether the records of a file that no manifest lists stand elsewhere.
func (w *Writer) isSpare(day string, m *manifest, path string) bool {
	f, err := column.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	if replaces, ok := f.Lookup(metaReplaces); ok && markOf(f.Lookup).of(w.log, day) {
		return !slices.ContainsFunc(strings.Fields(replaces), func(name string) bool { return !m.lists(name) })
	}
	segment, ok := segmentOf(f.Lookup, w.log, day)
	return ok && segment > m.Filed.segment && inLog(w.Dir, segment)
}

// isLeftover reports whether a file that no manifest lists is what an attempt to write
// the same segment has left.
func isLeftover(path string, own mark) bool {
	f, err := column.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return markOf(f.Lookup) == own
}
