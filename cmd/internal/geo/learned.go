package geo

import (
	"encoding/json"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/file"
)

// Learned is an outside address of a site that flows told.
type Learned struct {
	Site     string
	Addr     netip.Addr
	From, To int64 // Unix nanoseconds: it holds from From to before To; math.MaxInt64: still
}

// sighting is one line of the journal `sites`: a site had an address from First to Last,
// and maybe longer.
type sighting struct {
	Site  string     `json:"site"`
	Addr  netip.Addr `json:"addr"`
	First int64      `json:"first"`
	Last  int64      `json:"last"`
}

type sightingKey struct {
	site string
	addr netip.Addr
}

const (
	// maxSightings bounds the addresses of one site that are kept: a line that changes
	// its address daily needs a year.
	maxSightings = 400
	// noteEvery is how far Last moves before the journal is told.
	noteEvery = int64(10 * time.Minute)
	// outlives is how long an address that is not seen any more holds while another of
	// the same site is: lines that are up side by side are not equally busy.
	outlives = int64(24 * time.Hour)
	// rewriteAt is the size of the journal at which it is written anew.
	rewriteAt = 1 << 20
	journal   = "flowhound-sites 1"
)

// memory is the sightings of all sites and the journal that keeps them. It is for one
// goroutine.
type memory struct {
	log      *file.Log // nil: nothing is kept
	seen     map[sightingKey]*sighting
	noted    map[sightingKey]int64 // Last as the journal has it
	rejected uint64                // newcomers of a site that has too many
}

// openMemory reads the journal at path; "": nothing is kept.
func openMemory(path string) (*memory, file.Found, error) {
	m := &memory{seen: map[sightingKey]*sighting{}, noted: map[sightingKey]int64{}}
	if path == "" {
		return m, file.Found{}, nil
	}
	damaged := int64(0)
	log, found, err := file.OpenLog(path, journal, func(record []byte) error {
		if !m.take(record) {
			damaged += int64(len(record))
		}
		return nil
	})
	found.Lost += damaged
	m.log = log
	return m, found, err
}

// readMemory reads the journal at path, which the agent may be writing.
func readMemory(path string) (*memory, error) {
	m, _, _ := openMemory("")
	err := file.ReadLog(path, journal, func(record []byte) error { _ = m.take(record); return nil })
	return m, err
}

// take takes in a record of the journal. It is false for one that is malformed.
func (m *memory) take(record []byte) bool {
	var s sighting
	if json.Unmarshal(record, &s) != nil || s.Site == "" || !s.Addr.IsValid() || s.Last < s.First {
		return false
	}
	k := sightingKey{s.Site, s.Addr}
	if old, ok := m.seen[k]; ok {
		s.First = min(s.First, old.First)
		s.Last = max(s.Last, old.Last)
	}
	m.seen[k], m.noted[k] = &s, s.Last
	return true
}

// add notes that a site had an address at a time, and reports whether what is known
// changed by so much that it should be told.
func (m *memory) add(site string, addr netip.Addr, at int64) (news bool, err error) {
	k := sightingKey{site, addr}
	s, known := m.seen[k]
	if !known {
		if !m.room(site) {
			m.rejected++
			return false, nil
		}
		s = &sighting{site, addr, at, at}
		m.seen[k] = s
	}
	s.First, s.Last = min(s.First, at), max(s.Last, at)
	if known && s.Last-m.noted[k] < noteEvery {
		return false, nil
	}
	m.noted[k] = s.Last
	return true, m.append(s)
}

// room makes room for one more address of a site: the one that ended first goes. One
// that was seen within the last day never does.
func (m *memory) room(site string) bool {
	var oldest *sighting
	n, newest := 0, int64(math.MinInt64)
	for _, s := range m.seen {
		if s.Site != site {
			continue
		}
		n++
		newest = max(newest, s.Last)
		if oldest == nil || s.Last < oldest.Last {
			oldest = s
		}
	}
	if n < maxSightings {
		return true
	}
	if newest-oldest.Last < outlives {
		return false
	}
	delete(m.seen, sightingKey{site, oldest.Addr})
	delete(m.noted, sightingKey{site, oldest.Addr})
	return true
}

func (m *memory) append(s *sighting) error {
	if m.log == nil {
		return nil
	}
	if m.log.Size() > rewriteAt {
		return m.log.Rewrite(func(add func([]byte) error) error {
			for _, s := range m.seen {
				b, err := json.Marshal(s)
				if err == nil {
					err = add(b)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	b, err := json.Marshal(s)
	if err == nil {
		err = m.log.Append(b)
	}
	if err == nil {
		err = m.log.Sync()
	}
	return err
}

// close notes all that the journal does not have yet.
func (m *memory) close() (err error) {
	if m.log == nil {
		return nil
	}
	for k, s := range m.seen {
		if s.Last > m.noted[k] && err == nil {
			m.noted[k] = s.Last
			err = m.append(s)
		}
	}
	if closing := m.log.Close(); err == nil {
		err = closing
	}
	m.log = nil
	return err
}

// learned returns when each address held. An address ends where the site's next one of
// its family begins, or, where both were seen side by side, a day after it was seen
// last; the newest one goes on.
func (m *memory) learned() (out []Learned) {
	for _, s := range m.seen {
		l := Learned{s.Site, s.Addr, s.First, math.MaxInt64}
		for _, o := range m.seen {
			if o == s || o.Site != s.Site || o.Addr.Is4() != s.Addr.Is4() {
				continue
			}
			switch {
			case o.First > s.Last: // came after it was gone
				l.To = min(l.To, o.First)
			case o.Last > s.Last+outlives:
				l.To = min(l.To, s.Last+outlives)
			}
		}
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b Learned) int {
		if a.Site != b.Site {
			return len(a.Site) - len(b.Site)
		}
		return a.Addr.Compare(b.Addr)
	})
	return out
}
