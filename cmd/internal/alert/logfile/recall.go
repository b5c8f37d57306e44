package logfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"

	"github.com/flowhound/flowhound/cmd/internal/file"
)

const (
	// tailSize is how much of a file's end is read at a start: several times what is
	// written between two acknowledgements, in either format.
	tailSize = 1 << 20
	// recallMost is how many records behind one that stands in the file are looked
	// at for another.
	recallMost = 20_000
)

// recall finds out which of the records that wait stand in the file already, or in
// the one that was rotated before it, because a kill came before the cursor knew.
// Lines are written in the order of the journal: all up to the last one that is
// there are there.
func (w *writer) recall() error {
	there := map[string]bool{}
	for _, path := range []string{w.target.path, w.target.old(1)} {
		lines, err := tail(path)
		if err != nil {
			return err
		}
		for _, line := range lines {
			if id := identify(line); id != "" {
				there[id] = true
			}
		}
	}
	last := uint64(0)
	for len(there) > 0 {
		r, err := w.cursor.Next()
		if err != nil {
			return err
		}
		if r == nil || r.Seq >= w.start || last > 0 && r.Seq > last+recallMost {
			break
		}
		if line, err := w.format.line(r); err == nil && there[identify(line)] {
			last = r.Seq
		}
	}
	if last > 0 {
		w.cursor.Ack(last)
	}
	w.cursor.Rewind()
	w.recalled = true
	return nil
}

// tail returns the last lines of a file; of what is not a regular file there are none.
func tail(path string) ([][]byte, error) {
	f, info, err := file.Open(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, file.ErrNotRegular) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	from := max(0, info.Size()-tailSize)
	b, err := io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
	lines := bytes.Split(b, []byte("\n"))
	return lines[:len(lines)-1], err // what is behind the last newline is torn
}

// identify returns what tells a line from all others, in either format: a hit's id;
// of a status its time and text. "": the line is none of ours.
func identify(line []byte) string {
	line = bytes.TrimSuffix(line, []byte("\n"))
	if bytes.HasPrefix(line, []byte("{")) {
		var h struct{ ID, Kind string }
		if json.Unmarshal(line, &h) == nil && h.Kind != "" {
			return h.ID
		}
		return string(line)
	}
	header, body, ok := bytes.Cut(line, []byte("]: "))
	if !ok {
		return ""
	}
	if bytes.HasPrefix(body, []byte("hit ")) {
		_, id, _ := bytes.Cut(body, []byte(" id="))
		id, _, _ = bytes.Cut(id, []byte(" "))
		return string(id)
	}
	if at := bytes.LastIndexByte(header, '['); at > 0 { // the number of the process is another
		header = header[:at]
	}
	return string(header) + string(body)
}
