package feed

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"path/filepath"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/catalog"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/misp"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/otx"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/taxii"
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
	select {
	case f.slots <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	changed, err = f.syncCopy(ctx, s, key, func(done, total int) {
		if progress != nil {
			progress(Progress{Feed: s.cfg.Name, Items: true, Done: int64(done), Total: int64(total)})
		}
	})
	<-f.slots
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

// syncCopy is the switch over the formats that are kept as copies of a server.
func (f *Feeds) syncCopy(ctx context.Context, s *source, key string, progress func(done, total int)) (changed bool, err error) {
	c, url, dir := &s.cfg, s.cfg.URL, s.net.copyDir()
	if url == "" {
		url = s.typ.Server
	}
	switch s.typ.Format {
	case catalog.OTX:
		if key == "" && c.URL == "" {
			return false, errNoKey(&s.typ)
		}
		return otx.Sync(ctx, f.client, dir, otx.SyncOptions{URL: url, Key: key, Choice: c.Pulses, Progress: progress})
	case catalog.MISP:
		o := misp.SyncOptions{URL: url, Progress: progress}
		if key != "" {
			o.Secret = http.Header{"Authorization": {key}}
		}
		return misp.Sync(ctx, f.client, dir, o)
	case catalog.TAXII:
		o := taxii.SyncOptions{URL: url, Collections: c.Collections, Progress: func(done int) { progress(done, 0) }}
		if c.Username != "" {
			password, err := c.password()
			if err != nil {
				return false, err
			}
			o.Secret = taxii.Basic(c.Username, password)
		}
		return taxii.Sync(ctx, f.client, dir, o)
	}
	return false, errors.New("nothing keeps a copy of type " + s.cfg.Type)
}

// readCopy reads a server's copy. The error wraps fs.ErrNotExist where there is none.
func (f *Feeds) readCopy(ctx context.Context, s *source) (content, error) {
	dir, template, now := s.net.copyDir(), s.template(), time.Now()
	return f.build(ctx, s, func(r *reading) (err error) {
		switch s.typ.Format {
		case catalog.OTX:
			var st otx.Stats
			st, err = otx.ParseDir(dir, otx.Options{Template: template, Choice: s.cfg.Pulses, Now: now}, r.keep)
			r.drops.Merge(st.Drops)
			notChosen(r.drops, st.NotChosen)
		case catalog.MISP:
			err = r.mispFolder(dir)
		case catalog.TAXII:
			var st taxii.Stats
			st, err = taxii.ParseDir(dir, taxii.Options{Template: template, Now: now}, r.keep)
			r.drops.Merge(st.Drops)
		}
		return errors.Join(err, ctx.Err())
	})
}

func (r *reading) mispFolder(dir string) error {
	st, err := misp.ParseDir(dir, misp.Options{Template: r.feed.template()}, r.keep)
	r.drops.Merge(st.Drops)
	r.bytes++ // it is not empty, or there is an error
	return err
}

// notChosen counts the pulses that the configuration leaves out.
func notChosen(drops ingest.Drops, n int) {
	if n > 0 {
		drops[ingest.NotChosen] = ingest.Drop{Count: n}
	}
}
