package series

import (
	"math"
	"time"

	"github.com/flowhound/flowhound/plugin/hit"
)

// keptMinutes is two months and a day: a month and the one before it.
const keptMinutes = 62 * 24 * 60

// minutes counts the flows that hit in each minute of two months, by severity: 1.8 MB.
type minutes struct {
	newest int64 // number of the newest minute since 1970
	count  [hit.NumSeverities][]uint32
}

func newMinutes() *minutes {
	m := &minutes{}
	for i := range m.count {
		m.count[i] = make([]uint32, keptMinutes)
	}
	return m
}

// reach makes room up to a minute.
func (m *minutes) reach(minute int64) {
	if minute <= m.newest {
		return
	}
	for i := max(m.newest+1, minute-keptMinutes+1); i <= minute; i++ {
		for sev := range m.count {
			m.count[sev][i%keptMinutes] = 0
		}
	}
	m.newest = minute
}

// add spreads the flows of a line evenly over the time that it tells of: nothing
// says when within it each of them was.
func (m *minutes) add(sev hit.Severity, first, last time.Time, count uint64) {
	to := last.Unix() / 60
	from := first.Unix() / 60
	if last.IsZero() || to > time.Now().Unix()/60+60 { // of no use, or of a wrong clock
		return
	}
	if first.IsZero() || from > to {
		from = to
	}
	m.reach(to)
	n := uint64(to - from + 1)
	each, rest := count/n, count%n
	for i := from; i <= to; i++ {
		x := each
		if uint64(i-from)*rest/n != uint64(i-from+1)*rest/n { // the rest, evenly too
			x++
		}
		m.put(sev, i, x)
	}
}

func (m *minutes) put(sev hit.Severity, minute int64, n uint64) {
	if minute <= m.newest-keptMinutes || minute < 0 || minute > m.newest {
		return
	}
	at := &m.count[sev][minute%keptMinutes]
	*at = uint32(min(uint64(*at)+n, math.MaxUint32))
}

// Lane is how many flows hit, of one severity.
type Lane struct {
	Severity hit.Severity `json:"sev"`
	Counts   []uint64     `json:"counts"` // of equal pieces of the range, the oldest first
	Total    uint64       `json:"total"`
	Before   uint64       `json:"before"` // of the range of the same length before it
}

// Lanes returns the flows that hit between from and to, in pieces, the most severe
// lane first. What a line folded is spread over its time.
func (s *Store) Lanes(from, to time.Time, pieces int) []Lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, b := from.Unix()/60, to.Unix()/60
	lanes := make([]Lane, 0, hit.NumSeverities)
	for sev := hit.Critical + 1; sev > 0; sev-- {
		l := Lane{Severity: sev - 1, Counts: make([]uint64, pieces)}
		for i := a - (b - a); i < b; i++ {
			n := s.minutes.at(sev-1, i)
			if n == 0 {
				continue
			}
			if i < a {
				l.Before += n
				continue
			}
			l.Counts[min(pieces-1, int((i-a)*int64(pieces)/(b-a)))] += n
			l.Total += n
		}
		lanes = append(lanes, l)
	}
	return lanes
}

func (m *minutes) at(sev hit.Severity, minute int64) uint64 {
	if minute <= m.newest-keptMinutes || minute < 0 || minute > m.newest {
		return 0
	}
	return uint64(m.count[sev][minute%keptMinutes])
}
