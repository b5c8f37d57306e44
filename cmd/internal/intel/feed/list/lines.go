package list

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxLine is the longest line that is read, in bytes; no indicator comes near it.
const maxLine = 64 << 10

// lines gives the lines that are not blank. A line of maxLine and more is skipped and counted.
type lines struct {
	r   *bufio.Reader
	n   int    // number of the current line, from 1
	raw []byte // the current line without its end; good until next
	err error

	long, firstLong int
}

// next moves to the next line. After false, err says whether that was the end.
func (l *lines) next() bool {
	for l.err == nil {
		line, err := l.r.ReadSlice('\n')
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
		if l.raw = bytes.TrimRight(line, "\r\n"); len(bytes.TrimSpace(l.raw)) > 0 {
			return l.err == nil
		}
	}
	return false
}

// skip reads the rest of a line that is too long.
func (l *lines) skip() {
	if l.long == 0 {
		l.firstLong = l.n
	}
	l.long++
	for {
		_, err := l.r.ReadSlice('\n')
		if !errors.Is(err, bufio.ErrBufferFull) {
			l.stop(err)
			return
		}
	}
}

// stop notes an error that is not the end of the document, which the next
// ReadSlice meets again.
func (l *lines) stop(err error) {
	if err != nil && !errors.Is(err, io.EOF) {
		l.err = err
	}
}

// text returns the current line without white space around it.
func (l *lines) text() string { return string(bytes.TrimSpace(l.raw)) }
