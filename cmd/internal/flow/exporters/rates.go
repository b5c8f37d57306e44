package exporters

import (
	"net/netip"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
)

// rates knows how many flows came in the last seconds.
type rates struct {
	at        time.Time
	flows     map[netip.Addr]uint64
	perSecond map[netip.Addr]float64
	all       float64
}

// look takes the counts of now.
func (r *rates) look(now time.Time, stats []netflow.ExporterStats) {
	passed := now.Sub(r.at).Seconds()
	flows, perSecond := make(map[netip.Addr]uint64, len(stats)), make(map[netip.Addr]float64, len(stats))
	sum := 0.0
	for i := range stats {
		a, n := stats[i].Exporter, stats[i].Records.Sum()
		flows[a] = n
		if before, ok := r.flows[a]; !r.at.IsZero() && passed > 0 && n >= before {
			if !ok {
				before = 0
			}
			perSecond[a] = float64(n-before) / passed
			sum += perSecond[a]
		}
	}
	*r = rates{at: now, flows: flows, perSecond: perSecond, all: sum}
}

// FlowsPerSecond is how many flows came a second of late, from all exporters.
func (x *Exporters) FlowsPerSecond() float64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.rates.all
}
