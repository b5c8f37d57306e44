package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/flowhound/flowhound/plugin/retry"
	"github.com/flowhound/flowhound/plugin/text"
)

// What errors.Is finds in the errors of Do, of reading a Body and of Unpack.
var (
	ErrHTML      = errors.New("is a web page, not a feed: open the address in a browser to see what it says")
	ErrTooLarge  = errors.New("is larger than the limit")
	ErrTruncated = errors.New("ended early: the connection was cut")
	ErrTimeout   = errors.New("timed out")
	ErrRedirect  = errors.New("redirect rejected")
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

// maxSaid is how many bytes of a server's words an error repeats.
const maxSaid = 160

// statusError reads what an answer says of itself.
func (c *Client) statusError(resp *http.Response) error {
	e := &StatusError{Code: resp.StatusCode}
	e.RetryAfter, _ = retry.After(resp.Header, time.Now())
	if body, err := c.body(resp, 4096); err == nil { // otherwise the status has to do
		page, _ := io.ReadAll(io.LimitReader(body, 512)) // half of it is as good
		if !isHTML(resp.Header.Get("Content-Type"), page) {
			e.Text = text.Excerpt(string(page), maxSaid)
		}
	}
	return e
}

// explain says in our words why there is no answer.
func (c *Client) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err = unwrapURL(err)
	var dialed *net.OpError
	if errors.Is(err, ErrRedirect) && errors.As(err, &dialed) {
		return dialed.Err
	}
	switch {
	case isTimeout(err) && errors.As(err, &dialed) && dialed.Op == "dial":
		if dialed.Addr == nil {
			return fmt.Errorf("%w: %w", ErrTimeout, err) // DNS
		}
		return fmt.Errorf("%w: no connection to %s within %s", ErrTimeout, dialed.Addr, c.o.Connect)
	case isTimeout(err) && strings.Contains(err.Error(), "response headers"):
		return fmt.Errorf("%w: the server did not answer within %s", ErrTimeout, c.o.Header)
	case isTimeout(err):
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the server closed the connection without an answer")
	}
	return err
}

// isTimeout reports whether a connection or an answer took too long.
func isTimeout(err error) bool {
	var n net.Error
	return errors.Is(err, ErrTimeout) || errors.As(err, &n) && n.Timeout()
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
	secrets *text.Redactor
}

func (e *requestError) Error() string { return e.url + ": " + e.secrets.Redact(e.err.Error()) }
func (e *requestError) Unwrap() error { return e.err }
