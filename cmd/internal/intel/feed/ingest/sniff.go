package ingest

import (
	"bufio"
	"bytes"
	"errors"
)

// Documents that are rejected as a whole, whatever the format.
var (
	ErrWebPage = errors.New("looks like a web page, not a feed: open its address in a browser to see what it says")
	ErrBinary  = errors.New("is binary, not text: unpack it, or save it as UTF-8")
)

// Sniff looks at the first bytes that r gives, skips a byte order mark, and
// returns ErrWebPage or ErrBinary for what cannot be a feed. r needs a buffer of
// 4 KiB at least.
func Sniff(r *bufio.Reader) error {
	head, _ := r.Peek(4096) // shorter at the end of the document; the reader meets the error again
	if bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) {
		_, _ = r.Discard(3)
		head = head[3:]
	}
	if bytes.IndexByte(head, 0) >= 0 || bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		return ErrBinary
	}
	if bytes.HasPrefix(bytes.TrimSpace(head), []byte("<")) {
		return ErrWebPage
	}
	return nil
}
