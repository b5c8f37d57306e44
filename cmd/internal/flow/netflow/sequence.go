package netflow

import "time"

// sequence follows the sequence numbers of a domain and tells what is missing.
// They count flows in v5, datagrams in v9 and data records in IPFIX, up to the
// message that carries them. It is a hint: exporters restart, networks reorder, and
// several processes may send under one address and domain (a softflowd or pmacct for
// each interface), each with its own numbers. So several lines of numbering are
// followed at once, and a gap is loss only when nobody goes on before it.
//
// Some exporters count something else, softflowd among them. So every way of counting
// that is in use is followed, and the one that fits most often counts.
type sequence struct {
	lines   []line
	current int // index of the line that was continued last
	fits    [numWays]uint32

	number uint32 // of the message before this one, and what it held
	units  units
}

// The ways of counting, the standards' first. "All" is what the standard says to
// count, "other" is what exporters count instead: IPFIX flows without option
// records, v9 records; nProbe cento counts templates besides.
const (
	allBefore = iota
	otherBefore
	allWithThis // the number includes the message that carries it
	otherWithThis
	templatesToo
	numWays
)

// line is one line of numbering, or the ghost of one: where a line stood before a gap.
// A late datagram may still fill the gap, or the ghost turn out to be another process
// that goes on there; if it stays silent, what lies in the gap is lost.
type line struct {
	next      [numWays]uint32 // expected, by each way of counting
	alive     bool
	uncertain bool   // a message could not be counted: next is the least
	count     uint32 // messages so far
	uptime    uint32 // of the exporter, in v9
	export    int64  // when it sent the latest message, by its clock, Unix ns
	last      int64  // when the latest message came, Unix ns
	pause     int64  // the longest time between its messages lately, ns

	of    int    // of a ghost: the index of the line that went on; noLine: no ghost
	gap   uint32 // units missing
	begin uint32 // the first number after the gap
	age   uint8  // messages of the line since
	met   uint8  // messages that went on here
}

const (
	// maxNumberings is how many lines of numbering are followed at once, and
	// maxGhosts how many gaps may be undecided.
	maxNumberings = 8
	maxGhosts     = 8
	noLine        = -1
	// maxGap is the largest jump ahead that is loss. Beyond it, and backwards, the
	// exporter has restarted or is another one.
	maxGap = 1 << 20
	// minCount is how many messages make a line whose gaps mean something.
	minCount = 4
	// gapPatience is for how many messages, and for how long, a gap may still be
	// filled; and at least for silence times the longest pause of that line: a
	// process that sends in bursts is silent between them.
	gapPatience = 8
	gapTime     = int64(10 * time.Second)
	silence     = 2
	// enoughMet is how many messages before a gap show another process: no network
	// delays so many without the others.
	enoughMet = 3
	// maxFits is when the count of what fits is halved, so that an exporter that
	// changes its way is trusted again soon.
	maxFits = 64
)

// units is what a message holds, by what may be counted.
type units struct {
	all, other, templates uint32
}

// numbered is a message's place in each way of counting.
type numbered struct{ start, next [numWays]uint32 }

func place(number uint32, u units) (n numbered) {
	n.start = [numWays]uint32{number, number, number - u.all, number - u.other, number}
	n.next = [numWays]uint32{number + u.all, number + u.other, number, number, number + u.all + u.templates}
	return n
}

// observe takes the next message and returns how many units are now known to be lost.
func (s *sequence) observe(number uint32, u units, c *clock) (lost uint64) {
	if number == s.number && u == s.units && len(s.lines) > 0 {
		return 0 // a copy, or an exporter that does not count
	}
	at := c.received
	s.number, s.units = number, u
	n := place(number, u)
	best := s.best()
	i := s.find(&n, best)
	switch {
	case i == noLine:
		if s.fills(n.start[best], u.all) {
			return 0
		}
		i, lost = s.open(&n, best, at)
	case s.lines[i].of != noLine:
		s.advance(i, &n, at)
		s.meet(i, best)
	default:
		s.advance(i, &n, at)
		lost = s.grow(i, at)
	}
	s.current = i
	s.lines[i].uptime, s.lines[i].export = c.uptime, c.export
	return lost
}

// best returns the way of counting that fits most often.
func (s *sequence) best() int {
	best := allBefore
	for w, fits := range s.fits {
		if fits > s.fits[best] {
			best = w
		}
	}
	return best
}

// find returns the line that a message continues, the current one first, noLine for none.
func (s *sequence) find(n *numbered, best int) int {
	if s.current < len(s.lines) && s.continues(&s.lines[s.current], n, best) {
		return s.current
	}
	for i := range s.lines {
		if s.continues(&s.lines[i], n, best) {
			return i
		}
	}
	for i := range s.lines {
		if l := &s.lines[i]; l.alive && l.of == noLine && l.uncertain && n.start[best]-l.next[best] <= maxGap {
			return i
		}
	}
	return noLine
}

// continues reports whether the message has the number that is expected, in a way of
// counting that has fitted well so far.
func (s *sequence) continues(l *line, n *numbered, best int) bool {
	if !l.alive {
		return false
	}
	if n.start[best] == l.next[best] {
		return true
	}
	for w := range numWays {
		if n.start[w] == l.next[w] && s.fits[w] >= s.fits[best]/4 {
			return true
		}
	}
	return false
}

