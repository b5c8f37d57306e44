package intel

import (
	"cmp"
	"iter"
	"strings"
	"time"
)

// All yields the indicators that are live at now and that wanted accepts (nil
// accepts all), one for each distinct prefix, domain and URL: the one with the
// highest score, at a tie that of the feed which ranks first. Prefixes come
// first, by address, an enclosing one before what it encloses, then domains
// and URLs by host; so the order depends on nothing but the indicators. Each
// range over it starts anew and allocates next to nothing.
//
// The Score that wanted sees and that is yielded is Combined: that of all feeds
// together, those included that wanted does not accept.
//
// What is allowed is not among them; of a network that is allowed in part, the
// networks that make up the rest are, one of which may be yielded again when a
// feed lists that too.
//
// wanted is asked before the best is chosen, so that asking for one feed also
// gives what other feeds know better. It must not keep its argument.
func (s *Set) All(now time.Time, wanted func(*Indicator) bool) iter.Seq[Indicator] {
	return func(yield func(Indicator) bool) {
		if s == nil {
			return
		}
		c := &choice{now: now.Unix(), wanted: wanted}
		_ = s.allPrefixes(c, yield) && s.allNames(c, yield)
	}
}

// Span is the addresses of a network, v4-mapped, by their big-endian halves.
type Span struct{ FirstHi, FirstLo, LastHi, LastLo uint64 }

func spanOf(hi, lo uint64, bits uint8) Span {
	mhi, mlo := mask(^uint64(0), ^uint64(0), bits)
	return Span{hi, lo, hi | ^mhi, lo | ^mlo}
}

// Spans yields what All yields the prefixes of, when everything is wanted and nothing but
// where it is: in a tenth of the time.
func (s *Set) Spans(now time.Time) iter.Seq[Span] {
	return func(yield func(Span) bool) {
		if s == nil {
			return
		}
		unix := now.Unix()
		for m := s.merge(); m.next(); {
			live := false
			for _, f := range m.said {
				live = live || !f.over(unix)
			}
			if live && !s.yieldSpans(m.place, yield) {
				return
			}
		}
	}
}

// yieldSpans yields what is not allowed of a row's network.
func (s *Set) yieldSpans(r row, yield func(Span) bool) bool {
	if !s.spared || !s.allow.touchesRow(r) {
		return yield(spanOf(r.hi, r.lo, r.bits))
	}
	for _, p := range s.allow.Outside(r.prefix()) {
		hi, lo, more := halves(p.Addr())
		if !yield(spanOf(hi, lo, uint8(p.Bits()+more))) {
			return false
		}
	}
	return true
}

// merged goes through the rows of blocks side by side, one place after the other.
type merged struct {
	place row         // the one that it is at
	said  []statement // of that
	heads []head
}

// statement is what a block says of a place.
type statement struct {
	*Block
	*fact
}

// over reports whether it is over at now, Unix seconds.
func (s *statement) over(now int64) bool {
	if s.last|s.expires == 0 && s.confirmed.Load() == 0 { // most of all lists
		return false
	}
	return s.standing(s.fact, now).over
}

// head is the first row of a block behind those that were gone through.
type head struct {
	row   // without a fact: there is none
	block *Block
	next  int
}

func (h *head) move() {
	if h.fact = nil; h.next < h.block.numRows() {
		h.row = h.block.row(h.next)
		h.next++
	}
}

func (s *Set) merge() *merged {
	m := &merged{heads: make([]head, len(s.blocks))}
	for n, b := range s.blocks {
		m.heads[n].block = b
		m.heads[n].move()
	}
	return m
}

// next moves to the next place.
func (m *merged) next() bool {
	first := -1 // of the heads that are on it
	for n := range m.heads {
		if h := &m.heads[n]; h.fact != nil && (first < 0 || comparePlace(h.row, m.heads[first].row) < 0) {
			first = n
		}
	}
	if first < 0 {
		return false
	}
	place, said := m.heads[first].row, m.said[:0]
	for n := first; n < len(m.heads); n++ {
		for h := &m.heads[n]; h.fact != nil && h.isOn(place); h.move() {
			said = append(said, statement{h.block, h.fact})
		}
	}
	m.place, m.said = place, said
	return true
}

