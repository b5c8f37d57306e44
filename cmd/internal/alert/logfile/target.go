package logfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/file"
)

// minRotation is the least time between rotations. OSSEC looks for one about
// every 130 s and loses the middle file when it missed two.
const minRotation = 5 * time.Minute

// target is the file itself. Someone else may move or remove it, or its folder,
// at any time: it is looked at before every write and opened again when it is
// not the one that path names.
type target struct {
	path    string
	maxSize int64
	keep    int

	file    *os.File // nil: not open
	info    fs.FileInfo
	torn    bool      // the last line has no newline
	rotated time.Time // when the last rotation was tried
}

func newTarget(path string) *target {
	t := &target{path: path}
	if _, err := os.Lstat(t.old(1)); err == nil {
		t.rotated = time.Now() // perhaps just before a restart
	}
	return t
}

// old is the name of the file that was rotated n times.
func (t *target) old(n int) string { return fmt.Sprintf("%s.%d", t.path, n) }

// ready sees to it that the open file is the one at path.
func (t *target) ready() error {
	if t.file != nil {
		info, err := os.Stat(t.path)
		if err == nil && os.SameFile(info, t.info) {
			t.info = info
			return nil
		}
		t.close()
	}
	return t.open()
}

func (t *target) open() error {
	if err := os.MkdirAll(filepath.Dir(t.path), 0o750); err != nil {
		return err
	}
	f, err := create(t.path, 0o640)
	if errors.Is(err, fs.ErrExist) {
		f, err = os.OpenFile(t.path, os.O_RDWR|os.O_APPEND, 0) // to read its last byte, too
	}
	if err != nil {
		return err
	}
	t.file = f
	if err := t.inspect(); err != nil {
		t.close()
		return err
	}
	return nil
}

// create makes a new file with exactly this mode, whatever the umask.
func create(path string, mode fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(mode); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path))
	}
	return f, nil
}

// inspect refuses what is no log file, and finds out whether its last line is torn.
func (t *target) inspect() (err error) {
	t.torn = false
	if t.info, err = t.file.Stat(); err != nil {
		return err
	}
	switch mode := t.info.Mode(); {
	case mode&fs.ModeCharDevice != 0 || mode.IsRegular() && t.info.Size() == 0:
		return nil
	case !mode.IsRegular():
		return fmt.Errorf("%s is neither a file nor a device: remove it, or name another log.path", t.path)
	}
	var last [1]byte
	if _, err = t.file.ReadAt(last[:], t.info.Size()-1); errors.Is(err, io.EOF) {
		return nil // someone truncated it just now
	}
	t.torn = last[0] != '\n'
	return err
}

func (t *target) close() {
	if t.file != nil {
		_ = t.file.Close() // every write said what became of it
		t.file, t.info = nil, nil
	}
}

// write appends one line with one write(2). After an error the line may stand
// there in part; it is to be written again, whole, and starts on a line of its
// own then. Call ready before every write.
func (t *target) write(line []byte) error {
	if t.torn {
		line = append([]byte{'\n'}, line...)
	}
	if _, err := t.file.Write(line); err != nil {
		t.close() // opening it again finds out how it ends
		return err
	}
	t.torn = false
	return nil
}

// due reports whether n more bytes are too many and the last rotation is long
// enough ago.
func (t *target) due(n int) bool {
	return t.maxSize > 0 && t.info.Mode().IsRegular() && t.info.Size()+int64(n) > t.maxSize &&
		time.Since(t.rotated) >= minRotation
}

// rotate moves the file to path.1, those before it one on, and starts a new one
// with the same mode, owner and group. The readers go on reading the moved file,
// so it is renamed and never copied or truncated. Call ready after it, whether it
// failed or not.
func (t *target) rotate() error {
	t.rotated = time.Now()
	fresh := t.path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := create(fresh, t.info.Mode().Perm())
	if err != nil {
		return err
	}
	if owner, ok := t.info.Sys().(*syscall.Stat_t); ok {
		_ = f.Chown(int(owner.Uid), int(owner.Gid)) // only root may give files away
	}
	if err := t.shift(fresh); err != nil {
		return errors.Join(err, f.Close(), os.Remove(fresh))
	}
	t.close()
	return f.Close() // ready opens it
}

// shift renames path.1 to path.2 and so on, path to path.1 and fresh to path.
func (t *target) shift(fresh string) error {
	for n := t.keep - 1; n >= 1; n-- {
		if err := file.Move(t.old(n), t.old(n+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := file.Move(t.path, t.old(1)); err != nil {
		return err
	}
	return file.Move(fresh, t.path)
}

// sync brings the file to the disk. What is not a regular file has none.
func (t *target) sync() error {
	if !t.info.Mode().IsRegular() {
		return nil
	}
	return t.file.Sync()
}
