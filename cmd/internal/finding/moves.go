package finding

import "time"

// RepeatAfter is the least time between two lines on the moves of one counter.
const RepeatAfter = 10 * time.Minute

// Moves watches a counter whose moves are worth a line, but not each. The zero value
// has seen 0.
type Moves struct {
	said   uint64 // the count that the last line covered
	saidAt time.Time
}

// Since returns by how much count rose since the last line, or 0 while it is too
// early for the next.
func (m *Moves) Since(count uint64, now time.Time) uint64 {
	if count <= m.said || now.Sub(m.saidAt) < RepeatAfter {
		return 0
	}
	n := count - m.said
	m.said, m.saidAt = count, now
	return n
}
