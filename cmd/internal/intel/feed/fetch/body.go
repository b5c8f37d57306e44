package fetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/flowhound/flowhound/plugin/text"
)

// sniffLen is how much of a body is looked at to tell what it is.
const sniffLen = 1024

// isHTML tells a web page, such as a portal's log-in or an error of a proxy that
// comes with status 200, by what is said of it or by how it begins.
func isHTML(contentType string, head []byte) bool {
	if t, _, err := mime.ParseMediaType(contentType); err == nil && (t == "text/html" || t == "application/xhtml+xml") && bytes.IndexByte(head, '<') >= 0 {
		return true // many servers say so of every file; a list has no tag in it
	}
	head = bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")))
	head = bytes.ToLower(head[:min(len(head), 64)])
	for _, start := range []string{"<!doctype", "<html", "<head", "<body", "<title", "<script", "<!--"} {
		if bytes.HasPrefix(head, []byte(start)) {
			return true
		}
	}
	return false
}

// body returns what resp brings, bounded in bytes and without a content coding.
func (c *Client) body(resp *http.Response, limit int64) (io.Reader, error) {
	wireLimit := max(c.o.MaxWire, 4096)
	if resp.ContentLength > wireLimit {
		return nil, tooLarge(wireLimit)
	}
	wire := &capped{r: resp.Body, left: wireLimit, limit: wireLimit}
	switch coding := strings.ToLower(resp.Header.Get("Content-Encoding")); coding {
	case "", "identity":
		return &capped{r: wire, left: limit, limit: limit}, nil
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(wire)
		if errors.Is(err, io.EOF) {
			return bytes.NewReader(nil), nil
		} else if err != nil {
			return nil, packed(err)
		}
		return &capped{r: z, left: limit, limit: limit}, nil
	default:
		return nil, fmt.Errorf("%w: its Content-Encoding is %q, which was not requested", ErrArchive, text.Excerpt(coding, 40))
	}
}

// closer is a Body. Its errors name the request.
type closer struct {
	io.Reader
	fail  func(error) error
	close func()
}

func (b *closer) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.fail(err)
	}
	return n, err
}

// Close ends the request.
func (b *closer) Close() error { b.close(); return nil }

// guard goes with a request, in its context under guardKey.
type guard struct {
	own
	cancel context.CancelCauseFunc
	secret bool
}

type guardKey struct{}

// pace is how much of a body, in bytes, has to come within Options.Idle: less is a
// server that hangs or holds us on purpose, while other feeds wait for their turn.
const pace = 4 << 10

// watched ends a request when its answer's body comes too slowly, whoever reads:
// those of redirects and of tries that failed are drained by others.
type watched struct {
	http.RoundTripper
	idle time.Duration
}

// RoundTrip is http.RoundTripper's.
func (w *watched) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	g, _ := req.Context().Value(guardKey{}).(*guard)
	r := &idleReader{ReadCloser: resp.Body, ctx: req.Context(), limit: w.idle}
	r.timer = time.AfterFunc(time.Hour, func() {
		g.cancel(fmt.Errorf("%w: less than %d bytes arrived in %s", ErrTimeout, pace, w.idle))
	})
	r.timer.Stop()
	resp.Body = r
	return resp, nil
}

type idleReader struct {
	io.ReadCloser
	ctx   context.Context
	limit time.Duration
	timer *time.Timer

	came   int           // since the pace was last kept, in bytes
	waited time.Duration // for them; the time that the reader itself takes does not count
}

func (r *idleReader) Read(p []byte) (int, error) {
	start := time.Now()
	r.timer.Reset(r.limit - r.waited)
	n, err := r.ReadCloser.Read(p)
	r.timer.Stop()
	r.came, r.waited = r.came+n, r.waited+time.Since(start)
	if r.came >= pace {
		r.came, r.waited = 0, 0
	}
	switch {
	case err == nil || errors.Is(err, io.EOF):
	case r.ctx.Err() != nil:
		err = context.Cause(r.ctx)
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = ErrTruncated
	default:
		err = fmt.Errorf("%w: %w", ErrTruncated, unwrapURL(err))
	}
	return n, err
}

// capped fails after limit bytes, where io.LimitReader would end as if that were
// all. It also puts the errors of unpackers into our words.
type capped struct {
	r           io.Reader
	left, limit int64
}

func (r *capped) Read(p []byte) (int, error) {
	if r.left < 0 {
		return 0, tooLarge(r.limit)
	}
	if int64(len(p)) > r.left+1 {
		p = p[:r.left+1]
	}
	n, err := r.r.Read(p)
	r.left -= int64(n)
	if r.left < 0 {
		return n - 1, tooLarge(r.limit)
	}
	return n, packed(err)
}

func tooLarge(limit int64) error {
	if limit >= 1<<20 {
		return fmt.Errorf("%w of %d MiB", ErrTooLarge, limit>>20)
	}
	return fmt.Errorf("%w of %d bytes", ErrTooLarge, limit)
}

// packed gives the errors of gzip and zip our names; others pass.
func packed(err error) error {
	switch {
	case err == nil || errors.Is(err, io.EOF):
	case errors.Is(err, io.ErrUnexpectedEOF):
		return ErrTruncated
	case isDamage(err):
		return fmt.Errorf("%w: %w", ErrArchive, err)
	}
	return err
}
