package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// ErrNotRegular says that a path names a pipe, a folder, a device or a socket where
// a file belongs.
var ErrNotRegular = errors.New("it is not a regular file")

// Open opens a regular file for reading. It never waits for a writer, as opening a
// named pipe would, and never acts on a device.
func Open(path string) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// Read returns what a regular file holds. A file of more than limit bytes is an
// error.
func Read(path string, limit int64) ([]byte, error) { return ReadTo(nil, path, limit) }

// ReadTo is Read into the room of b, as far as it suffices.
func ReadTo(b []byte, path string, limit int64) ([]byte, error) {
	f, info, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if info.Size() <= limit {
		// A byte more tells the end: then nothing is copied to more room.
		b := bytes.NewBuffer(slices.Grow(b[:0], int(info.Size())+bytes.MinRead))
		_, err := b.ReadFrom(io.LimitReader(f, limit+1))
		if b := b.Bytes(); err != nil || int64(len(b)) <= limit {
			return b, err
		}
	}
	return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it is larger than %d bytes", limit)}
}