// allPrefixes merges the sorted rows of the blocks. It returns false when yield did.
func (s *Set) allPrefixes(c *choice, yield func(Indicator) bool) bool {
	for m := s.merge(); m.next(); {
		c.begin()
		for _, f := range m.said {
			c.offer(f.Block, f.fact)
		}
		if i, ok := c.best(Indicator{Prefix: m.place.prefix()}); ok && !s.yieldRest(i, yield) {
			return false
		}
	}
	return true
}

// yieldRest yields i on what is not allowed of its prefix.
func (s *Set) yieldRest(i Indicator, yield func(Indicator) bool) bool {
	if !s.spared {
		return yield(i)
	}
	for _, p := range s.allow.Outside(i.Prefix) {
		i.Prefix = p
		if !yield(i) {
			return false
		}
	}
	return true
}

// allNames is allPrefixes for domains and URLs.
func (s *Set) allNames(c *choice, yield func(Indicator) bool) bool {
	at := make([]int, len(s.blocks))
	for {
		var host, url string
		more := false
		for n, b := range s.blocks {
			if at[n] == len(b.names) {
				continue
			}
			r := &b.names[at[n]]
			if h, u := b.host(r), b.url(r); !more || cmp.Or(strings.Compare(h, host), strings.Compare(u, url)) < 0 {
				host, url, more = h, u, true
			}
		}
		if !more {
			return true
		}
		c.begin()
		for n, b := range s.blocks {
			for ; at[n] < len(b.names) && b.host(&b.names[at[n]]) == host && b.url(&b.names[at[n]]) == url; at[n]++ {
				c.offer(b, &b.names[at[n]].fact)
			}
		}
		on := Indicator{URL: url}
		if url == "" {
			on.Domain = host
		}
		i, ok := c.best(on)
		if _, allowed := s.allow.Host(host); ok && !allowed && !yield(i) {
			return false
		}
	}
}

// isOn reports whether both rows are on the same network.
func (r row) isOn(x row) bool { return r.lo == x.lo && r.hi == x.hi && r.bits == x.bits }

// comparePlace orders rows by what they are on, whatever is said of it.
func comparePlace(x, y row) int {
	if c := cmp.Compare(x.hi, y.hi); c != 0 {
		return c
	}
	if c := cmp.Compare(x.lo, y.lo); c != 0 {
		return c
	}
	return cmp.Compare(x.bits, y.bits)
}

// choice finds the best of what is said of one prefix, domain or URL.
type choice struct {
	now    int64
	wanted func(*Indicator) bool

	offers []offer // the live ones
	tally  tally
	asked  Indicator // what wanted is asked about, here so that it is allocated once
}

type offer struct {
	block *Block
	fact  *fact
	score uint8
}

func (c *choice) begin() { c.offers = c.offers[:0] }

func (c *choice) offer(b *Block, f *fact) {
	if a := b.standing(f, c.now); !a.over {
		c.offers = append(c.offers, offer{b, f, a.score})
	}
}

// best returns the wanted offer with the highest score of its own, with the score
// of all of them. on is what they are about.
func (c *choice) best(on Indicator) (Indicator, bool) {
	if len(c.offers) > 1 {
		c.tally.reset()
		for _, o := range c.offers {
			c.tally.add(o.block.feed, o.block.notes[o.fact.note].category, o.score, o.block.aggregate)
		}
	}
	var out Indicator
	found, own := false, uint8(0)
	for _, o := range c.offers {
		if found && o.score <= own {
			continue
		}
		i := o.block.indicator(o.fact, o.score)
		if i.Combined = o.score; len(c.offers) > 1 {
			i.Combined = c.tally.combined(i.Category)
		}
		i.Score, i.Prefix, i.Domain, i.URL = i.Combined, on.Prefix, on.Domain, on.URL
		c.asked = i
		if c.wanted == nil || c.wanted(&c.asked) {
			out, own, found = i, o.score, true
		}
	}
	return out, found
}
