package intel

import (
	"cmp"
	"iter"
	"strings"
	"time"
)

// All yields the indicators that have not expired at now and that wanted accepts
// (nil accepts all), one for each distinct prefix, domain and URL: the one with
// the highest score, at a tie that of the feed which ranks first. Prefixes come
// first, by address, an enclosing one before what it encloses, then domains
// and URLs by host; so the order depends on nothing but the indicators. Each
// range over it starts anew and allocates next to nothing.
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
		_ = s.allPrefixes(live(now), wanted, yield) && s.allNames(live(now), wanted, yield)
	}
}

// allPrefixes merges the sorted rows of the blocks. It returns false when yield did.
func (s *Set) allPrefixes(live func(*fact) bool, wanted func(*Indicator) bool, yield func(Indicator) bool) bool {
	at := make([]int, len(s.blocks))
	var best choice
	for {
		var next *row
		for n, b := range s.blocks {
			if at[n] < len(b.rows) && (next == nil || comparePlace(&b.rows[at[n]], next) < 0) {
				next = &b.rows[at[n]]
			}
		}
		if next == nil {
			return true
		}
		best.found = false
		for n, b := range s.blocks {
			for ; at[n] < len(b.rows) && comparePlace(&b.rows[at[n]], next) == 0; at[n]++ {
				if r := &b.rows[at[n]]; live(&r.fact) && best.loses(&r.fact) {
					i := b.indicator(&r.fact)
					i.Prefix = r.prefix()
					best.take(i, wanted)
				}
			}
		}
		if best.found && !s.yieldRest(best.Indicator, yield) {
			return false
		}
	}
}

// yieldRest yields i on what is not allowed of its prefix.
func (s *Set) yieldRest(i Indicator, yield func(Indicator) bool) bool {
	if s.allow == nil {
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
func (s *Set) allNames(live func(*fact) bool, wanted func(*Indicator) bool, yield func(Indicator) bool) bool {
	at := make([]int, len(s.blocks))
	var best choice
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
		best.found = false
		for n, b := range s.blocks {
			for ; at[n] < len(b.names) && b.host(&b.names[at[n]]) == host && b.url(&b.names[at[n]]) == url; at[n]++ {
				if r := &b.names[at[n]]; live(&r.fact) && best.loses(&r.fact) {
					i := b.indicator(&r.fact)
					if i.URL = url; url == "" {
						i.Domain = host
					}
					best.take(i, wanted)
				}
			}
		}
		if _, allowed := s.allow.Host(host); best.found && !allowed && !yield(best.Indicator) {
			return false
		}
	}
}

// comparePlace orders rows by what they are on, whatever is said of it.
func comparePlace(x, y *row) int {
	if c := cmp.Compare(x.hi, y.hi); c != 0 {
		return c
	}
	if c := cmp.Compare(x.lo, y.lo); c != 0 {
		return c
	}
	return cmp.Compare(x.bits, y.bits)
}

// choice is the best indicator so far on one prefix, domain or URL.
type choice struct {
	Indicator
	found bool
	next  Indicator // what wanted is asked about, here so that it is allocated once
}

// loses reports whether f would be better.
func (c *choice) loses(f *fact) bool { return !c.found || f.score > c.Score }

func (c *choice) take(i Indicator, wanted func(*Indicator) bool) {
	c.next = i
	if wanted == nil || wanted(&c.next) {
		c.Indicator, c.found = i, true
	}
}
