package series

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/plugin/hit"
)

// format is the first key of the saved table; gzip around it has a checksum.
const format = "flowhound-series 1"

const (
	mostSaved = 256 << 20 // of the table as JSON
)

type saved struct {
	Format string   `json:"format"`
	Seq    uint64   `json:"seq"` // of the last record that is in it
	Series []Series `json:"series"`
	// Minutes are [minute, severity, count] of all that are not 0.
	Minutes [][3]int64 `json:"minutes"`
}

// save writes the table unless nothing has changed, and lets the journal know. It
// returns the number of the last record that is saved.
func (s *Store) save(now time.Time, before uint64) uint64 {
	s.mu.Lock()
	s.expire(now.Add(-Keep))
	x := saved{Format: format, Seq: s.seq, Series: make([]Series, 0, len(s.series))}
	if x.Seq == before {
		s.mu.Unlock()
		return before
	}
	for _, one := range s.series {
		x.Series = append(x.Series, *one)
	}
	x.Minutes = s.minutes.all()
	s.mu.Unlock()

	b, err := x.encode()
	if err == nil {
		err = file.Replace(s.d.Path, b, 0o600)
	}
	s.unsaved.Note(err)
	if err != nil {
		return before
	}
	s.cursor.Ack(x.Seq)
	return x.Seq
}

func (x *saved) encode() ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(json.NewEncoder(z).Encode(x), z.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func decode(b []byte) (x saved, err error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return x, err
	}
	text, err := io.ReadAll(io.LimitReader(z, mostSaved)) // to the end: that is where the checksum is
	if err != nil {
		return x, err
	}
	if err := json.Unmarshal(text, &x); err != nil {
		return x, err
	}
	if x.Format != format {
		return x, fmt.Errorf("has the format %.40q, this program reads %q", x.Format, format)
	}
	return x, nil
}

// restore reads the saved table. One that cannot be read is set aside; the journal
// and the log still have the newest hits.
func (s *Store) restore(now time.Time) {
	file.SweepBeside(s.d.Path)
	b, err := os.ReadFile(s.d.Path)
	var x saved
	if err == nil {
		x, err = decode(b)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.d.Log.Error("the table of series cannot be read; it was renamed, and a new one is started", "path", file.SetAside(s.d.Path), "err", err)
		}
		if s.d.Seed != nil {
			s.d.Seed(s.add)
			s.expire(now.Add(-Keep))
		}
		return
	}
	if s.d.Journal.Next() > x.Seq { // else the journal was begun anew
		s.seq = x.Seq
	}
	for i := range x.Series {
		one := x.Series[i]
		if len(s.series) >= mostSeries || one.ID == "" {
			break
		}
		s.series[one.ID] = &one
	}
	s.minutes.load(x.Minutes)
	s.expire(now.Add(-Keep))
}

func (m *minutes) all() (all [][3]int64) {
	for i := max(0, m.newest-keptMinutes+1); i <= m.newest; i++ {
		for sev := range m.count {
			if n := m.count[sev][i%keptMinutes]; n > 0 {
				all = append(all, [3]int64{i, int64(sev), int64(n)})
			}
		}
	}
	return all
}

func (m *minutes) load(all [][3]int64) {
	for _, x := range all {
		if x[0] > m.newest {
			m.reach(x[0])
		}
	}
	for _, x := range all {
		if x[1] >= 0 && x[1] < hit.NumSeverities && x[2] > 0 {
			m.put(hit.Severity(x[1]), x[0], uint64(x[2]))
		}
	}
}

// Findings says what is wrong.
func (s *Store) Findings(l *finding.List) {
	s.unsaved.Find(l.Warn, "df -h; ls -l "+s.d.Path)
}
