// Package alert turns a raw match into an event: who called whom, how far the
// conversation came, from which side the local networks saw it, how much that
// matters and which indicator says so. It looks at one record at a time and
// remembers nothing; what only several records tell (an answer that arrives in
// another record, repeats) is settled by alert/throttle. It does no I/O.
package alert

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/hit"
)

// Policy is what the configuration says about judging matches. But for counting what
// is muted it is immutable, and safe for concurrent use; a reload makes another one.
type Policy struct {
	local    []netip.Prefix // longest first
	nat      []netip.Prefix // of local, what inside addresses are translated to
	services [1 << 16 / 64]uint64
	severity map[intel.Category]hit.Severity
	mutes    []*mute
	lookup   func(flow.Addr) []intel.Indicator // nil: the set that matched is asked
}

// NewPolicy returns a Policy for the own networks (networks.local), the ports
// that servers answer on, and the categories whose severity is fixed
// (alert.severity). It keeps copies.
func NewPolicy(local []netip.Prefix, servicePorts []uint16, severity map[intel.Category]hit.Severity) *Policy {
	p := &Policy{severity: maps.Clone(severity)}
	for _, n := range local {
		if n.Addr().Is4In6() && n.Bits() >= 96 {
			n = netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-96)
		}
		p.local = append(p.local, n.Masked())
	}
	slices.SortStableFunc(p.local, func(a, b netip.Prefix) int { return cmp.Compare(b.Bits(), a.Bits()) })
	for _, port := range servicePorts {
		p.services[port/64] |= 1 << (port % 64)
	}
	return p
}

// WithNAT tells p, before it is used, what addresses hosts inside are translated to
// (networks.nat).
func (p *Policy) WithNAT(nat []netip.Prefix) *Policy {
	for _, n := range nat {
		p.nat = append(p.nat, unmapped(n))
	}
	return p
}

// WithLookup returns a Policy like p that asks lookup for the indicators on an address, for
// who classifies many records of few addresses. What it returns is not changed.
func (p *Policy) WithLookup(lookup func(flow.Addr) []intel.Indicator) *Policy {
	c := *p
	c.lookup = lookup
	return &c
}

// translated reports whether a is in networks.nat.
func (p *Policy) translated(a flow.Addr) bool {
	return len(p.nat) > 0 && slices.ContainsFunc(p.nat, func(n netip.Prefix) bool { return n.Contains(a.IP()) })
}

// Transit reports whether neither end of r, before or after translation, lies in
// the own networks.
func (p *Policy) Transit(r *flow.Record) bool {
	for _, a := range [...]flow.Addr{r.Src, r.Dst, r.NATSrc, r.NATDst} {
		if !a.IsUnspecified() && p.network(a).IsValid() {
			return false
		}
	}
	return true
}

// network returns the narrowest own network that holds a, invalid when none does.
func (p *Policy) network(a flow.Addr) netip.Prefix {
	ip := a.IP()
	for _, n := range p.local {
		if n.Contains(ip) {
			return n
		}
	}
	return netip.Prefix{}
}

// isService reports whether servers answer on port.
func (p *Policy) isService(port uint16) bool { return p.services[port/64]&(1<<(port%64)) != 0 }
