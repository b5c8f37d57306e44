package intel

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// AllowBuilder collects entries of allow lists. Not safe for concurrent use.
type AllowBuilder struct {
	a           *Allow
	text        strings.Builder
	sourceIndex map[allowSource]uint32
	sourceText  int
}

// NewAllowBuilder returns an empty AllowBuilder.
func NewAllowBuilder() *AllowBuilder {
	return &AllowBuilder{a: new(Allow), sourceIndex: make(map[allowSource]uint32)}
}

// Add takes one entry. Its prefix is masked and, when v4-mapped, unmapped; its
// domain is taken in lower case. Add returns false for what cannot be kept: no
// prefix and no domain, or text beyond the bounds of a Builder. Where entries
// name the same thing, the first gives the list and reason.
func (b *AllowBuilder) Add(e AllowEntry) bool {
	if p := e.Prefix; p.IsValid() {
		ip, bits := p.Addr(), p.Bits()
		if ip.Is4In6() && bits >= 96 {
			ip, bits = ip.Unmap(), bits-96
		}
		p = netip.PrefixFrom(ip, bits).Masked()
		if _, known := b.a.prefixes.Get(p); !known {
			b.a.prefixes.Insert(p, b.source(e))
			b.a.mark(p)
		}
		return true
	}
	name := strings.ToLower(strings.TrimSuffix(e.Domain, "."))
	if name == "" || len(name) > maxDomain || b.text.Len()+len(name) > maxNameText {
		return false
	}
	b.a.names = append(b.a.names, allowName{uint32(b.text.Len()), b.source(e), uint8(len(name)), e.Subdomains})
	b.text.WriteString(name)
	return true
}

// mark sets the bits of every /16 that a network of IPv4 touches.
func (a *Allow) mark(p netip.Prefix) {
	if !p.Addr().Is4() {
		return
	}
	_, lo, _ := halves(p.Addr())
	first := uint32(lo) >> 16
	for n := first; n <= first|0xffff>>min(p.Bits(), 16); n++ {
		a.near4[n>>6] |= 1 << (n & 63)
	}
}

// source returns the index of the entry's list and reason, stored when they are
// new. Beyond the bound on text the reason is not kept.
func (b *AllowBuilder) source(e AllowEntry) uint32 {
	s := allowSource{e.List, e.Reason}
	if at, ok := b.sourceIndex[s]; ok {
		return at
	}
	if b.sourceText > maxNoteText && s.reason != "" {
		e.Reason = ""
		return b.source(e)
	}
	s.reason = strings.Clone(s.reason) // what it was cut from need not live
	b.sourceText += len(s.reason) + 64
	at := uint32(len(b.a.sources))
	b.a.sources = append(b.a.sources, s)
	b.sourceIndex[s] = at
	return at
}

// Allow returns what was added. The builder is spent.
func (b *AllowBuilder) Allow() *Allow {
	a := b.a
	a.text = b.text.String()
	*b = *NewAllowBuilder()
	slices.SortStableFunc(a.names, func(x, y allowName) int {
		return cmp.Or(strings.Compare(a.name(&x), a.name(&y)), compareTrueFirst(x.subdomains, y.subdomains))
	})
	a.names = slices.CompactFunc(a.names, func(x, y allowName) bool { return a.name(&x) == a.name(&y) })
	return a
}

func compareTrueFirst(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return -1
	}
	return 1
}
