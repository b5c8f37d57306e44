package feed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// download is a document that has come and not yet proved good.
type download struct {
	file *file.Pending // nil: there is nothing new
	meta savedDocument
	err  error
}

func (d *download) discard() {
	if d.file != nil {
		d.file.Discard()
		d.file = nil
	}
}

// refresh fetches a feed's documents. It reports whether there is a new version,
// which is in the source then, not in the Set. A document that fails costs that
// document: the others are used, and the error says so.
func (f *Feeds) refresh(ctx context.Context, s *source, progress func(Progress)) (changed bool, err error) {
	if err := s.net.makeFolder(); err != nil {
		return false, err
	}
	if s.typ.IsServer() {
		return f.sync(ctx, s, progress)
	}
	key, err := s.cfg.key()
	if err != nil {
		return false, err
	}
	downloads := make([]download, len(s.net.docs))
	defer func() {
		for i := range downloads {
			downloads[i].discard()
		}
	}()
	news := false
	for i := range downloads {
		downloads[i] = f.download(ctx, s, i, key, progress)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		news = news || downloads[i].file != nil
	}
	if news || !s.good.loaded() && s.net.holdsAny() {
		if changed, err = f.adopt(ctx, s, downloads); err != nil {
			return false, err
		}
	}
	var failed []error
	for i := range downloads {
		if d := &downloads[i]; d.err != nil {
			failed = append(failed, d.err)
		} else {
			s.net.saved.setDocument(i, d.meta)
		}
	}
	return changed, errors.Join(failed...)
}

// download fetches document i into a temporary file.
func (f *Feeds) download(ctx context.Context, s *source, i int, key string, progress func(Progress)) (d download) {
	request, err := s.request(i, key)
	if err != nil {
		return download{err: err}
	}
	d.meta = s.net.saved.document(i, &s.net.docs[i])
	old := d.meta.Sum
	d.meta.Source = sourceOf(&s.net.docs[i])
	resp, err := f.client.Do(ctx, request)
	if err != nil {
		return download{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	d.meta.Validators = resp.Validators
	if resp.NotModified {
		return d
	}
	if d.file, d.meta.Sum, err = s.net.store(i, resp, s.progress(resp, progress)); err != nil {
		d.discard()
		return download{err: err}
	}
	if d.meta.Sum == old && s.net.holds(i) { // the server cannot tell, or does not
		d.discard()
	}
	return d
}

// store writes an answer to a file that may take the place of document i.
func (n *network) store(i int, resp *fetch.Response, progress io.Writer) (f *file.Pending, sum string, err error) {
	f, err = file.Create(n.document(i))
	if err != nil {
		return nil, "", err
	}
	hash := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, hash, progress), resp.Body)
	return f, hex.EncodeToString(hash.Sum(nil)), err
}

// adopt reads the documents, new and old, and makes them the version in use and
// the last good copies. A new one that cannot be read is noted at its download,
// and the old one is read in its place.
func (f *Feeds) adopt(ctx context.Context, s *source, downloads []download) (changed bool, err error) {
	f.parsing.Lock()
	defer f.parsing.Unlock()
	for {
		paths := make([]string, len(downloads))
		for i := range downloads {
			if f := downloads[i].file; f != nil {
				paths[i] = f.Name()
			} else if s.net.holds(i) {
				paths[i] = s.net.document(i)
			}
		}
		if strings.Join(paths, "") == "" {
			return false, nil // all that is new was bad, and there is nothing old
		}
		read, bad, err := f.readDocuments(ctx, s, paths)
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case err != nil && bad >= 0 && downloads[bad].file != nil:
			downloads[bad].discard()
			downloads[bad].err = fmt.Errorf("%s: %w", redact(s.net.docs[bad].URL), err)
			continue
		case err != nil && bad >= 0: // the copy is damaged: ask for a whole one
			err = errors.Join(err, os.Remove(paths[bad]))
			s.net.saved.setDocument(bad, savedDocument{})
			return false, fmt.Errorf("the copy on disk: %w", err)
		case err != nil:
			return false, err
		}
		return f.take(s, read, downloads)
	}
}

// take puts a version that could be read in the place of the old one, unless it is
// too small to be believed.
func (f *Feeds) take(s *source, read content, downloads []download) (changed bool, err error) {
	before, now := s.good.len(), read.len()
	news := false
	for i := range downloads {
		news = news || downloads[i].file != nil
	}
	if !news && s.good.loaded() { // all that is new was bad
		return false, nil
	}
	if !s.typ.MayBeEmpty {
		if now == 0 {
			return false, noIndicators(read.drops)
		}
		if before >= shrinkFrom && now < before-before*s.net.shrink/100 {
			return false, fmt.Errorf("rejected: the new version has %d indicators, the old one has %d, and more than %d%% less looks like a mistake; if it is right, set max_shrink: 100 at this feed",
				now, before, s.net.shrink)
		}
	}
	for i := range downloads {
		if d := &downloads[i]; d.file != nil {
			if err := d.file.Commit(); err != nil {
				return false, err
			}
			d.file = nil
		}
	}
	f.mu.Lock()
	s.good = read
	f.mu.Unlock()
	return true, nil
}

// noIndicators says why a version that holds nothing is rejected.
func noIndicators(drops ingest.Drops) error {
	if len(drops) > 0 {
		return fmt.Errorf("rejected: no indicator is left; left out: %s", drops)
	}
	return errors.New("rejected: the list holds no indicators (it may have been cut, or the service may be down)")
}

// Progress is how far a fetch is.
type Progress struct {
	Feed  string `json:"feed"`
	Done  int64  `json:"done"`  // bytes of a document that have come, or items of a server
	Total int64  `json:"total"` // 0: not known
	Items bool   `json:"items"` // they are pulses, events or objects, not bytes
}

// progress returns a writer that tells what goes by.
func (s *source) progress(resp *fetch.Response, tell func(Progress)) io.Writer {
	if tell == nil {
		return io.Discard
	}
	return &meter{tell: tell, p: Progress{Feed: s.cfg.Name, Total: max(resp.Length, 0)}}
}

type meter struct {
	tell func(Progress)
	p    Progress
}

func (m *meter) Write(b []byte) (int, error) {
	m.p.Done += int64(len(b))
	m.tell(m.p)
	return len(b), nil
}
