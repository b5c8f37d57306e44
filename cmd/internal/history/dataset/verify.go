package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
	"github.com/flowhound/flowhound/cmd/internal/history/wal"
)

// Paired returns which part of the flows has the opposite direction in its row.
func (s *Summary) Paired() float64 {
	if s.Flows == 0 {
		return 0
	}
	return 2 * float64(s.Flows-s.Rows) / float64(s.Flows)
}

// Verify reads a file to its end: all that is in it is checked thereby.
func Verify(path string) error {
	f, err := column.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return f.Verify()
}

// VerifyAll verifies all files of a data set, its indexes and its log, and names those
// that are damaged or missing. What the writer takes away meanwhile is no error.
func VerifyAll(ctx context.Context, dir string, damaged func(name string, err error)) (good, bad int, err error) {
	set, err := Open(dir)
	if err != nil {
		return 0, 0, err
	}
	snap, err := set.Snapshot(time.Time{}, time.Time{})
	if err != nil {
		return 0, 0, err
	}
	defer snap.Close()
	found := func(name string, err error) error {
		switch {
		case err == nil:
			good++
		case errors.Is(err, fs.ErrNotExist):
		case errors.Is(err, column.ErrDamaged), errors.Is(err, errIndex), errors.Is(err, errCountries), errors.Is(err, errServices), errors.Is(err, errLargest), errors.Is(err, errManifest), errors.Is(err, errLog):
			bad++
			damaged(name, err)
		default:
			return err
		}
		return ctx.Err()
	}
	for _, f := range snap.Files {
		if err := found(f.Day+"/"+f.Name, f.verify()); err != nil {
			return good, bad, err
		}
	}
	days, err := Days(dir)
	if err != nil {
		return good, bad, err
	}
	for _, day := range days {
		if err := found(day+"/"+manifestName, verifyManifest(filepath.Join(dir, day, manifestName))); err != nil {
			return good, bad, err
		}
		m, _, err := readManifest(dir, day, logID(dir))
		if err != nil {
			continue // it has expired
		}
		for name, check := range map[string]func(string, *manifest) error{indexName: verifyIndex, countriesName: verifyCountries, servicesName: verifyServices, largestName: verifyLargest} {
			if err := found(day+"/"+name, check(filepath.Join(dir, day, name), m)); err != nil {
				return good, bad, err
			}
		}
	}
	for _, l := range snap.log {
		if err := found(filepath.Join(logName, filepath.Base(l.f.Name())), verifyLog(l)); err != nil {
			return good, bad, err
		}
	}
	return good, bad, nil
}

func (f *File) verify() error {
	opened, err := f.Open()
	if errors.Is(err, fs.ErrNotExist) && f.listed() {
		return fmt.Errorf("%w: it is missing", column.ErrDamaged)
	}
	if err != nil {
		return err
	}
	defer func() { _ = opened.Close() }()
	return opened.Verify()
}

// listed reports whether the day's manifest still has the file.
func (f *File) listed() bool {
	root := filepath.Dir(filepath.Dir(f.Path))
	m, _, err := readManifest(root, f.Day, logID(root))
	return err == nil && m.lists(f.Name)
}

func verifyManifest(path string) error {
	b, err := file.Read(path, manifestLimit)
	if err != nil {
		return err
	}
	m, err := parseManifest(b)
	if err == nil && m.Filed.day != filepath.Base(filepath.Dir(path)) {
		err = fmt.Errorf("%w: it is of another day", errManifest)
	}
	return err
}

func verifyIndex(path string, m *manifest) error {
	x, err := openIndex(path)
	if err != nil {
		return err
	}
	defer x.close()
	for _, f := range x.files {
		if m.foreign(indexMagic, f.Key) {
			return fmt.Errorf("%w: %s", errIndex, ofAnother)
		}
	}
	for i := range x.blocks {
		if err := x.block(i, func(flow.Addr, []uint32) {}); err != nil {
			return err
		}
	}
	return x.nothingElse()
}

const ofAnother = "it belongs to other files, whose names are the same"

func verifyCountries(path string, m *manifest) error {
	return verifySections(path, m, countriesMagic, errCountries, func(rows []byte) error {
		return decodeCountries(rows, Wanted{AllSums, true, true}, make([]CountryHour, rowsAtOnce), func([]CountryHour) error { return nil })
	})
}

func verifyServices(path string, m *manifest) error {
	return verifySections(path, m, servicesMagic, errServices, func(content []byte) error {
		_, err := decodeServices(content)
		return err
	})
}

func verifyLargest(path string, m *manifest) error {
	return verifySections(path, m, largestMagic, errLargest, func(content []byte) error {
		if len(content) == 1 && content[0] == listsNone {
			return nil
		}
		for side := range sides {
			if _, _, err := decodeLargest(content, side, func([2]byte) bool { return true }); err != nil {
				return err
			}
		}
		return nil
	})
}

// verifySections reads a roll-up, all of which must be whole sections.
func verifySections(path string, m *manifest, magic string, damaged error, check func([]byte) error) error {
	b, err := file.Read(path, countriesLimit)
	if err != nil {
		return err
	}
	size := len(magic)
	for key, content := range readSections(path, magic) {
		if m.foreign(magic, key) {
			return fmt.Errorf("%w: %s", damaged, ofAnother)
		}
		if err := check(content); err != nil {
			return err
		}
		size += 8 + 1 + len(key) + len(content)
	}
	if size != len(b) {
		return damaged
	}
	return nil
}

var errLog = errors.New("the log is damaged")

// verifyLog reads a segment; its end may be cut off, where it is being written.
func verifyLog(l segment) error {
	if _, err := l.f.Seek(0, 0); err != nil {
		return err
	}
	found, err := wal.Read(l.f, func([]flow.Record) error { return nil })
	if err == nil && (found.Damaged > 0 || found.Lost > wal.BlockBytes) {
		err = fmt.Errorf("%w: %d bytes hold no record", errLog, found.Lost)
	}
	return err
}
