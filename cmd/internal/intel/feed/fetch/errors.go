package fetch

import (
	"context"
	"errors"
	"fmt"
	"github.com/flowhound/flowhound/plugin/retry"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// What errors.Is finds in the errors of Do, of reading a Body and of Unpack.
var (
	ErrHTML      = errors.New("is a web page, not a feed: open the address in a browser to see what it says")
	ErrTooLarge  = errors.New("is larger than is read of one document")
	ErrTruncated = errors.New("ends before its end: the connection was cut")
	ErrTimeout   = errors.New("timed out")
	ErrRedirect  = errors.New("redirect refused")
	ErrArchive   = errors.New("cannot be unpacked")
)

// StatusError is an answer that is no document.
type StatusError struct {
	Code int
	// RetryAfter is how long the server asks to be left alone, a week at most; 0:
	// it does not say.
	RetryAfter time.Duration
	Text       string // the start of what the server says about it, one line; "": nothing readable
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("the server answers %d", e.Code)
	if name := http.StatusText(e.Code); name != "" {
		s += " (" + name + ")"
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	switch e.Code {
	case http.StatusUnauthorized, http.StatusForbidden:
		s += "; check the key and that it may read this"
	case http.StatusTooManyRequests:
		s += "; ask less often"
	}
	if e.RetryAfter > 0 {
		s += fmt.Sprintf("; it asks to wait %s", e.RetryAfter)
	}
	return s
}

// statusError reads what an answer says of itself.
func (c *Client) statusError(resp *http.Response) error {
	e := &StatusError{Code: resp.StatusCode}
	e.RetryAfter, _ = retry.After(resp.Header, time.Now())
	if body, err := c.body(resp, 4096); err == nil { // otherwise the status has to do
		text, _ := io.ReadAll(io.LimitReader(body, 512)) // half of it is as good
		if !isHTML(resp.Header.Get("Content-Type"), text) {
			e.Text = oneLine(string(text), 160)
		}
	}
	return e
}

// oneLine makes a server's text fit into a message.
func oneLine(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "..."
	}
	return s
}

// explain says in our words why there is no answer.
func (c *Client) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err = unwrapURL(err)
	var n net.Error
	if errors.As(err, &n) && n.Timeout() {
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the server closed the connection without an answer")
	}
	return err
}

// unwrapURL takes off the layer that prints the URL with its keys.
func unwrapURL(err error) error {
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	return err
}

// requestError names the URL of a request and prints none of its secrets, not
// even where the server sent them back.
type requestError struct {
	url     string
	err     error
	secrets []string
}

func (e *requestError) Error() string { return e.url + ": " + scrub(e.err.Error(), e.secrets) }
func (e *requestError) Unwrap() error { return e.err }
