package export

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// File writes an export beside path, syncs it and renames it into place, so that
// whoever reads path finds the former content or the new one, whole. On any error
// the former stays. When nothing but a zone's serial would change, path is not
// touched and changed is false. Calls for one path must not overlap.
func File(path string, set *intel.Set, o Options) (s Stats, changed bool, err error) {
	f, err := formatOf(o.Format)
	if err != nil {
		return Stats{}, false, err
	}
	former, err := openFormer(path)
	if err != nil {
		return Stats{}, false, err
	}
	if former != nil {
		defer former.Close()
		path = former.Name()
		o.former = former
		if o.Serial, err = formerSerial(former, f.serial); err != nil {
			return Stats{}, false, err
		}
	}
	tmp, err := file.Create(path)
	if err != nil {
		return Stats{}, false, fmt.Errorf("create the export: %w", err)
	}
	defer tmp.Discard()
	if s, err = Write(tmp, set, o); err != nil {
		return s, false, fmt.Errorf("write %s: %w", tmp.Name(), err)
	}
	if former != nil {
		if same, err := sameContent(former, tmp, f.serial); err != nil || same {
			return s, false, err
		}
	}
	// Those who load it are other users.
	err = tmp.KeepMode(0o644)
	if err == nil {
		err = tmp.Commit()
	}
	if err != nil {
		return s, false, fmt.Errorf("replace the export: %w", err)
	}
	return s, true, nil
}

// Sweep removes what a File that was killed has left beside path.
func Sweep(path string) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	file.SweepBeside(path)
}

// openFormer opens the file at path, or the one a link there leads to; nil when
// there is none. Nothing but a regular file is ever replaced.
func openFormer(path string) (*os.File, error) {
	path, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find the previous export: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("find the previous export: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file, so it was not replaced", path)
	}
	return os.Open(path)
}

// formerSerial reads the serial of the previous export and rewinds it; 0 when there
// is none.
func formerSerial(former io.ReadSeeker, serial func([]byte) (uint32, bool)) (n uint32, err error) {
	if serial == nil {
		return 0, nil
	}
	lines := bufio.NewScanner(former)
	for found := false; !found && lines.Scan(); {
		n, found = serial(lines.Bytes())
	}
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) { // no line of an export is
		return 0, fmt.Errorf("read the previous serial: %w", err)
	}
	_, err = former.Seek(0, io.SeekStart)
	return n, err
}

// sameContent compares two files line by line, from their starts. Lines that hold
// a serial are always equal.
func sameContent(former, written io.ReadSeeker, serial func([]byte) (uint32, bool)) (bool, error) {
	for _, f := range []io.Seeker{former, written} {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return false, fmt.Errorf("compare with the previous export: %w", err)
		}
	}
	x, y := bufio.NewReaderSize(former, 64<<10), bufio.NewReaderSize(written, 64<<10)
	for {
		a, errA := x.ReadSlice('\n') // in pieces where a line is longer than the buffer
		b, errB := y.ReadSlice('\n')
		if !bytes.Equal(a, b) && (serial == nil || !isSerial(a, serial) || !isSerial(b, serial)) {
			return false, nil
		}
		endA, endB := errors.Is(errA, io.EOF), errors.Is(errB, io.EOF)
		if endA || endB {
			return endA && endB, nil
		}
		for _, err := range []error{errA, errB} {
			if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
				return false, fmt.Errorf("compare with the previous export: %w", err)
			}
		}
	}
}

func isSerial(line []byte, serial func([]byte) (uint32, bool)) bool {
	_, ok := serial(line)
	return ok
}
