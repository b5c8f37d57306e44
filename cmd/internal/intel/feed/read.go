package feed

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/file/watch"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/list"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/warninglist"
)

// maxFile is the largest file that is read, in bytes, also of what is unpacked:
// some 60 million addresses.
const maxFile = 1 << 30

// errEmptied is returned for a file without a byte where there were indicators:
// more often half of a write than the wish to have an empty list.
var errEmptied = errors.New("is empty now; to empty the list on purpose, leave a comment in it")

// reading is one reading of a feed, of one file or several.
type reading struct {
	ctx   context.Context
	feed  *source
	into  *collecting
	drops ingest.Drops
	bytes int64 // unpacked
}

// build reads a feed by read and returns what it gave.
func (f *Feeds) build(ctx context.Context, s *source, read func(*reading) error) (content, error) {
	r := &reading{ctx: ctx, feed: s, drops: ingest.Drops{}, into: f.collect(s.cfg.Name, s.typ.Aggregate, s.cfg.Own)}
	err := read(r)
	block := r.into.into.Block()
	if n := block.Crowded(); n > 0 {
		r.drops[ingest.Crowded] = ingest.Drop{Count: n}
	}
	if err == nil && r.bytes == 0 && s.good.len() > 0 && s.net == nil {
		err = fmt.Errorf("%s %w", s.cfg.Path, errEmptied)
	}
	return content{block: block, drops: r.drops}, err
}

// read reads a feed's or allow list's file, or all files of its folder. With an
// error, what it returns is loaded when it holds those files that are good.
func (f *Feeds) read(ctx context.Context, s *source) (content, error) {
	paths, err := filesOf(s.cfg.Path)
	if err != nil {
		return content{}, err
	}
	if s.cfg.Type == TypeAllow {
		c, err := f.readAllow(ctx, s)
		if err != nil {
			return content{}, fmt.Errorf("%s: %w", s.cfg.Path, err)
		}
		return c, nil
	}
	if info, err := os.Stat(s.cfg.Path); err == nil && info.IsDir() && s.typ.Folders {
		return f.build(ctx, s, func(r *reading) error { return r.dir(s.cfg.Path) })
	}
	good := 0
	c, err := f.build(ctx, s, func(r *reading) error {
		var failed []error
		for _, path := range paths {
			if err := r.file(path, path+": "); err != nil {
				failed = append(failed, err)
			} else {
				good++
			}
		}
		if len(failed) > 3 {
			failed = append(failed[:3], fmt.Errorf("and %d more files", len(failed)-3))
		}
		return errors.Join(failed...)
	})
	if err != nil && good == 0 {
		return content{}, err
	}
	return c, err
}

// readDocuments reads the copies of what a feed fetched, "" for a document that
// there is none of. bad is the one that cannot be read, -1 where all can.
func (f *Feeds) readDocuments(ctx context.Context, s *source, paths []string) (c content, bad int, err error) {
	bad = -1
	c, err = f.build(ctx, s, func(r *reading) error {
		for i, path := range paths {
			if path == "" {
				continue
			}
			if err := r.file(path, ""); err != nil {
				bad = i
				return err
			}
		}
		return nil
	})
	if err != nil {
		return content{}, bad, err
	}
	return c, bad, nil
}

