package netflow

// sequence follows the sequence numbers of a domain and tells what is missing.
// They count flows in v5, datagrams in v9 and data records in IPFIX. It is a
// hint: exporters restart, networks reorder, and some count something else.
type sequence struct {
	started bool
	next    uint32 // expected

	// The last gap is held back for a while, because a late datagram may still
	// fill it.
	gap      uint32 // units missing
	gapStart uint32
	gapAge   uint8 // datagrams since

	late uint8 // datagrams in a row that came from before next
}

const (
	// maxGap is the largest jump ahead that is loss, and maxLate the largest jump
	// back that is reordering. Beyond them the exporter has restarted.
	maxGap  = 1 << 20
	maxLate = 1 << 14
	// gapPatience is for how many datagrams a gap may still be filled, and
	// latePatience how many may seem late before it is clear that the exporter
	// restarted with a lower number.
	gapPatience  = 8
	latePatience = 4
)

// observe takes the next message, with its sequence number and the units that it
// holds, and returns how many units are now known to be lost.
func (s *sequence) observe(number, units uint32) (lost uint32) {
	ahead := int32(number - s.next)
	switch {
	case !s.started:
		s.started = true
	case ahead < 0 && ahead >= -maxLate && s.late < latePatience:
		s.late++
		if number-s.gapStart < s.gap {
			s.gap -= min(s.gap, units)
		}
		return 0
	case ahead < 0 || ahead > maxGap:
		s.gap = 0
	case ahead > 0:
		lost = s.gap
		s.gap, s.gapStart, s.gapAge = uint32(ahead), s.next, 0
	case s.gap > 0:
		if s.gapAge++; s.gapAge >= gapPatience {
			lost = s.gap
			s.gap = 0
		}
	}
	s.late = 0
	s.next = number + units
	return lost
}

// restart forgets what was expected, after a message whose units could not be
// counted. A gap that is already there stays.
func (s *sequence) restart() { s.started = false }

// sequence counts what the sequence number of this message shows to be lost.
func (m *message) sequence(number, units uint32) {
	if lost := m.domain.sequence.observe(number, units); lost > 0 {
		m.exporter.stats.lost[m.domain.key.version].Add(uint64(lost))
	}
}
