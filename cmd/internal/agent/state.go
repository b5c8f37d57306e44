package agent

import (
	"net/netip"

	"github.com/gaissmai/bart"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/dnsbl"
)

// state is all that a reload or a feed may change. It is immutable: the next one
// is built beside it and swapped in one step, and workers load the pointer once
// a batch.
type state struct {
	config     *config.Config
	generation uint64     // counts configurations, so that workers see a new one
	allow      *bart.Lite // nil: every exporter
	policy     *alert.Policy
	set        *intel.Set
	dnsbl      *dnsbl.Lookups // nil: none are asked
}

func newState(cfg *config.Config, generation uint64) *state {
	s := &state{config: cfg, generation: generation, policy: newPolicy(cfg)}
	if len(cfg.Exporters.Allow) > 0 {
		s.allow = new(bart.Lite)
		for _, p := range cfg.Exporters.Allow {
			s.allow.Insert(p)
		}
	}
	return s
}

// allows reports whether an exporter's datagrams are read.
func (s *state) allows(exporter netip.Addr) bool {
	return s.allow == nil || s.allow.Contains(exporter)
}

// swapSet puts a new set of indicators in place of the old one.
func (a *Agent) swapSet(set *intel.Set) { a.change(func(s *state) { s.set = set }) }

// swapLookups puts other look-ups in DNS blacklists in place of the old ones.
func (a *Agent) swapLookups(l *dnsbl.Lookups) { a.change(func(s *state) { s.dnsbl = l }) }

func (a *Agent) change(edit func(*state)) {
	a.changing.Lock()
	defer a.changing.Unlock()
	next := *a.state.Load()
	edit(&next)
	a.state.Store(&next)
}
