package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/flowhound/flowhound/cmd/internal/file"
)

// change is what one file is to hold. Its folder must exist.
type change struct {
	path    string // as this process opens it
	says    string // as people know it
	content []byte // nil: the file is removed

	// Of a file that is new. An old one keeps its own.
	mode     fs.FileMode
	uid, gid int
}

const (
	newSuffix = ".flowhound-new"
	oldSuffix = ".flowhound-old"
)

// transaction replaces several files so that either all or none change. Every new
// content is on the disk before the first file is touched, and every old file has
// a second name until the end. A full disk costs nothing; a kill in between leaves
// each file whole, old or new, and the next run of the same command makes it good.
type transaction struct {
	changes []change
	done    []bool // by change: path has its new content
	existed []bool
}

// begin prepares the changes, of which nothing shows yet.
func begin(changes []change) (*transaction, error) {
	t := &transaction{changes: changes, done: make([]bool, len(changes)), existed: make([]bool, len(changes))}
	for i := range changes {
		if err := t.stage(i); err != nil {
			return nil, errors.Join(err, t.rollback())
		}
	}
	return t, nil
}

// stage writes a change's content beside its file, with the owner and mode that
// it will have.
func (t *transaction) stage(i int) error {
	c := &t.changes[i]
	info, err := os.Lstat(c.path)
	switch {
	case err == nil && info.Mode().Type() == fs.ModeSymlink:
		return fmt.Errorf("%s is a symbolic link; flowhound does not write through links: edit its target by hand, or put a file in its place", c.says)
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", c.says)
	case err == nil:
		t.existed[i] = true
		c.mode = info.Mode().Perm()
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			c.uid, c.gid = int(s.Uid), int(s.Gid)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return plain(err)
	}
	if c.content == nil {
		return nil
	}
	_, _ = os.Remove(c.path+newSuffix), os.Remove(c.path+oldSuffix) // of a kill
	f, err := os.OpenFile(c.path+newSuffix, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return plain(err)
	}
	_, err = f.Write(c.content)
	err = errors.Join(err, own(f, c), f.Sync(), f.Close())
	return plain(err)
}

// own gives a new file its owner and mode. Only root may give files away.
func own(f *os.File, c *change) error {
	if os.Geteuid() == 0 {
		if err := f.Chown(c.uid, c.gid); err != nil {
			return err
		}
	}
	return f.Chmod(c.mode)
}

// commit makes the changes show. After an error, or when ctx has ended, nothing
// does.
func (t *transaction) commit(ctx context.Context) error {
	for i, c := range t.changes {
		err := ctx.Err()
		if err == nil && t.existed[i] {
			err = os.Link(c.path, c.path+oldSuffix)
		}
		switch {
		case err != nil:
		case c.content == nil && t.existed[i]:
			err = os.Remove(c.path)
		case c.content != nil:
			err = file.Move(c.path+newSuffix, c.path)
		}
		if err != nil {
			return errors.Join(plain(err), t.rollback())
		}
		t.done[i] = true
	}
	return nil
}

// finish forgets the old files.
func (t *transaction) finish() error {
	var errs []error
	for i, c := range t.changes {
		if t.existed[i] {
			errs = append(errs, os.Remove(c.path+oldSuffix))
		}
		errs = append(errs, file.SyncFolder(filepath.Dir(c.path)))
	}
	return errors.Join(errs...)
}

// rollback puts the old files back, the very same ones.
func (t *transaction) rollback() error {
	var errs []error
	for i, c := range t.changes {
		if !t.done[i] {
			_ = os.Remove(c.path + newSuffix)
			_ = os.Remove(c.path + oldSuffix) // path is the same file
			continue
		}
		var err error
		if t.existed[i] {
			err = file.Move(c.path+oldSuffix, c.path)
		} else if c.content != nil {
			err = os.Remove(c.path)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s could not be put back: %w; its old content is in %s%s", c.says, plain(err), c.says, oldSuffix))
		}
		t.done[i] = false
	}
	return errors.Join(errs...)
}

// plain says what a person can do about an error of the file system.
func plain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: run this as root", err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: mount it writable first", err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: free some room first", err)
	}
	return err
}
