package journal

import (
	"bytes"
	"io"
	"os"
)

// Log appends records as lines to a file that others read and rotate: each once, in
// order, over any kill of this program. The cursor is saved now and then only; the
// file itself says which of the records behind it stand there already.
type Log struct {
	Cursor *Cursor
	File   *os.File   // O_APPEND
	Tail   []*os.File // of which the last lines are read at the start: the file, and the one rotated before it
	// ID returns what tells a line from all others, and Line the line of a record.
	ID   func(line []byte) []byte
	Line func(payload []byte) []byte
}

// tailSize is how much of a file's end is read: far more than is written between two
// Acks.
const tailSize = 1 << 20

// Run writes what there is, and then what comes, until stop is closed. ackEvery
// bounds how many lines have to be looked for after a crash.
func (l *Log) Run(stop <-chan struct{}, ackEvery int) (late int, err error) {
	there := map[string]bool{}
	torn := false
	for i, f := range l.Tail {
		lines, cut, err := tail(f)
		if err != nil {
			return 0, err
		}
		torn = torn || i == 0 && cut
		for _, line := range lines {
			there[string(l.ID(line))] = true
		}
	}
	if torn { // a power cut: the line is written again, whole
		if _, err := l.File.Write([]byte("\n")); err != nil {
			return 0, err
		}
	}
	since := 0
	first := true
	for {
		seq, payload, ok, err := l.Cursor.Next()
		if err != nil {
			return late, err
		}
		if !ok {
			first, there = false, nil
			if since > 0 {
				if err := l.Cursor.Ack(l.Cursor.at - 1); err != nil {
					return late, err
				}
				since = 0
			}
			select {
			case <-stop:
				return late, nil
			case <-l.Cursor.Wait():
			}
			continue
		}
		line := l.Line(payload)
		if first && there[string(l.ID(line))] {
			since++
			continue
		}
		if first {
			late++
		}
		if _, err := l.File.Write(line); err != nil {
			l.Cursor.back(seq)
			return late, err // the caller waits and runs again
		}
		if since++; since >= ackEvery {
			if err := l.Cursor.Ack(seq); err != nil {
				return late, err
			}
			since = 0
		}
	}
}

// back makes seq the record that comes next.
func (c *Cursor) back(seq uint64) {
	c.at = seq
	if c.file != nil {
		_ = c.file.Close() // it was only read
		c.file = nil
	}
}

// tail returns the last lines of f, and whether the last one is torn.
func tail(f *os.File) (lines [][]byte, torn bool, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	from := max(0, info.Size()-tailSize)
	b, err := io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
	if err != nil || len(b) == 0 {
		return nil, false, err
	}
	return bytes.Split(b, []byte("\n")), b[len(b)-1] != '\n', nil
}
