package intel

import (
	"net/netip"

	"github.com/gaissmai/bart"
)

// Labels say whose an address is where that tells how much a listing is worth. They
// are filled once, then immutable and safe for concurrent use; nil Labels know nothing.
type Labels struct{ shared, scanners bart.Table[string] }

// AddShared takes a network whose addresses many sites share.
func (l *Labels) AddShared(p netip.Prefix, owner string) { l.shared.Insert(p, owner) }

// AddScanner takes a network from which a research project scans the internet.
func (l *Labels) AddScanner(p netip.Prefix, owner string) { l.scanners.Insert(p, owner) }

// Shared returns the content network that all of p belongs to, "" for none.
func (l *Labels) Shared(p netip.Prefix) string { return l.of(p, false) }

// Scanner returns the research project that all of p belongs to, "" for none.
func (l *Labels) Scanner(p netip.Prefix) string { return l.of(p, true) }

func (l *Labels) of(p netip.Prefix, scanner bool) (owner string) {
	if l == nil || !p.IsValid() {
		return ""
	}
	if scanner {
		owner, _ = l.scanners.LookupPrefix(p)
	} else {
		owner, _ = l.shared.LookupPrefix(p)
	}
	return owner
}

// label fills what the set's labels say of i, whose Prefix is set, and of the address
// that it covers.
//
// A content network serves a million sites from one address, on the ports of the web:
// that one of them was bad is half as much worth of the address. Another port is
// nobody else's.
func (s *Set) label(i *Indicator, ip netip.Addr) {
	if s.labels == nil {
		return
	}
	i.Shared, i.Scanner = s.labels.Shared(i.Prefix), s.labels.Scanner(netip.PrefixFrom(ip, ip.BitLen()))
	if i.Shared != "" && (i.Port == 0 || i.Port == 80 || i.Port == 443) {
		i.Score = (i.Score + 1) / 2
	}
}

// Label gives the set labels, before it is used.
func (s *Set) Label(l *Labels) { s.labels = l }

// Labels returns what Label gave.
func (s *Set) Labels() *Labels {
	if s == nil {
		return nil
	}
	return s.labels
}
