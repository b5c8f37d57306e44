package logfile

import (
	"errors"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/plugin/hit"
)

// format makes lines, with their newline.
type format struct {
	json bool
	host string
	pid  int
}

// errNothing is of a record that is neither a hit nor a status: a later version's.
var errNothing = errors.New("the journal's record is neither a hit nor a status")

// line makes the line of a record.
func (f format) line(r *journal.Record) (line []byte, err error) {
	var s hit.Status
	if r.Status != nil {
		if s = *r.Status; s.Time.IsZero() {
			s.Time = r.At
		}
	}
	switch {
	case r.Hit != nil && f.json:
		line, err = hit.AppendLogJSON(nil, r.Hit)
	case r.Hit != nil:
		line = hit.AppendLine(f.header(r.Hit.Time), r.Hit)
	case r.Status != nil && f.json:
		line, err = s.MarshalJSON()
	case r.Status != nil:
		line = hit.AppendStatus(f.header(s.Time), &s)
	default:
		err = errNothing
	}
	return append(line, '\n'), err
}

func (f format) header(t time.Time) []byte {
	if t.IsZero() {
		t = time.Now()
	}
	return hit.AppendHeader(make([]byte, 0, hit.MaxLine/2), t, f.host, f.pid)
}
