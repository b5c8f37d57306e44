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
	if g.sampled || len(g.contacts) < 2 && g.end-g.start < 600e9 {
		return nil
	}
	slices.SortStableFunc(g.contacts, func(a, b contact) int { return cmp.Compare(a.start, b.start) })
	var s regular.State
	var best regular.Verdict
	judge := func() {
		v := s.Judge()
		held := max(best.Held, v.Held)
		if v.Score > best.Score {
			best = v
		}
		best.Held = held
	}
	for i := range g.contacts {
		c := &g.contacts[i]
		before := s.Contacts
		if s.Contacts > 0 && s.End-s.Start >= heldTicks { // about to be over, maybe
			judge()
		}
		s.Add(c.record())
		if s.Contacts > before && s.Contacts >= regular.MinContacts {
			judge()
		}
	}
	judge()
	r := &hit.Regular{HeldSeconds: best.Held}
	if best.Score >= regular.At {
		*r = hit.Regular{
			Score: best.Score, PeriodSeconds: best.Period, DeviationSeconds: best.Deviation, Contacts: int(s.Contacts), Missed: best.Missed,
			SizeBytes: best.Size, SizeDeviationBytes: best.SizeDev, HeldSeconds: best.Held,
		}
	}
	if *r == (hit.Regular{}) {
		return nil
	}
	return r
}

// Gaps returns the seconds between the starts of contacts that follow each other, of which
// a contact may be several records. None where packets were sampled.
func (g *Group) Gaps() (gaps []float64) {
	if g.sampled {
		return nil
	}
	slices.SortStableFunc(g.contacts, func(a, b contact) int { return cmp.Compare(a.start, b.start) })
	var s regular.State
	for i := range g.contacts {
		before := s
		if s.Add(g.contacts[i].record()); before.Contacts > 0 && s.Contacts > before.Contacts {
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
