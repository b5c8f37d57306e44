// Package logged reads the hits of the alert log back, with its rotated files, in both
// of its formats, for people who ask. It changes nothing and needs no running agent.
package logged

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/flowhound/flowhound/plugin/hit"
)

// maxLine is more than any line of flowhound has.
const maxLine = 64 << 10

// Filter says which hits are wanted. Zero values accept all.
type Filter struct {
	Since    time.Time    // hits of which something was seen after it
	Severity hit.Severity // and above
	Address  netip.Prefix // on either side
	Feed     string
	Category string
	Series   string
	Also     func(*hit.Hit) bool // must say yes, too; nil: not asked
}

// Accepts reports whether a hit is wanted.
func (f *Filter) Accepts(h *hit.Hit) bool {
	seen := h.End
	if h.Time.After(seen) {
		seen = h.Time
	}
	return !seen.Before(f.Since) && h.Severity >= f.Severity &&
		(!f.Address.IsValid() || f.Address.Contains(h.Src.Unmap()) || f.Address.Contains(h.Dst.Unmap())) &&
		(f.Feed == "" || f.Feed == h.Feed) && (f.Category == "" || f.Category == h.Category) &&
		(f.Series == "" || f.Series == h.Series()) && (f.Also == nil || f.Also(h))
}

// Read calls each for the wanted hits of the log at path and of its rotated files
// (path.1 is the youngest), oldest first. bad is how many lines look like a hit's and
// cannot be read. That there is no log at all is an error.
func Read(path string, f Filter, each func(*hit.Hit)) (bad int, err error) {
	files, err := filesOf(path, f.Since)
	if err != nil {
		return 0, err
	}
	for _, name := range files {
		n, err := readFile(name, &f, each)
		if bad += n; err != nil && !errors.Is(err, fs.ErrNotExist) { // rotated away meanwhile
			return bad, err
		}
	}
	return bad, nil
}

// filesOf returns the log and its rotated files that were written to since then,
// oldest first.
func filesOf(path string, since time.Time) (files []string, err error) {
	for n := 0; ; n++ {
		name := path
		if n > 0 {
			name = fmt.Sprintf("%s.%d", path, n)
		}
		info, err := os.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && n > 0:
			return files, nil
		case err != nil:
			return nil, err
		case info.ModTime().Before(since):
			return files, nil // and all that are older
		}
		files = append([]string{name}, files...)
	}
}

func readFile(name string, f *Filter, each func(*hit.Hit)) (bad int, err error) {
	file, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	var named []byte // must stand in the line: that is found much faster than a line is read
	if f.Address.IsSingleIP() {
		named = []byte(f.Address.Addr().String())
	} else if f.Series != "" {
		named = []byte(f.Series)
	}
	_, err = readLines(file, func(line []byte) {
		if line != nil && !bytes.Contains(line, named) {
			return
		}
		h, isHit := parse(string(line))
		switch {
		case h == nil && (isHit || line == nil):
			bad++
		case isHit && f.Accepts(h):
			each(h)
		}
	})
	return bad, err
}

// readLines gives each the whole lines without their ends, nil for one that is longer than
// any of ours, and returns how many bytes they are: what has no end is still being written.
func readLines(in io.Reader, each func(line []byte)) (n int64, err error) {
	r := bufio.NewReaderSize(in, maxLine)
	for long := false; ; {
		line, err := r.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			long = true
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, err
		case long:
			long = false
			each(nil)
		default:
			each(line[:len(line)-1])
		}
		n += int64(len(line))
	}
}

// parse reads one line of the log; isHit is false for those about flowhound itself.
func parse(line string) (h *hit.Hit, isHit bool) {
	if strings.HasPrefix(line, "{") {
		if !strings.HasPrefix(line, `{"v":1,"kind":`) {
			return nil, false
		}
		h = new(hit.Hit)
		if json.Unmarshal([]byte(line), h) != nil {
			return nil, true
		}
		return h, true
	}
	_, body, found := strings.Cut(line, "]: ") // the header ends so
	if !found || !strings.HasPrefix(body, "hit kind=") {
		return nil, false
	}
	h, err := hit.ParseLine(body)
	if err != nil {
		return nil, true
	}
	return h, true
}
