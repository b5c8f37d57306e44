package netflow

// sequence follows the sequence numbers of a domain and tells what is missing.
// They count flows in v5, datagrams in v9 and data records in IPFIX, up to the
// message that carries them. It is a hint: exporters restart, networks reorder,
// and some count something else, softflowd among them. So every way of counting
// that is in use is followed, and the one that fits most often is believed.
type sequence struct {
	ways [numWays]way
	lost uint64 // told so far
}

// The ways of counting, the standards' first. "All" is what the standard says to
// count, "other" is what exporters count instead: IPFIX flows without option
// records, v9 records.
const (
	allBefore = iota
	otherBefore
	allWithThis // the number includes the message that carries it
	otherWithThis
	numWays
)

// observe takes the next message, with its sequence number and the units that it
// holds, and returns how many units are now known to be lost.
func (s *sequence) observe(number, all, other uint32) (lost uint64) {
	s.ways[allBefore].observe(number, all)
	s.ways[allWithThis].observe(number-all, all)
	if other != all || s.ways[otherBefore].started { // in v5 they never differ
		s.ways[otherBefore].observe(number, other)
		s.ways[otherWithThis].observe(number-other, other)
	}
	best := &s.ways[allBefore]
	for i := range s.ways {
		if s.ways[i].fits > best.fits {
			best = &s.ways[i]
		}
	}
	if best.fits >= maxFits {
		for i := range s.ways {
			s.ways[i].fits /= 2
		}
	}
	if best.lost <= s.lost {
		return 0
	}
	lost = best.lost - s.lost
	s.lost = best.lost
	return lost
}

// restart forgets what was expected, after a message whose units could not be
// counted. Gaps that are already there stay.
func (s *sequence) restart() {
	for i := range s.ways {
		s.ways[i].started = false
	}
}

// way follows one way of counting.
type way struct {
	started bool
	next    uint32 // expected
	fits    uint32 // messages that came with the expected number, lately
	lost    uint64

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
	// maxFits is when the count of what fits is halved, so that an exporter that
	// changes its way is believed again soon.
	maxFits = 64
)

// observe takes the next message: its first unit's number and how many it holds.
func (w *way) observe(number, units uint32) {
	ahead := int32(number - w.next)
	switch {
	case !w.started:
		w.started = true
	case ahead < 0 && ahead >= -maxLate && w.late < latePatience:
		w.late++
		if number-w.gapStart < w.gap {
			w.gap -= min(w.gap, units)
		}
		return
	case ahead < 0 || ahead > maxGap:
		w.gap = 0
	case ahead > 0:
		w.lost += uint64(w.gap)
		w.gap, w.gapStart, w.gapAge = uint32(ahead), w.next, 0
	default:
		w.fits++
		if w.gap == 0 {
			break
		}
		if w.gapAge++; w.gapAge >= gapPatience {
			w.lost += uint64(w.gap)
			w.gap = 0
		}
	}
	w.late = 0
	w.next = number + units
}

// sequence counts what the sequence number of this message shows to be lost.
func (m *message) sequence(number, all, other uint32) {
	if lost := m.domain.sequence.observe(number, all, other); lost > 0 {
		m.exporter.stats.lost[m.domain.key.version].Add(lost)
	}
}
