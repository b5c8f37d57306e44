package alert

import (
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// Mute keeps matches from being reported for a while, an entry of mute in the
// configuration. All that it names must fit.
type Mute struct {
	Src netip.Prefix `yaml:"src,omitempty"` // holds who called; invalid: anybody
	IOC netip.Prefix `yaml:"ioc,omitempty"` // holds the listed address; invalid: any
	Cat string       `yaml:"cat,omitempty" validate:"omitempty,oneof=c2 malware botnet phishing scanner bruteforce spam anonymizer ddos policy other"`
	// Until is when it ends; a date alone lasts to the end of that day, in UTC.
	Until time.Time `yaml:"until" validate:"required"`
	Why   string    `yaml:"why" validate:"required,max=200"`
	// By and At say who added it and when; nothing depends on them.
	By string    `yaml:"by,omitempty" validate:"max=200"`
	At time.Time `yaml:"at,omitempty"`
}

// String returns what is muted in the words of the line: "src=10.1.2.3 cat=scanner".
func (m *Mute) String() string {
	var parts []string
	for _, p := range []struct {
		key     string
		network netip.Prefix
	}{{"src=", m.Src}, {"ioc=", m.IOC}} {
		switch {
		case p.network.IsSingleIP():
			parts = append(parts, p.key+p.network.Addr().String())
		case p.network.IsValid():
			parts = append(parts, p.key+p.network.String())
		}
	}
	if m.Cat != "" {
		parts = append(parts, "cat="+m.Cat)
	}
	return strings.Join(parts, " ")
}

// Over reports whether it has ended.
func (m *Mute) Over(now time.Time) bool { return !now.Before(m.Until) }

// Concerns reports whether it may mute an indicator of category c on ip, depending
// on who calls.
func (m *Mute) Concerns(ip netip.Addr, c intel.Category) bool {
	return (!m.IOC.IsValid() || m.IOC.Contains(ip.Unmap())) && (m.Cat == "" || m.Cat == c.String())
}

// mute counts what an entry has muted.
type mute struct {
	Mute
	count atomic.Uint64 // flow records
}

// Muted is an entry and how many flow records it has kept from being reported
// since the Policy was made.
type Muted struct {
	Mute
	Count uint64
}

// WithMutes makes p mute too, before it is used. The first entry that fits counts.
func (p *Policy) WithMutes(mutes []Mute) *Policy {
	for _, m := range mutes {
		m.Src, m.IOC = unmapped(m.Src), unmapped(m.IOC)
		p.mutes = append(p.mutes, &mute{Mute: m})
	}
	return p
}

func unmapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// Mutes returns the entries and what they have muted.
func (p *Policy) Mutes() []Muted {
	out := make([]Muted, len(p.mutes))
	for i, m := range p.mutes {
		out[i] = Muted{m.Mute, m.count.Load()}
	}
	return out
}

// mute takes what is muted at now from the event's indicators. It reports whether
// any is left.
func (p *Policy) mute(e *Event, now time.Time) bool {
	if len(p.mutes) == 0 {
		return true
	}
	remote := e.Remote.IP()
	kept := e.Indicators[:0]
	var counted *mute
	for _, i := range e.Indicators {
		by := p.mutedBy(e, remote, i.Category, now)
		if by == nil {
			kept = append(kept, i)
		} else if counted == nil {
			counted = by
		}
	}
	if len(kept) == 0 {
		counted.count.Add(e.Count)
		return false
	}
	if len(kept) < len(e.Indicators) {
		e.Indicators = kept
		e.Assess()
	}
	return true
}

// mutedBy returns the first entry that mutes an indicator of category c.
func (p *Policy) mutedBy(e *Event, remote netip.Addr, c intel.Category, now time.Time) *mute {
	for _, m := range p.mutes {
		if m.Concerns(remote, c) && !m.Over(now) && (!m.Src.IsValid() || e.calledFrom(m.Src)) {
			return m
		}
	}
	return nil
}

// calledFrom reports whether network holds the address, translated or not, of the
// side that called: of either side where the record does not tell which that was,
// for else the answers of a muted conversation would be reported.
func (e *Event) calledFrom(network netip.Prefix) bool {
	holds := func(addrs ...flow.Addr) bool {
		for _, a := range addrs {
			if !a.IsUnspecified() && network.Contains(a.IP()) {
				return true
			}
		}
		return false
	}
	return (e.LocalOpened || !e.OpenerTold) && holds(e.Local, e.NATLocal) ||
		(!e.LocalOpened || !e.OpenerTold) && holds(e.Remote, e.NATRemote)
}
