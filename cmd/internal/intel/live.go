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
			m.said(func(b *Block, f *fact) { live = live || !b.standing(f, unix).over })
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
	place  row // the one that it is at
	blocks []*Block
	heads  []row // of each block, the first row behind those that were gone through; no fact: there is none
	at     []int // where heads are
}

func (s *Set) merge() *merged {
	m := &merged{blocks: s.blocks, heads: make([]row, len(s.blocks)), at: make([]int, len(s.blocks))}
	for n := range m.blocks {
		m.at[n]--
		m.step(n)
	}
	return m
}

func (m *merged) step(n int) {
	if m.at[n]++; m.at[n] < m.blocks[n].numRows() {
		m.heads[n] = m.blocks[n].row(m.at[n])
	} else {
		m.heads[n].fact = nil
	}
}

// next moves to the next place.
func (m *merged) next() bool {
	m.place.fact = nil
	for _, r := range m.heads {
		if r.fact != nil && (m.place.fact == nil || comparePlace(r, m.place) < 0) {
			m.place = r
		}
	}
	return m.place.fact != nil
}

// said calls f with what blocks say of the place, once.
func (m *merged) said(f func(*Block, *fact)) {
	for n, b := range m.blocks {
		for m.heads[n].fact != nil && m.heads[n].isOn(m.place) {
			f(b, m.heads[n].fact)
			m.step(n)
		}
	}
}

// allPrefixes merges the sorted rows of the blocks. It returns false when yield did.
func (s *Set) allPrefixes(c *choice, yield func(Indicator) bool) bool {
	for m := s.merge(); m.next(); {
		c.begin()
		m.said(c.offer)
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
