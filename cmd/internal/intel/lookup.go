package intel

import (
	"net/netip"
	"sort"
	"strings"
	"time"
)

// Lookup returns every indicator that covers ip and is live at now, as Rank orders
// them; none when ip is allowed. It allocates, and is meant for addresses that
// Contains. The port of an indicator is not looked at.
func (s *Set) Lookup(ip netip.Addr, now time.Time) []Indicator {
	ip = ip.Unmap()
	if s == nil || !ip.IsValid() || ip.IsUnspecified() || s.allow.contains(ip) {
		return nil
	}
	var out []Indicator
	for _, b := range s.blocks {
		b.covering(ip, func(r row) {
			if a := b.standing(r.fact, now.Unix()); !a.over {
				i := b.indicator(r.fact, a.score)
				i.Prefix = r.prefix()
				s.label(&i, ip)
				out = append(out, i)
			}
		})
	}
	Rank(out)
	return out
}

// LookupDomain returns every indicator on name or a parent domain of it, and the
// URLs whose host is name (which may be an address), that are live at now, as Rank
// orders them. None when name is allowed, and none of a parent that is.
func (s *Set) LookupDomain(name string, now time.Time) []Indicator {
	if s == nil {
		return nil
	}
	if _, allowed := s.allow.Host(name); allowed {
		return nil
	}
	var out []Indicator
	s.naming(name, s.allow, func(b *Block, n *nameRow) {
		if a := b.standing(&n.fact, now.Unix()); !a.over {
			out = append(out, b.named(n, a.score))
		}
	})
	Rank(out)
	return out
}

// Sighting is an indicator with how its score came about, for people.
type Sighting struct {
	Indicator       // Score is 0 when it is over
	Base      uint8 // the feed's own confidence, undiminished by age
	// Seen is the sighting from which the age counts: the feed's date, or when it
	// was last read; zero: its feed names it now.
	Seen time.Time
	// Lifetime is how long after Seen the score reaches nothing; 0: it does not
	// decay.
	Lifetime time.Duration
	Ends     time.Time // zero: never, or not while its feed names it
	Over     bool      // expired, or decayed to nothing
}

func (b *Block) sighting(i Indicator, f *fact, a *aged) Sighting {
	return Sighting{
		Indicator: i, Base: f.score, Seen: unpackTime(uint32(a.seen)), Lifetime: time.Duration(a.lifetime) * time.Second,
		Ends: unpackTime(uint32(a.ends)), Over: a.over,
	}
}

// LookupAll is Lookup with the indicators that are over or allowed; those that are
// over come last.
func (s *Set) LookupAll(ip netip.Addr, now time.Time) []Sighting {
	ip = ip.Unmap()
	if s == nil || !ip.IsValid() || ip.IsUnspecified() {
		return nil
	}
	var out []Sighting
	for _, b := range s.blocks {
		b.covering(ip, func(r row) {
			a := b.standing(r.fact, now.Unix())
			i := b.indicator(r.fact, a.score)
			i.Prefix = r.prefix()
			s.label(&i, ip)
			out = append(out, b.sighting(i, r.fact, &a))
		})
	}
	rank(out, func(s *Sighting) *Indicator { return &s.Indicator })
	return out
}

// LookupDomainAll is LookupDomain with the indicators that are over or allowed;
// those that are over come last.
func (s *Set) LookupDomainAll(name string, now time.Time) []Sighting {
	if s == nil {
		return nil
	}
	var out []Sighting
	s.naming(name, nil, func(b *Block, n *nameRow) {
		a := b.standing(&n.fact, now.Unix())
		out = append(out, b.sighting(b.named(n, a.score), &n.fact, &a))
	})
	rank(out, func(s *Sighting) *Indicator { return &s.Indicator })
	return out
}

// covering calls f with the rows on ip, longest prefix first: one binary search for
// each prefix length that the block holds.
func (b *Block) covering(ip netip.Addr, f func(row)) {
	hi, lo, _ := halves(ip)
	bitsOf := b.bits6
	if ip.Is4() {
		bitsOf = b.bits4
	}
	for _, bits := range bitsOf {
		place := row{fact: &fact{bits: bits}}
		place.hi, place.lo = mask(hi, lo, bits)
		at := sort.Search(b.numRows(), func(i int) bool { return comparePlace(b.row(i), place) >= 0 })
		for ; at < b.numRows(); at++ {
			r := b.row(at)
			if !r.isOn(place) {
				break
			}
			f(r)
		}
	}
}

// mask clears all but the first bits of an address; shifts of 64 and more give 0.
func mask(hi, lo uint64, bits uint8) (uint64, uint64) {
	if bits <= 64 {
		return hi &^ (^uint64(0) >> bits), 0
	}
	return hi, lo &^ (^uint64(0) >> (bits - 64))
}

// naming calls f with the rows on name and on the parent domains that are not
// allowed, and with those on URLs whose host is name.
func (s *Set) naming(name string, allow *Allow, f func(*Block, *nameRow)) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for host := name; host != ""; _, host, _ = strings.Cut(host, ".") {
		if _, allowed := allow.Domain(host); allowed {
			continue
		}
		for _, b := range s.blocks {
			at := sort.Search(len(b.names), func(i int) bool { return b.host(&b.names[i]) >= host })
			for ; at < len(b.names) && b.host(&b.names[at]) == host; at++ {
				if n := &b.names[at]; n.url == 0 || host == name {
					f(b, n)
				}
			}
		}
	}
}

// named unpacks a row on a name.
func (b *Block) named(n *nameRow, score uint8) Indicator {
	i := b.indicator(&n.fact, score)
	if n.url > 0 {
		i.URL = b.url(n)
	} else {
		i.Domain = b.host(n)
	}
	return i
}
