package intel

import (
	"iter"
	"net/netip"
	"sort"
	"strings"
	"time"

	"github.com/gaissmai/bart"
)

// AllowEntry is one network or name that must never match, whatever feeds say of
// it, and who says so.
type AllowEntry struct {
	Prefix netip.Prefix // masked and unmapped; invalid for a name
	Domain string       // lower case, when Prefix is invalid
	// Subdomains makes a Domain stand for the names below it too.
	Subdomains bool

	List   string // path of the file that holds it
	Reason string // the comment beside it, or the name of the list

	// Until is when it ends; zero: it does not. Whoever reads lists drops what has
	// ended: an Allow does not keep it.
	Until time.Time
}

// String returns what is allowed as a list of it says it: an address, a network,
// a name, or a name with a leading dot.
func (e AllowEntry) String() string {
	switch {
	case e.Prefix.IsSingleIP():
		return e.Prefix.Addr().String()
	case e.Prefix.IsValid():
		return e.Prefix.String()
	case e.Subdomains:
		return "." + e.Domain
	}
	return e.Domain
}

// Allow answers what must never match. It is immutable and safe for concurrent
// use; a nil *Allow allows nothing. A million names take 35 MB.
type Allow struct {
	sources  []allowSource
	prefixes bart.Table[uint32]   // index in sources
	near4    [1 << 16 / 64]uint64 // a bit for each /16 that any of prefixes touches
	names    []allowName          // by name
	text     string               // what names point into
}

// allowSource is what many entries have in common.
type allowSource struct{ list, reason string }

// allowName is one name; it stands in Allow.text.
type allowName struct {
	off, source uint32
	len         uint8
	subdomains  bool
}

// NewAllow returns an Allow of the entries. Of two on the same thing the first
// gives the reason.
func NewAllow(entries ...AllowEntry) *Allow {
	b := NewAllowBuilder()
	for _, e := range entries {
		b.Add(e)
	}
	return b.Allow()
}

// JoinAllow returns an Allow of the entries of all lists. Of two on the same thing
// that of the first list gives the reason.
func JoinAllow(lists ...*Allow) *Allow {
	if len(lists) == 1 {
		return lists[0]
	}
	b := NewAllowBuilder()
	for _, a := range lists {
		for e := range a.All() {
			b.Add(e)
		}
	}
	return b.Allow()
}

func (a *Allow) name(n *allowName) string { return a.text[n.off : n.off+uint32(n.len)] }

func (a *Allow) prefixEntry(p netip.Prefix, source uint32) AllowEntry {
	s := &a.sources[source]
	return AllowEntry{Prefix: p, List: s.list, Reason: s.reason}
}

func (a *Allow) nameEntry(n *allowName) AllowEntry {
	s := &a.sources[n.source]
	return AllowEntry{Domain: a.name(n), Subdomains: n.subdomains, List: s.list, Reason: s.reason}
}

// Len returns the number of entries.
func (a *Allow) Len() int {
	if a == nil {
		return 0
	}
	return a.prefixes.Size() + len(a.names)
}

// All yields the entries in an order that depends on nothing but them: the
// networks by address, then the names.
func (a *Allow) All() iter.Seq[AllowEntry] {
	return func(yield func(AllowEntry) bool) {
		if a == nil {
			return
		}
		for p, source := range a.prefixes.AllSorted() {
			if !yield(a.prefixEntry(p, source)) {
				return
			}
		}
		for i := range a.names {
			if !yield(a.nameEntry(&a.names[i])) {
				return
			}
		}
	}
}

// Addr returns the narrowest entry that covers ip.
func (a *Allow) Addr(ip netip.Addr) (AllowEntry, bool) {
	ip = ip.Unmap()
	return a.Network(netip.PrefixFrom(ip, ip.BitLen()))
}

// Network returns the narrowest entry that covers all of p, which is unmapped.
func (a *Allow) Network(p netip.Prefix) (AllowEntry, bool) {
	if a == nil {
		return AllowEntry{}, false
	}
	network, source, ok := a.prefixes.LookupPrefixLPM(p)
	if !ok {
		return AllowEntry{}, false
	}
	return a.prefixEntry(network, source), true
}

// Domain returns the entry that covers name, in any case and with or without a
// final dot: its own, or that of the nearest parent domain that stands for its
// subdomains.
func (a *Allow) Domain(name string) (AllowEntry, bool) {
	if a == nil || len(a.names) == 0 {
		return AllowEntry{}, false
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for host := name; host != ""; _, host, _ = strings.Cut(host, ".") {
		at := sort.Search(len(a.names), func(i int) bool { return a.name(&a.names[i]) >= host })
		if at == len(a.names) || a.name(&a.names[at]) != host {
			continue
		}
		if n := &a.names[at]; n.subdomains || len(host) == len(name) {
			return a.nameEntry(n), true
		}
	}
	return AllowEntry{}, false
}

// Host is Addr or Domain, as host is an address or a name.
func (a *Allow) Host(host string) (AllowEntry, bool) {
	if a == nil || host == "" {
		return AllowEntry{}, false
	}
	// No name ends in a digit or has a colon; asking first spares most the error.
	if last := host[len(host)-1]; last >= '0' && last <= '9' || strings.Contains(host, ":") {
		if ip, err := netip.ParseAddr(host); err == nil {
			return a.Addr(ip)
		}
	}
	return a.Domain(host)
}

// contains is Addr for those who need no reason.
func (a *Allow) contains(ip netip.Addr) bool { return a != nil && a.prefixes.Contains(ip) }

// touches reports whether any entry lies in p or covers it, or a part of it.
func (a *Allow) touches(p netip.Prefix) bool {
	if p.IsSingleIP() { // most are, and are found in a third of the time
		return a.prefixes.Contains(p.Addr())
	}
	return a.prefixes.OverlapsPrefix(p)
}

// near reports whether any entry may touch a row's network: few of IPv4 are, and one bit
// tells of them.
func (a *Allow) near(r row) bool {
	if !is4(r.hi, r.lo) || r.bits < 96+16 {
		return true
	}
	n := uint32(r.lo) >> 16
	return a.near4[n>>6]>>(n&63)&1 != 0
}

// touchesRow is touches for a row's network.
func (a *Allow) touchesRow(r row) bool { return a.near(r) && a.touches(r.prefix()) }

// covers reports whether an entry covers all of a row's network.
func (a *Allow) covers(r row) bool {
	if a == nil || !a.touchesRow(r) {
		return false
	}
	_, all := a.prefixes.LookupPrefix(r.prefix())
	return all
}

// Outside returns the parts of p that no entry covers, by address: p itself when
// none touches it, nothing when all of it is allowed.
func (a *Allow) Outside(p netip.Prefix) []netip.Prefix {
	if a == nil || !a.touches(p) {
		return []netip.Prefix{p}
	}
	if _, all := a.prefixes.LookupPrefix(p); all {
		return nil
	}
	lower, upper := halve(p)
	return append(a.Outside(lower), a.Outside(upper)...)
}

// halve splits a network of two addresses and more.
func halve(p netip.Prefix) (lower, upper netip.Prefix) {
	ip, bits := p.Addr(), p.Bits()
	b := ip.AsSlice()
	b[bits/8] |= 0x80 >> (bits % 8)
	top, _ := netip.AddrFromSlice(b)
	return netip.PrefixFrom(ip, bits+1), netip.PrefixFrom(top, bits+1)
}
