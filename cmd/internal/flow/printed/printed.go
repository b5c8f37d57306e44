// Package printed reads flows that other tools printed as text: nfdump's csv, json,
// line, long and extended output, and what SiLK's rwcut prints. It takes nothing that
// was rounded or cut for the eye: such a line is an error that says how to print it
// whole.
//
// What the text does not say stays unsaid in the record: a Record of nfdump's line
// output has no exporter, one of SiLK no sampling. nfcapd multiplies the counters of
// sampling exporters when it stores them, so that records of nfdump are unsampled here.
//
// A text is outside input: lines are bounded, and one that cannot be read costs itself
// only, but for JSON, which ends there.
package printed

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// maxLine bounds a line, in bytes: nfdump's csv takes some 500.
const maxLine = 64 << 10

// Options are what the text itself does not say.
type Options struct {
	// Zone is of times that name none. nil: the local one for nfdump, which prints
	// local time, and UTC for SiLK.
	Zone *time.Location
	// Exporter is of records that name none.
	Exporter flow.Addr
	// Sampling is how many packets there were for one that was counted; 0: not known.
	Sampling uint32
}

// LineError is a line that is not a flow. Reading goes on behind it.
type LineError struct {
	Line int // the first is 1
	Err  error
}

// Error names the line.
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns why it is none.
func (e *LineError) Unwrap() error { return e.Err }

// ErrFormat says that the text is of no known form.
var ErrFormat = errors.New("neither nfdump's csv, json, line, long or extended output, nor rwcut's (which needs its titles, unless the columns are its default)")

// Reader reads one text. It is not safe for concurrent use.
type Reader struct {
	format string
	in     *bufio.Reader
	line   int
	unread []byte                                  // a line that Next reads again
	parse  func(text []byte, p *row) (bool, error) // false: the line holds no flow
	json   *jsonReader                             // nil: lines
	row    row
}

// NewReader finds out what the text is by its first lines. Its error wraps ErrFormat
// when it is none of those.
func NewReader(r io.Reader, o Options) (*Reader, error) {
	in := &Reader{in: bufio.NewReaderSize(r, maxLine)}
	in.row.options = o
	first, err := in.first()
	switch {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("the text is empty: %w", ErrFormat)
	case err != nil:
		return nil, err
	case first == '[' || first == '{':
		in.json = newJSONReader(in.in, first == '[')
		return in.begin("nfdump json", time.Local, nil)
	}
	text, err := in.next()
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(text, []byte("Date f")) { // "Date first seen", "Date flow start"
		return in.begin("nfdump text", time.Local, textLine)
	}
	if c := csvColumns(text); c != nil && !c.silk() {
		return in.begin("nfdump csv", time.Local, c.line)
	}
	if c := silkColumns(text); c != nil {
		return in.begin("rwcut", time.UTC, c.line)
	}
	if c := untitled(text); c != nil {
		in.unread, in.line = bytes.Clone(text), in.line-1
		return in.begin("rwcut", time.UTC, c.line)
	}
	return nil, fmt.Errorf("%w; it begins with %.60q", ErrFormat, text)
}

// first skips white space and returns the first byte that is none, unread.
func (r *Reader) first() (byte, error) {
	for {
		b, err := r.in.Peek(1)
		if err != nil {
			return 0, err
		}
		if !bytes.ContainsRune([]byte(" \t\r\n"), rune(b[0])) {
			return b[0], nil
		}
		if b[0] == '\n' {
			r.line++
		}
		_, _ = r.in.Discard(1) // it was peeked at
	}
}

func (r *Reader) begin(format string, zone *time.Location, parse func([]byte, *row) (bool, error)) (*Reader, error) {
	r.format, r.parse = format, parse
	r.row.begin(r.row.options.zone(zone))
	return r, nil
}

func (o *Options) zone(usual *time.Location) *time.Location {
	if o.Zone != nil {
		return o.Zone
	}
	return usual
}

// Format says what the text is: "nfdump csv", "nfdump json", "nfdump text" or "rwcut".
func (r *Reader) Format() string { return r.format }

// Next fills out with the next flow. The error is io.EOF at the end, a *LineError for a
// line that is left out, and any other ends the reading.
func (r *Reader) Next(out *flow.Record) error {
	if r.json != nil {
		r.row.reset()
		if err := r.json.next(&r.row); err != nil {
			return err
		}
		return r.row.finish(out)
	}
	for {
		text, err := r.next()
		if len(text) == 0 && err != nil {
			return err
		}
		text = bytes.TrimRight(text, "\r\n")
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		r.row.reset()
		is, err := r.parse(text, &r.row)
		if err == nil && is {
			err = r.row.finish(out)
		}
		if err != nil {
			return &LineError{r.line, err}
		}
		if is {
			return nil
		}
	}
}

// next returns the next line, valid until the one after it.
func (r *Reader) next() ([]byte, error) {
	r.line++
	if text := r.unread; text != nil {
		r.unread = nil
		return text, nil
	}
	text, err := r.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("line %d is longer than the limit of %d bytes: this is not a list of flows", r.line, maxLine)
	}
	if errors.Is(err, io.EOF) && len(text) > 0 {
		err = nil
	}
	return text, err
}
