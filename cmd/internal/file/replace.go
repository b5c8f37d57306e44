// Package file writes files that a crash, a full disk or a power failure leaves
// whole: Replace and Create change a file in one step, Log appends records that
// carry checksums. All state that flowhound keeps goes through here; nothing else
// renames a file into place.
package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// tempSuffix ends the name of a file that is not yet whole: ".NAME.RANDOM.tmp".
const tempSuffix = ".tmp"

// Pending is a file that is being written and will take the place of another. It
// stands in the same folder, under a hidden name, for its owner alone (0600).
type Pending struct {
	*os.File
	path string
	done bool
}

// Create begins a file that Commit puts at path. The folder must exist.
func Create(path string) (*Pending, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*"+tempSuffix)
	if err != nil {
		return nil, err
	}
	// Sweep leaves alone what a living process holds. A file system without locks
	// has no other process that writes here either.
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	return &Pending{File: f, path: path}, nil
}

// KeepMode gives the file the permissions of the one that it replaces, or mode
// where there is none yet.
func (p *Pending) KeepMode(mode fs.FileMode) error {
	if former, err := os.Stat(p.path); err == nil {
		mode = former.Mode().Perm()
	}
	return p.Chmod(mode)
}

// Commit brings the content to the disk and then the file to its place. Whoever
// opens the path finds the former content or the new one, whole, and so it is
// after a power failure. After an error the former file stands unchanged and the
// new one is gone.
//
// An error of the folder's fsync is no error: the new content is in place then,
// and some network file systems refuse it always.
func (p *Pending) Commit() error { return p.CommitAs(p.path) }

// CommitAs is Commit to another path in the same folder, for content that decides
// where it belongs.
func (p *Pending) CommitAs(path string) error {
	err := p.Sync()
	if err == nil {
		err = Move(p.Name(), path)
	}
	if err != nil {
		p.Discard()
		return err
	}
	p.done = true
	return p.Close()
}

// Discard closes the file and removes it, unless it was committed. It may be
// called always, by defer.
func (p *Pending) Discard() {
	if p.done {
		return
	}
	p.done = true
	_ = os.Remove(p.Name()) // what cannot be removed is for Sweep
	_ = p.Close()
}

// Replace puts content at path in one step, see Commit. A new file gets the
// permissions mode, an old one keeps its own.
func Replace(path string, content []byte, mode fs.FileMode) error {
	p, err := Create(path)
	if err != nil {
		return err
	}
	defer p.Discard()
	if _, err := p.Write(content); err != nil {
		return err
	}
	if err := p.KeepMode(mode); err != nil {
		return err
	}
	return p.Commit()
}

// Move renames a file, in place of the one that stands at to, and brings both folders to
// the disk as Commit does.
func Move(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	_ = SyncFolder(filepath.Dir(to))
	if filepath.Dir(from) != filepath.Dir(to) {
		_ = SyncFolder(filepath.Dir(from))
	}
	return nil
}

// BadSuffix ends the name of a file that could not be read and was set aside.
const BadSuffix = ".bad"

// SetAside renames a file that cannot be read, for whoever wants to look at it, and
// returns its new name. What cannot be renamed will be written over.
func SetAside(path string) string {
	_ = Move(path, path+BadSuffix)
	return path + BadSuffix
}

// SyncFolder brings a folder's entries to the disk: files that were created,
// renamed or removed there.
func SyncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Sweep removes what processes that were killed have left half-written in a
// folder. Files that a living process writes stay, and so does what cannot be
// removed. A folder that does not exist is empty.
func Sweep(dir string) { sweep(dir, ".") }

// SweepBeside is Sweep for one file in a folder that others use too.
func SweepBeside(path string) { sweep(filepath.Dir(path), "."+filepath.Base(path)+".") }

func sweep(dir, prefix string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if middle, ok := between(e.Name(), prefix); !ok || !e.Type().IsRegular() || prefix != "." && !isNumber(middle) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
			_ = os.Remove(path)
		}
		_ = f.Close()
	}
}

// between returns what stands in a name between a prefix and the suffix of files
// that are not whole.
func between(name, prefix string) (string, bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, tempSuffix)
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// IsFull reports whether an error says that a disk, or what its user may take of it, is
// full.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