// file reads one file. What is wrong with its content is said after says.
func (r *reading) file(path, says string) error {
	file, info, err := openFile(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	in, err := fetch.Unpack(file, info.Size(), r.feed.cfg.Member, maxFile)
	if err != nil {
		return fmt.Errorf("%s%w", says, err)
	}
	defer func() { _ = in.Close() }()
	counted := &reader{ctx: r.ctx, r: in}
	drops, err := r.parse(counted)
	r.bytes += counted.n
	r.drops.Merge(drops)
	if err != nil {
		return fmt.Errorf("%s%w", says, err)
	}
	return nil
}

// parse reads one document.
func (r *reading) parse(in io.Reader) (ingest.Drops, error) {
	return r.feed.typ.format(&r.feed.cfg).Parse(in, r.options(), r.into.keep)
}

// options are what formats are told.
func (r *reading) options() ingest.Options {
	return ingest.Options{Template: r.feed.template(), Now: time.Now(), Alike: r.into.alike}
}

// template is what every indicator of the feed starts as.
func (s *source) template() intel.Indicator {
	i := intel.Indicator{
		Feed: s.cfg.Name, Name: s.cfg.Name, Category: s.typ.Category, Ref: s.cfg.Reference,
		Score: uint8(s.cfg.Confidence),
	}
	if s.cfg.HasCategory {
		i.Category = s.cfg.Category
	}
	return i
}

// readAllow reads an allow list: a warninglist when it begins like JSON.
func (f *Feeds) readAllow(ctx context.Context, s *source) (content, error) {
	file, info, err := openFile(s.cfg.Path)
	if err != nil {
		return content{}, err
	}
	defer func() { _ = file.Close() }()
	in, err := fetch.Unpack(file, info.Size(), "", maxFile)
	if err != nil {
		return content{}, err
	}
	defer func() { _ = in.Close() }()
	b := intel.NewAllowBuilder()
	now, ends := time.Now(), time.Time{}
	keep := func(e intel.AllowEntry) ingest.Reason {
		if e.Prefix.IsValid() {
			if why := f.policy.RejectAllow(e.Prefix); why != "" {
				return why
			}
		}
		if !e.Until.IsZero() && !e.Until.After(now) {
			return ingest.Expired
		}
		e.List = s.cfg.Path
		if !b.Add(e) {
			return ingest.OverLimit
		}
		if !e.Until.IsZero() && (ends.IsZero() || e.Until.Before(ends)) {
			ends = e.Until
		}
		return ""
	}
	counted := &reader{ctx: ctx, r: in}
	br := bufio.NewReader(counted)
	head, _ := br.Peek(512) // shorter at the end of the file
	head = bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")))
	var drops ingest.Drops
	if bytes.HasPrefix(head, []byte("{")) {
		drops, err = warninglist.Parse(br, keep)
	} else {
		drops, err = list.ParseAllow(br, keep)
	}
	if err == nil && counted.n == 0 && s.good.len() > 0 {
		err = errEmptied
	}
	if err != nil {
		return content{}, err
	}
	return content{allow: b.Allow(), ends: ends, drops: drops}, nil
}

// filesOf returns the files to read at path: itself, or those of a folder that do
// not hide, in the order of their names.
func filesOf(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, nil //nolint:nilerr // opening it says what is wrong
	}
	names, err := watch.Names(path)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, name := range names {
		full := filepath.Join(path, name)
		if info, err := os.Stat(full); err == nil && info.Mode().IsRegular() {
			paths = append(paths, full)
		}
	}
	switch {
	case len(paths) > watch.MaxFiles:
		return nil, fmt.Errorf("%s holds more than %d files", path, watch.MaxFiles)
	case len(paths) == 0:
		return nil, fmt.Errorf("%s holds no files", path)
	}
	return paths, nil
}

// openFile opens a regular file. It does not wait, as opening a named pipe would.
func openFile(path string) (*os.File, fs.FileInfo, error) { return openUpTo(path, maxFile) }

// openUpTo is openFile for a file of so many bytes at most.
func openUpTo(path string, limit int64) (*os.File, fs.FileInfo, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, fmt.Errorf("%s does not exist", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, nil, fmt.Errorf("%s may not be read by this user", path)
	case err != nil:
		return nil, nil, err
	}
	info, err := file.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%s is not a regular file", path)
	case info.Size() > limit && limit < 1<<20:
		err = fmt.Errorf("%s is larger than %d KiB", path, limit>>10)
	case info.Size() > limit:
		err = fmt.Errorf("%s is larger than %d MiB", path, limit>>20)
	default:
		return file, info, nil
	}
	_ = file.Close()
	return nil, nil, err
}

// reader counts what is read and ends early when its context does.
type reader struct {
	ctx context.Context
	r   io.Reader
	n   int64
}

func (r *reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.r.Read(b)
	r.n += int64(n)
	return n, err
}
