package ingest

import "io"

// maxDepth is how deep JSON is nested at most where anything of it is wanted.
const maxDepth = 1000

// shallow passes JSON on and puts a 0 in place of each array and object that lies
// deeper than maxDepth, so that nesting without end costs no memory and not the
// rest of the document: json.Decoder gives a document up at a depth of 10,000.
type shallow struct {
	r       io.Reader
	depth   int
	text    bool // within a string
	escaped bool // behind a backslash in it
}

func (s *shallow) Read(b []byte) (int, error) {
	for {
		n, err := s.r.Read(b)
		if n = s.cut(b[:n]); n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
	}
}

// cut works in place and returns how many bytes are left.
func (s *shallow) cut(b []byte) int {
	out := 0
	for _, c := range b {
		keep := s.depth <= maxDepth
		switch {
		case s.escaped:
			s.escaped = false
		case s.text:
			s.escaped = c == '\\'
			s.text = c != '"'
		case c == '"':
			s.text = true
		case c == '[' || c == '{':
			if s.depth++; s.depth == maxDepth+1 {
				c = '0'
			}
		case c == ']' || c == '}':
			s.depth = max(s.depth-1, 0)
		}
		if keep {
			b[out] = c
			out++
		}
	}
	return out
}
