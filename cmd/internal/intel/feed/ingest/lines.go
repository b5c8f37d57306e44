package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// MaxLine is the longest line that is read, in bytes; no indicator comes near it.
const MaxLine = 64 << 10

// Lines gives the lines of a document that are not blank. A line of 64 KiB and
// more is skipped and counted.
type Lines struct {
	r     *bufio.Reader
	ahead []byte // what r has in memory behind the current line
	taken int    // how many bytes r has yet to pass over before that
	n     int
	raw   []byte
	err   error

	long, firstLong int
}

// NewLines looks at the document with Sniff, and rejects it with Sniff's errors.
// UTF-16 with its mark is read as text.
func NewLines(r io.Reader) (*Lines, error) {
	br := textOf(bufio.NewReaderSize(r, MaxLine))
	if err := Sniff(br); err != nil {
		return nil, err
	}
	return &Lines{r: br}, nil
}

// Next moves to the next line. After false, Err says whether that was the end.
func (l *Lines) Next() bool {
	for l.err == nil {
		line, err := l.read()
		if len(line) == 0 && err != nil {
			l.stop(err)
			break
		}
		l.n++
		if errors.Is(err, bufio.ErrBufferFull) {
			l.skip()
			continue
		}
		l.stop(err)
		for n := len(line); n > 0 && (line[n-1] == '\n' || line[n-1] == '\r'); n-- {
			line = line[:n-1]
		}
		if l.raw = line; len(line) > 0 && line[0] > ' ' || len(bytes.TrimSpace(line)) > 0 {
			return l.err == nil
		}
	}
	return false
}

// read returns what there is up to the end of the next line, with that.
func (l *Lines) read() ([]byte, error) {
	_, _ = l.r.Discard(l.taken) // it is there
	line, err := l.r.ReadSlice('\n')
	l.ahead, _ = l.r.Peek(l.r.Buffered()) // never more than there is
	l.taken = 0
	return line, err
}

// Ahead returns what of the document behind the current line is in memory.
func (l *Lines) Ahead() []byte { return l.ahead }

// Take moves to the next line, which is the first n bytes of Ahead; its end is more bytes.
func (l *Lines) Take(n, end int) {
	l.raw, l.ahead = l.ahead[:n], l.ahead[n+end:]
	l.taken += n + end
	l.n++
}

// skip reads the rest of a line that is too long.
func (l *Lines) skip() {
	if l.long == 0 {
		l.firstLong = l.n
	}
	l.long++
	for {
		_, err := l.read()
		if !errors.Is(err, bufio.ErrBufferFull) {
			l.stop(err)
			return
		}
	}
}

// stop notes an error that is not the end of the document, which the next
// ReadSlice meets again.
func (l *Lines) stop(err error) {
	if err != nil && !errors.Is(err, io.EOF) {
		l.err = err
	}
}

// Text returns the current line without white space around it.
func (l *Lines) Text() string { return string(bytes.TrimSpace(l.raw)) }

// Raw returns the current line without its end; good until Next.
func (l *Lines) Raw() []byte { return l.raw }

// N returns the number of the current line, from 1, blank and long ones counted.
func (l *Lines) N() int { return l.n }

// Err returns the reader's error, or nil at the end of the document.
func (l *Lines) Err() error { return l.err }

// CountLong notes the lines that were too long in d.
func (l *Lines) CountLong(d Drops) {
	if l.long > 0 {
		d[LongLine] = Drop{Count: l.long, Line: l.firstLong}
	}
}
