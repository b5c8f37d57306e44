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
	"syscall"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/list"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/otx"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/warninglist"
)

// maxFile is the largest file that is read, in bytes: some 60 million addresses.
const maxFile = 1 << 30

// errEmptied is returned for a file without a byte where there were indicators:
// more often half of a write than the wish to have an empty list.
var errEmptied = errors.New("is empty now; to empty the list on purpose, leave a comment in it")

func (c Config) check() error {
	switch {
	case c.Name == "":
		return errors.New("a feed has no name")
	case c.Path == "":
		return fmt.Errorf("feed %s: no path: name the file to read", c.Name)
	case c.Confidence < 0 || c.Confidence > 100:
		return fmt.Errorf("feed %s: confidence %d is not between 0 and 100", c.Name, c.Confidence)
	case c.Type != TypeList && c.Type != TypeOTX && c.Type != TypeAllow:
		return fmt.Errorf("feed %s: unknown type %q (one of %s %s %s)", c.Name, c.Type, TypeList, TypeOTX, TypeAllow)
	case c.Type != TypeList && (c.Format != "" || c.Column != ""):
		return fmt.Errorf("feed %s: format and column are for lists, not for type %s", c.Name, c.Type)
	}
	switch list.Format(c.Format) {
	case list.Auto, list.Plain, list.CSV, list.Hosts:
	default:
		return fmt.Errorf("feed %s: unknown format %q (one of %s %s %s)", c.Name, c.Format, list.Plain, list.CSV, list.Hosts)
	}
	if f := list.Format(c.Format); c.Column != "" && f != list.CSV && f != list.Auto {
		return fmt.Errorf("feed %s: column is for format %s, not %s", c.Name, list.CSV, c.Format)
	}
	return nil
}

// template is what every indicator of the feed starts as.
func (c Config) template() intel.Indicator {
	i := intel.Indicator{
		Feed: c.Name, Name: c.Name, Category: c.Category, Ref: c.Reference,
		Score: uint8(c.Confidence),
	}
	if c.Type == TypeOTX && !c.HasCategory {
		i.Category = intel.Malware
	}
	return i
}

// read reads a feed's or allow list's file.
func (f *Feeds) read(ctx context.Context, s *source) (content, error) {
	file, _, err := open(s.cfg.Path)
	if err != nil {
		return content{}, err
	}
	defer func() { _ = file.Close() }()
	r := &reader{ctx: ctx, r: io.LimitReader(file, maxFile)}

	read := f.readFeed
	if s.cfg.Type == TypeAllow {
		read = f.readAllow
	}
	c, err := read(r, &s.cfg)
	if err != nil {
		return content{}, fmt.Errorf("%s: %w", s.cfg.Path, err)
	}
	if r.n == 0 && s.good.len() > 0 {
		return content{}, fmt.Errorf("%s %w", s.cfg.Path, errEmptied)
	}
	return c, nil
}

// readFeed reads a feed into a block. This is the one switch over feed types.
func (f *Feeds) readFeed(r io.Reader, c *Config) (content, error) {
	b := intel.NewBuilder(c.Name)
	keep := func(i intel.Indicator) ingest.Reason {
		if i.Prefix.IsValid() {
			if why := f.policy.Refuse(i.Prefix); why != "" {
				return why
			}
		}
		if !b.Add(i) {
			return ingest.Unreadable
		}
		return ""
	}
	var drops ingest.Drops
	var err error
	switch c.Type {
	case TypeList:
		var st list.Stats
		st, err = list.Parse(r, list.Options{Format: list.Format(c.Format), Column: c.Column, Template: c.template()}, keep)
		drops = st.Drops
	case TypeOTX:
		var st otx.Stats
		st, err = otx.Parse(r, otx.Options{Template: c.template(), Now: time.Now()}, keep)
		drops = st.Drops
	}
	if err != nil {
		return content{}, err
	}
	block := b.Block()
	if n := block.Crowded(); n > 0 {
		drops[ingest.Crowded] = ingest.Drop{Count: n}
	}
	return content{block: block, drops: drops}, nil
}

// readAllow reads an allow list: a warninglist when it begins like JSON.
func (f *Feeds) readAllow(r io.Reader, c *Config) (content, error) {
	b := intel.NewAllowBuilder()
	keep := func(e intel.AllowEntry) ingest.Reason {
		if e.Prefix.IsValid() {
			if why := f.policy.RefuseAllow(e.Prefix); why != "" {
				return why
			}
		}
		e.List = c.Path
		if !b.Add(e) {
			return ingest.OverLimit
		}
		return ""
	}
	br := bufio.NewReader(r)
	head, _ := br.Peek(512) // shorter at the end of the file
	head = bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")))
	var drops ingest.Drops
	var err error
	if bytes.HasPrefix(head, []byte("{")) {
		var st warninglist.Stats
		st, err = warninglist.Parse(br, keep)
		drops = st.Drops
	} else {
		var st list.Stats
		st, err = list.ParseAllow(br, keep)
		drops = st.Drops
	}
	if err != nil {
		return content{}, err
	}
	return content{allow: b.Allow(), drops: drops}, nil
}

// open opens a regular file. It does not wait, as opening a named pipe would.
func open(path string) (*os.File, fs.FileInfo, error) {
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
		err = fmt.Errorf("%s is no regular file", path)
	case info.Size() > maxFile:
		err = fmt.Errorf("%s is larger than %d MiB", path, maxFile>>20)
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
