package agent

import (
	"context"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/dnsbl"
	"github.com/flowhound/flowhound/cmd/internal/match"
	"github.com/flowhound/flowhound/cmd/internal/stage"
)

// swapSet puts a new set of indicators in place of the old one.
func (a *Agent) swapSet(set *intel.Set) { a.stage.Change(func(s *stage.State) { s.Set = set }) }

// passListed hands the records that led to new listings to the alert goroutine.
func (a *Agent) passListed(ctx context.Context, set *intel.Set, news []flow.Record) {
	for i := range news {
		m := match.Raw{Record: news[i], Sides: match.Sides(set, &news[i]), Set: set, Count: 1, DNSBL: true}
		if a.emit.Put(ctx, &m) != nil {
			return
		}
	}
}

// swapLookups puts other look-ups in DNS blacklists in place of the old ones.
func (a *Agent) swapLookups(l *dnsbl.Lookups) { a.stage.Change(func(s *stage.State) { s.DNSBL = l }) }
