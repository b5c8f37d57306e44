package ingest

import (
	"net/netip"

	"github.com/gaissmai/bart"
)

// The widest networks that a feed may name.
const (
	widest4 = 8
	widest6 = 19
)

// Policy rejects networks that would match everybody's own traffic. Safe for
// concurrent use.
type Policy struct {
	special, local, exporters bart.Lite
	any                       bart.Lite // what is in any of them: most networks are in none
	first                     [256]bool // which first bytes of IPv4 addresses have some of any
}

// NewPolicy returns a Policy that also rejects what overlaps the local networks, and
// what names one of the exporters: whoever gets a router into a feed must not have
// its warnings drown the network's. Exporters are single addresses of the
// configuration; what only sends flows could be forged.
func NewPolicy(local []netip.Prefix, exporters ...netip.Prefix) *Policy {
	p := new(Policy)
	for _, part := range []struct {
		table    *bart.Lite
		networks []netip.Prefix
	}{{&p.special, specialUse()}, {&p.local, local}, {&p.exporters, exporters}} {
		for _, n := range part.networks {
			part.table.Insert(n)
			p.any.Insert(n)
			p.mark(n)
		}
	}
	return p
}

// mark notes the first bytes of the addresses of a network.
func (p *Policy) mark(n netip.Prefix) {
	if !n.Addr().Is4() {
		return
	}
	from := int(n.Masked().Addr().As4()[0])
	for first := from; first < from+1<<max(8-n.Bits(), 0); first++ {
		p.first[first] = true
	}
}

// Reject returns why a network is rejected, or "". One that equals, lies in or
// covers a special-use or local network is: FireHOL's level 1 list holds
// 10.0.0.0/8 and would match every LAN.
func (p *Policy) Reject(network netip.Prefix) Reason {
	ip := network.Addr()
	switch {
	case ip.Is4() && network.Bits() >= widest4 && !p.first[ip.As4()[0]]: // nearly all
	case network.IsSingleIP() && !p.any.Contains(ip):
	case tooWide(network):
		return TooWide
	case p.special.OverlapsPrefix(network):
		return SpecialUse
	case p.local.OverlapsPrefix(network):
		return Local
	case p.exporters.LookupPrefix(network):
		return Exporter
	}
	return ""
}

// Own reports whether a network lies in the own networks and is none of the exporters'.
func (p *Policy) Own(network netip.Prefix) bool {
	return !tooWide(network) && p.local.LookupPrefix(network) && !p.exporters.LookupPrefix(network)
}

// RejectAllow returns why a network may not stand in an allow list, or "". Only
// special-use networks may be wider than those of feeds, which holds them out
// anyway: an allow list of the whole Internet would turn everything off.
func (p *Policy) RejectAllow(network netip.Prefix) Reason {
	if special := p.special.LookupPrefix(network); tooWide(network) && !special {
		return TooWide
	}
	return ""
}

func tooWide(p netip.Prefix) bool {
	if p.Addr().Is4() {
		return p.Bits() < widest4
	}
	return p.Bits() < widest6
}

// specialUse holds the networks that no public address is ever in, by the IANA
// registries of RFC 6890: private, shared, loopback, link-local, multicast,
// reserved, benchmarking. The documentation networks (RFC 5737, RFC 3849,
// RFC 9637) are left out on purpose: they never flow for real, and examples and
// tests are made of them.
func specialUse() []netip.Prefix {
	var out []netip.Prefix
	for _, text := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
		"192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
		"::/96", "64:ff9b:1::/48", "100::/64", "2001:2::/48", "2001:10::/28", "2001:20::/28",
		"5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
	} {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}
