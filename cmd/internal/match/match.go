// Package match matches flow records against a set of indicators: which addresses of
// a record are listed. It decides nothing about what that means (package
// alert does), does no I/O and allocates nothing.
package match

import (
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// Side says which addresses of a record are listed, one bit for each.
type Side uint8

// The bits of Side, named after the fields of flow.Record.
const (
	Src Side = 1 << iota
	Dst
	NATSrc
	NATDst
)

// Sides returns which addresses of r the set lists; 0 is no match. The translated
// addresses are looked at only when the exporter sent them. Expired indicators
// and those for another port count here: the rare match is looked at closely
// later. Safe for concurrent use; a nil set lists nothing.
func Sides(set *intel.Set, r *flow.Record) Side {
	var s Side
	if set.Contains(r.Src.Hi, r.Src.Lo) {
		s = Src
	}
	if set.Contains(r.Dst.Hi, r.Dst.Lo) {
		s |= Dst
	}
	if r.Has&(flow.HasNATSrc|flow.HasNATDst) != 0 {
		s |= natSides(set, r)
	}
	return s
}

// natSides is apart so that records without NAT, nearly all, do not pay for it.
func natSides(set *intel.Set, r *flow.Record) Side {
	var s Side
	if r.Has&flow.HasNATSrc != 0 && set.Contains(r.NATSrc.Hi, r.NATSrc.Lo) {
		s = NATSrc
	}
	if r.Has&flow.HasNATDst != 0 && set.Contains(r.NATDst.Hi, r.NATDst.Lo) {
		s |= NATDst
	}
	return s
}

// Raw is a match as it crosses to the alert goroutine: what that needs to find
// the same indicators again, even if the set was swapped meanwhile.
type Raw struct {
	// Record is the record that matched. Where Count is above 1 it stands for
	// several that are alike: the counters are their sums, Start and End their
	// span, and Received is the latest.
	Record flow.Record
	Sides  Side
	Set    *intel.Set
	Count  uint64 // records, at least 1
	First  int64  // Unix nanoseconds: the earliest Received, 0 when that is Record.Received
	DNSBL  bool   // Set holds what DNS blacklists list, and not the feeds
}
