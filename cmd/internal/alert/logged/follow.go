package logged

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/flowhound/flowhound/plugin/hit"
)

// followEvery is how often it is looked for new lines.
const followEvery = 200 * time.Millisecond

// Tail reads what is appended to the log at a path, over its rotation. It belongs to
// one goroutine.
type Tail struct {
	path string
	file *os.File // nil: there is none yet
	at   int64    // what was read of it, whole lines
}

// NewTail returns a Tail that begins with what comes after now. A log that is not there
// yet is read from its beginning.
func NewTail(path string) (*Tail, error) {
	t := &Tail{path: path}
	if err := t.open(); err != nil {
		return nil, err
	}
	if t.file != nil {
		info, err := t.file.Stat()
		if err != nil {
			return nil, errors.Join(err, t.Close())
		}
		t.at = info.Size()
	}
	return t, nil
}

func (t *Tail) open() error {
	f, err := os.Open(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	t.file, t.at = f, 0
	return nil
}

// Close ends the Tail.
func (t *Tail) Close() error {
	if t.file == nil {
		return nil
	}
	return t.file.Close()
}

// Next calls each for the hits that have come since, whatever they are about.
func (t *Tail) Next(each func(*hit.Hit)) error {
	if t.file == nil {
		if err := t.open(); err != nil || t.file == nil {
			return err
		}
	}
	if err := t.rest(each); err != nil {
		return err
	}
	mine, err := t.file.Stat()
	if err != nil {
		return err
	}
	now, err := os.Stat(t.path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // being rotated
		return nil
	case err != nil:
		return err
	case os.SameFile(mine, now) && now.Size() >= t.at:
		return nil
	}
	// What was written until the rename is read first.
	if !os.SameFile(mine, now) {
		if err := t.rest(each); err != nil {
			return err
		}
	}
	if err := errors.Join(t.file.Close(), t.open()); err != nil || t.file == nil {
		return err
	}
	return t.rest(each)
}

// rest reads the whole lines behind what was read.
func (t *Tail) rest(each func(*hit.Hit)) error {
	n, err := readLines(io.NewSectionReader(t.file, t.at, 1<<62), func(line []byte) {
		if h, _ := parse(string(line)); h != nil {
			each(h)
		}
	})
	t.at += n
	return err
}

// Follow calls each for the wanted hits that come from now on, until ctx ends.
func Follow(ctx context.Context, path string, f Filter, each func(*hit.Hit)) error {
	t, err := NewTail(path)
	if err != nil {
		return err
	}
	defer func() { _ = t.Close() }()
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if err := t.Next(func(h *hit.Hit) {
			if f.Accepts(h) {
				each(h)
			}
		}); err != nil {
			return err
		}
	}
}
