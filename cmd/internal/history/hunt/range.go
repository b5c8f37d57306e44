package hunt

import (
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/query"
)

// Range is the addresses First to Last.
type Range struct{ First, Last flow.Addr }

// AddrSet makes a set of ranges that a question can ask for.
func AddrSet(ranges []Range) *query.AddrSet {
	set := make([]query.AddrRange, len(ranges))
	for i, r := range ranges {
		set[i] = query.AddrRange(r)
	}
	return query.NewAddrSet(set)
}
