package agent

import (
	"net/netip"

	"github.com/gaissmai/bart"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/intel"
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
func (a *Agent) swapSet(set *intel.Set) {
	a.changing.Lock()
	defer a.changing.Unlock()
	next := *a.state.Load()
	next.set = set
	a.state.Store(&next)
}
