// Package site is what the configuration says of one's own place: its networks, the
// ports of its services, and the exporters that report on it.
package site

import (
	"net/netip"
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/settings"
)

// Exporters says which exporters are listened to and what is known of them.
type Exporters struct {
	// Allow holds the addresses whose datagrams are read; empty: all.
	Allow []netip.Prefix `yaml:"allow,omitempty"`
	// Sampling overrides what an exporter says of its sampling rate: packets on
	// the wire for one that was counted, 1 or more.
	Sampling Sampling `yaml:"sampling,omitempty" validate:"dive,min=1"`
	// OutBytes says what an exporter's elements 23 and 24 (OUT_BYTES, OUT_PKTS) count
	// where it sends 1 and 2 as well: the same direction as these, or the reverse.
	OutBytes OutBytes `yaml:"out_bytes,omitempty" validate:"dive,oneof=same reverse"`
	// Max is the number of exporters whose state is kept, once they have sent for some
	// seconds.
	Max int `yaml:"max" validate:"min=1,max=1048576"`
	// KeyPort makes the source port part of an exporter's identity, for several
	// exporters behind one translated address.
	KeyPort bool `yaml:"key_port"`
}

// Named returns the exporters that are named by their address, each once.
func (e *Exporters) Named() []netip.Prefix {
	var out []netip.Prefix
	for _, p := range e.Allow {
		if p.IsSingleIP() {
			out = append(out, p)
		}
	}
	for a := range e.Sampling {
		out = append(out, netip.PrefixFrom(a, a.BitLen()))
	}
	for a := range e.OutBytes {
		out = append(out, netip.PrefixFrom(a, a.BitLen()))
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return slices.Compact(out)
}

// Sampling maps an exporter's address to its sampling rate.
type Sampling = settings.ByAddr[uint32]

// The values of OutBytes.
const (
	OutSame    = "same"
	OutReverse = "reverse"
)

// OutBytes maps an exporter's address to OutSame or OutReverse.
type OutBytes = settings.ByAddr[string]

// Networks says which addresses are one's own and which ports are services.
type Networks struct {
	// Local holds the own networks. Empty: everything is transit.
	Local []netip.Prefix `yaml:"local"`
	// NAT holds the addresses that hosts inside are translated to, which are one's own
	// too: what is seen of them outside is not told again.
	NAT []netip.Prefix `yaml:"nat,omitempty"`
	// ServicePorts holds ports that servers answer on, in addition to the
	// built-in ones; AllServicePorts returns both.
	ServicePorts []PortRange `yaml:"service_ports,omitempty"`
}

// Own returns the own networks, translated addresses included.
func (n *Networks) Own() []netip.Prefix { return slices.Concat(n.Local, n.NAT) }

// DefaultNetworks are the private networks of RFC 1918 and RFC 4193.
func DefaultNetworks() Networks {
	return Networks{Local: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("fc00::/7"),
	}}
}

// DefaultExporters listen to everybody. 4096 exporters are more than the largest
// networks have, and few enough that forged source addresses do not fill the memory.
func DefaultExporters() Exporters { return Exporters{Max: 4096} }

// Types returns how values of the types here are written.
func Types() []settings.Type {
	return []settings.Type{
		settings.Text[PortRange]("a port such as 443 or a range such as 8000-8100", func(string) string { return "" }),
	}
}