// advance moves a line on.
func (s *sequence) advance(i int, n *numbered, at int64) {
	l := &s.lines[i]
	most := uint32(0)
	for w := range numWays {
		if n.start[w] == l.next[w] {
			s.fits[w]++
			most = max(most, s.fits[w])
		}
	}
	if most >= maxFits {
		for w := range s.fits {
			s.fits[w] /= 2
		}
	}
	l.move(n, at)
}

func (l *line) move(n *numbered, at int64) {
	l.pause = max(at-l.last, l.pause-l.pause/64)
	l.next, l.last, l.uncertain = n.next, at, false
	l.count++
}

// meet is called when a ghost went on: it fills its gap, or is a line of its own.
func (s *sequence) meet(i, best int) {
	g := &s.lines[i]
	g.met++
	switch left := g.begin - g.next[best]; {
	case left == 0 || left > g.gap:
		g.alive = false
		s.current = g.of
	case g.met >= enoughMet:
		g.of, g.gap = noLine, 0
		s.limitLines(i)
	default:
		g.gap = left
	}
}

// grow lets the ghosts of a line age, and returns what is lost where one stayed silent.
func (s *sequence) grow(i int, at int64) (lost uint64) {
	for j := range s.lines {
		g := &s.lines[j]
		if !g.alive || g.of != i {
			continue
		}
		g.age = min(g.age+1, gapPatience)
		if g.age == gapPatience && at-g.last >= max(gapTime, silence*g.pause) {
			lost += uint64(g.gap)
			g.alive = false
		}
	}
	return lost
}

// fills reports whether a number lies in a gap, which is now smaller.
func (s *sequence) fills(start, count uint32) bool {
	for i := range s.lines {
		g := &s.lines[i]
		if g.alive && g.of != noLine && g.begin-start <= g.gap && g.begin != start {
			g.gap -= min(g.gap, count)
			return true
		}
	}
	return false
}

// open is for a number that no line expects: the nearest line before it jumps there
// and leaves its ghost; where there is none, a new line begins.
func (s *sequence) open(n *numbered, best int, at int64) (i int, lost uint64) {
	nearest, gap := noLine, uint32(maxGap+1)
	for j := range s.lines {
		l := &s.lines[j]
		if ahead := n.start[best] - l.next[best]; l.alive && l.of == noLine && ahead < gap {
			nearest, gap = j, ahead
		}
	}
	if nearest == noLine || s.lines[nearest].count < minCount {
		i = s.slot()
		s.lines[i] = line{next: n.next, alive: true, count: 1, last: at, of: noLine}
		s.limitLines(i)
		return i, 0
	}
	lost = s.limitGhosts(nearest)
	g := s.slot()
	s.lines[g] = s.lines[nearest]
	ghost := &s.lines[g]
	ghost.of, ghost.gap, ghost.begin, ghost.age, ghost.met = nearest, gap, n.start[best], 0, 0
	s.lines[nearest].move(n, at)
	return nearest, lost
}

// slot returns the index of a line that is not in use.
func (s *sequence) slot() int {
	for i := range s.lines {
		if !s.lines[i].alive {
			return i
		}
	}
	s.lines = append(s.lines, line{})
	return len(s.lines) - 1
}

// limitLines drops the line that is silent longest, and its ghosts, when there are too
// many beside one.
func (s *sequence) limitLines(keep int) {
	n, oldest := 0, noLine
	for i := range s.lines {
		if l := &s.lines[i]; l.alive && l.of == noLine {
			n++
			if i != keep && (oldest == noLine || l.last < s.lines[oldest].last) {
				oldest = i
			}
		}
	}
	if n <= maxNumberings {
		return
	}
	s.lines[oldest].alive = false
	for i := range s.lines {
		if s.lines[i].of == oldest {
			s.lines[i].alive = false
		}
	}
}

// limitGhosts makes room for another ghost of a line. With so many gaps at a time it
// is not other processes: the oldest is decided.
func (s *sequence) limitGhosts(of int) (lost uint64) {
	n, oldest := 0, noLine
	for i := range s.lines {
		if g := &s.lines[i]; g.alive && g.of != noLine {
			n++
			if oldest == noLine || g.last < s.lines[oldest].last {
				oldest = i
			}
		}
	}
	if n < maxGhosts {
		return 0
	}
	g := &s.lines[oldest]
	g.alive = false
	if g.of != of && g.age < gapPatience {
		return 0
	}
	return uint64(g.gap)
}

// skip is for a message whose units could not be counted: the next one's number is
// not known. Gaps that are already there stay.
func (s *sequence) skip() {
	if s.current < len(s.lines) {
		s.lines[s.current].uncertain = true
	}
}

// sequence counts what the sequence number of this message shows to be lost.
func (m *message) sequence(number, all, other uint32) {
	u := units{all: all, other: other}
	if m.domain.key.version == ipfix {
		u.templates = m.templates
	}
	if lost := m.domain.sequence.observe(number, u, &m.clock); lost > 0 {
		m.exporter.stats.lost[m.domain.key.version].Add(lost)
	}
}
