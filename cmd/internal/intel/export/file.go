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
	if f.serial != nil {
		if o.Serial, err = formerSerial(path, f.serial); err != nil {
			return Stats{}, false, err
		}
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return Stats{}, false, fmt.Errorf("create the export: %w", err)
	}
	defer func() {
		tmp.Close()
		if !changed {
			os.Remove(tmp.Name())
		}
	}()
	if s, err = Write(tmp, set, o); err != nil {
		return s, false, fmt.Errorf("write %s: %w", tmp.Name(), err)
	}
	same, err := sameContent(path, tmp, f.serial)
	if err != nil || same {
		return s, false, err
	}
	if err := replace(path, tmp); err != nil {
		return s, false, fmt.Errorf("replace the export: %w", err)
	}
	return s, true, nil
}

// formerSerial reads the serial of the file at path; 0 when there is none.
func formerSerial(path string, serial func([]byte) (uint32, bool)) (uint32, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the former serial: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if n, ok := serial(lines.Bytes()); ok {
			return n, nil
		}
	}
	return 0, nil
}

// sameContent compares line by line the file at path with what was written,
// which is read from its start. Lines that hold a serial are always equal.
func sameContent(path string, written io.ReadSeeker, serial func([]byte) (uint32, bool)) (bool, error) {
	if _, err := written.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	former, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the former export: %w", err)
	}
	defer former.Close()
	x, y := bufio.NewReaderSize(former, 64<<10), bufio.NewReaderSize(written, 64<<10)
	for {
		a, errA := x.ReadSlice('\n')
		b, errB := y.ReadSlice('\n')
		if !bytes.Equal(a, b) && !(isSerial(a, serial) && isSerial(b, serial)) {
			return false, nil
		}
		if errA != nil || errB != nil {
			return errA == io.EOF && errB == io.EOF, nil
		}
	}
}

func isSerial(line []byte, serial func([]byte) (uint32, bool)) bool {
	if serial == nil {
		return false
	}
	_, ok := serial(line)
	return ok
}

// replace gives the written file the mode of the one it replaces, 0644 for the
// first, because those who load it are other users; then it is synced and renamed.
func replace(path string, written *os.File) error {
	mode := fs.FileMode(0o644)
	if former, err := os.Stat(path); err == nil {
		mode = former.Mode().Perm()
	}
	if err := written.Chmod(mode); err != nil {
		return err
	}
	if err := written.Sync(); err != nil {
		return err
	}
	if err := os.Rename(written.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
