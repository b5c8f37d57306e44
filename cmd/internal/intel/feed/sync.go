package feed

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// copyDir is the folder of a server's copy. What is in it is the format's affair.
func (n *network) copyDir() string { return filepath.Join(n.folder, "copy") }

// sync brings a server's copy up to date and reads it when it has changed. What
// came before an error is used too.
func (f *Feeds) sync(ctx context.Context, s *source, progress func(Progress)) (changed bool, err error) {
	key, err := s.cfg.key()
	if err != nil {
		return false, err
	}
	changed, err = f.syncCopy(ctx, s, key, func(done, total int) {
		if progress != nil {
			progress(Progress{Feed: s.cfg.Name, Items: true, Done: int64(done), Total: int64(total)})
		}
	})
	if ctx.Err() != nil || !changed && s.good.loaded() {
		return false, errors.Join(ctx.Err(), err)
	}
	f.parsing.Lock()
	defer f.parsing.Unlock()
	read, readErr := f.readCopy(ctx, s)
	if readErr != nil {
		if errors.Is(readErr, fs.ErrNotExist) && err != nil { // the first fetch failed
			readErr = nil
		}
		return false, errors.Join(err, readErr)
	}
	f.mu.Lock()
	s.good = read
	f.mu.Unlock()
	return true, err
}

// syncCopy brings the copy of a server up to date.
func (f *Feeds) syncCopy(ctx context.Context, s *source, key string, progress func(done, total int)) (changed bool, err error) {
	server, ok := s.typ.format(&s.cfg).(copied)
	if !ok {
		return false, errors.New("no copy is kept for feeds of type " + s.cfg.Type)
	}
	from := ingest.Server{URL: s.cfg.URL, Key: key, User: s.cfg.Username, Progress: progress}
	if from.URL == "" {
		from.URL = s.typ.Server
	}
	if s.typ.Key == NeedsKey && key == "" && s.cfg.URL == "" {
		return false, errNoKey(&s.typ)
	}
	if from.Password, err = s.cfg.password(); err != nil {
		return false, err
	}
	return server.Sync(ctx, f.client, s.net.copyDir(), from)
}

// readCopy reads a server's copy. The error wraps fs.ErrNotExist where there is none.
func (f *Feeds) readCopy(ctx context.Context, s *source) (content, error) {
	return f.build(ctx, s, func(r *reading) error { return errors.Join(r.dir(s.net.copyDir()), ctx.Err()) })
}

// dir reads a folder that is one document.
func (r *reading) dir(dir string) error {
	s := r.feed
	server, ok := s.typ.format(&s.cfg).(copied)
	if !ok {
		return errors.New("no copy is kept for feeds of type " + s.cfg.Type)
	}
	drops, err := server.ParseDir(dir, r.options(), r.into.keep)
	r.drops.Merge(drops)
	r.bytes++ // it is not empty, or there is an error
	return err
}
