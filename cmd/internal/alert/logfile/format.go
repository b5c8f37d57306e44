package logfile

import (
	"time"

	"github.com/flowhound/flowhound/plugin/hit"
)

// format makes lines, with their newline.
type format struct {
	json bool
	host string
	pid  int
}

func (f format) hit(h *hit.Hit) ([]byte, error) {
	if f.json {
		b, err := hit.AppendLogJSON(nil, h)
		return append(b, '\n'), err
	}
	return append(hit.AppendLine(f.header(h.Time), h), '\n'), nil
}

func (f format) status(s hit.Status) ([]byte, error) {
	if s.Time.IsZero() {
		s.Time = time.Now()
	}
	if f.json {
		b, err := s.MarshalJSON()
		return append(b, '\n'), err
	}
	return append(hit.AppendStatus(f.header(s.Time), &s), '\n'), nil
}

func (f format) header(t time.Time) []byte {
	if t.IsZero() {
		t = time.Now()
	}
	return hit.AppendHeader(make([]byte, 0, hit.MaxLine/2), t, f.host, f.pid)
}
