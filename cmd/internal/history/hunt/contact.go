package hunt

import (
	"cmp"
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/alert/regular"
	"github.com/flowhound/flowhound/plugin/hit"
)

// contact is what the regularity of a pair is told by, of one record.
type contact struct {
	start, end int64
	bytes      uint64
	exporter   uint32
	port       uint16
	flags      uint8
}

// contacts are those of all groups, in the order in which they came: two of each pair are
// what most hunts find, and would be 100,000 pieces of memory.
type contacts struct {
	blocks [][]linkedContact
	count  int
}

type linkedContact struct {
	contact
	next int32 // of the same group, + 1; 0: it is the last
}

// contactBlock is how many contacts are made room for at once.
const contactBlock = 1024

func (c *contacts) at(i int32) *linkedContact { return &c.blocks[i/contactBlock][i%contactBlock] }

// contactList is the contacts of one group.
type contactList struct {
	of                 *contacts
	first, last, count int32 // first and last + 1
}

func (l *contactList) add(to *contacts, c contact) {
	if to.count%contactBlock == 0 {
		to.blocks = append(to.blocks, make([]linkedContact, contactBlock))
	}
	at := int32(to.count)
	to.count++
	to.at(at).contact = c
	if l.count == 0 {
		l.of, l.first = to, at+1
	} else {
		to.at(l.last - 1).next = at + 1
	}
	l.last = at + 1
	l.count++
}

// room is where few contacts are sorted.
type room [8]contact

// sorted returns the contacts by when they began, in the memory of out where there is
// enough.
func (l *contactList) sorted(out []contact) []contact {
	out = slices.Grow(out, int(l.count))
	for next := l.first; next != 0; {
		c := l.of.at(next - 1)
		out, next = append(out, c.contact), c.next
	}
	slices.SortStableFunc(out, func(a, b contact) int { return cmp.Compare(a.start, b.start) })
	return out
}

// Flags of a contact.
const (
	isTCP = 1 << iota
	hasSYN
)

func contactOf(e *alert.Event) contact {
	x := e.Exporter.Hi ^ e.Exporter.Lo
	c := contact{start: e.Start, end: e.End, bytes: e.Told, exporter: uint32(x) ^ uint32(x>>32)*31, port: uint16(max(e.ClientPort(), 0))}
	if e.Proto == 6 {
		c.flags |= isTCP
	}
	if e.SYN {
		c.flags |= hasSYN
	}
	return c
}

// Regular says how regularly the pair talks, nil where there is nothing to say: the most
// regular stretch of 33 contacts counts, so that a beacon that began or ended in the
// middle is seen too. Where packets were sampled it cannot be told.
func (g *Group) Regular() *hit.Regular {
	if g.sampled || g.contacts.count < 2 && g.end-g.start < 600e9 {
		return nil
	}
	var few room
	all := g.contacts.sorted(few[:0])
	var s regular.State
	var best regular.Verdict
	assess := func() {
		v := s.Verdict()
		held := max(best.Held, v.Held)
		if v.Score > best.Score {
			best = v
		}
		best.Held = held
	}
	for i := range all {
		c := &all[i]
		before := s.Contacts
		if s.Contacts > 0 && s.End-s.Start >= heldTicks { // about to be over, maybe
			assess()
		}
		s.Add(c.record())
		if s.Contacts > before && s.Contacts >= regular.MinContacts {
			assess()
		}
	}
	assess()
	r := hit.Regular{HeldSeconds: best.Held}
	if best.Score >= regular.At {
		r = hit.Regular{
			Score: best.Score, PeriodSeconds: best.Period, DeviationSeconds: best.Deviation, Contacts: int(s.Contacts), Missed: best.Missed,
			SizeBytes: best.Size, SizeDeviationBytes: best.SizeDev, HeldSeconds: best.Held,
		}
	}
	if r == (hit.Regular{}) {
		return nil
	}
	return &r
}

// Gaps returns the seconds between the starts of contacts that follow each other, of which
// a contact may be several records. None where packets were sampled.
func (g *Group) Gaps() (gaps []float64) {
	if g.sampled {
		return nil
	}
	all := g.contacts.sorted(nil)
	var s regular.State
	for i := range all {
		before := s
		if s.Add(all[i].record()); before.Contacts > 0 && s.Contacts > before.Contacts {
			gaps = append(gaps, float64(s.Start-before.Start)/10)
		}
	}
	return gaps
}

func (c *contact) record() *regular.Record {
	return &regular.Record{Start: c.start, End: c.end, Bytes: c.bytes, Exporter: c.exporter, Port: c.port, TCP: c.flags&isTCP != 0, SYN: c.flags&hasSYN != 0}
}

// heldTicks is how long a connection lasts that is called held open, in 0.1 s.
const heldTicks = 6000
