package list

import (
	"bytes"
	"net/netip"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// sampleLines is how many lines are looked at to tell what a list is.
const sampleLines = 200

// source gives the lines of a list that are no comments, after a look ahead at the
// first of them.
type source struct {
	lines    *ingest.Lines
	ahead    []line
	comments []string // before the first line, 50 at most
	now      line
	held     bool // lines is at a line that next has not given yet
}

type line struct {
	raw string // without its end
	n   int    // from 1
}

// look reads ahead.
func (s *source) look() {
	for len(s.ahead) < sampleLines && s.lines.Next() {
		text := s.lines.Text()
		switch {
		case !isComment(text):
			s.ahead = append(s.ahead, line{string(s.lines.Raw()), s.lines.N()})
		case len(s.ahead) == 0:
			if len(s.comments) == 50 {
				s.comments = s.comments[1:]
			}
			s.comments = append(s.comments, text)
		}
	}
}

// next moves to the next line.
func (s *source) next() bool {
	if len(s.ahead) > 0 {
		s.now, s.ahead = s.ahead[0], s.ahead[1:]
		return true
	}
	for s.held || s.lines.Next() {
		s.held = false
		s.now = line{string(s.lines.Raw()), s.lines.N()}
		if !isComment(s.text()) {
			return true
		}
	}
	return false
}

// next4 moves to the next line if that is an IPv4 address or network alone, as nearly all
// are: it makes no text of them.
func (s *source) next4() (p netip.Prefix, ok bool) {
	if len(s.ahead) > 0 || s.held {
		return p, false
	}
	text := s.lines.Ahead()
	if p, n := prefix4(text); n > 0 {
		end := 0
		switch rest := text[n:]; {
		case len(rest) > 0 && rest[0] == '\n':
			end = 1
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			end = 2
		}
		if end > 0 {
			s.lines.Take(n, end)
			s.now = line{n: s.lines.N()}
			return p, true
		}
	}
	if !s.lines.Next() {
		return p, false
	}
	text = bytes.TrimSpace(s.lines.Raw())
	p, n := prefix4(text)
	if ok = n > 0 && n == len(text); ok {
		s.now = line{n: s.lines.N()}
	}
	s.held = !ok
	return p, ok
}

// text returns the current line without white space around it.
func (s *source) text() string { return strings.TrimSpace(s.now.raw) }

// isComment knows the marks of Unix, Windows, adblock and C++. Adblock's "##" is a
// rule for pages, which is none of ours either.
func isComment(line string) bool {
	return line != "" && (line[0] == '#' || line[0] == ';' || line[0] == '!') || strings.HasPrefix(line, "//") || strings.HasPrefix(line, "[Adblock")
}
