package exporters

import (
	"net/netip"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
)

// State is how one exporter is.
type State struct {
	Address   netip.Addr `json:"address"`
	Versions  []string   `json:"versions"` // NetFlow 5 and 9, 10 for IPFIX
	LastSeen  time.Time  `json:"last"`
	Silent    bool       `json:"silent"`
	Newcomer  bool       `json:"newcomer"` // no readable flows for some seconds yet: it may be forged
	Templates int        `json:"templates"`
	Datagrams uint64     `json:"datagrams"`
	Records   uint64     `json:"records"`
	// Lost is what gaps in its numbering show to be missing: flows (5), datagrams (9),
	// records (10).
	Lost uint64 `json:"lost"`
	// Unread are sets of flows that were given up: their templates had not come.
	Unread uint64 `json:"unread"`
	// FlowsPerSecond is of the last seconds, as exported.
	FlowsPerSecond float64 `json:"flows_per_second"`
	// Sampling is of its last record: 1 in so many packets; 0: not known.
	Sampling uint32 `json:"sampling,omitempty"`
	// SlowSeconds is by how much its clock is slow, steadily.
	SlowSeconds float64 `json:"clock_slow_s,omitempty"`
}

// States returns how the exporters are, in the order of their addresses.
func (x *Exporters) States() []State {
	all, now := x.all(), time.Now()
	x.mu.Lock()
	perSecond := x.rates.perSecond // replaced, not changed, by the next look
	x.mu.Unlock()
	out := make([]State, len(all))
	for i := range all {
		s := &all[i]
		out[i] = State{
			Address: s.Exporter, Versions: []string{}, LastSeen: s.LastSeen, Silent: now.Sub(s.LastSeen) > silentAfter, Newcomer: s.Newcomer,
			Templates: s.Templates, Datagrams: s.Datagrams.Sum(), Records: s.Records.Sum(), Lost: s.Lost.Sum(), Unread: s.HeldDropped,
			SlowSeconds: s.Slow.Seconds(), FlowsPerSecond: perSecond[s.Exporter], Sampling: s.Sampling,
		}
		for v, n := range s.Datagrams {
			if n > 0 {
				out[i].Versions = append(out[i].Versions, netflow.Versions[v])
			}
		}
	}
	return out
}
