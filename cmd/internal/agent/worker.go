package agent

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
	"github.com/flowhound/flowhound/cmd/internal/flow/udp"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/dnsbl"
	"github.com/flowhound/flowhound/cmd/internal/match"
)

// worker decodes and matches the datagrams of one socket, in order, on that
// socket's goroutine. Everything that it touches for each flow is its own.
type worker struct {
	agent      *Agent
	decoder    *netflow.Decoder
	batch      flow.Batch
	generation uint64        // of the configuration that the decoder follows
	asked      *dnsbl.Filter // addresses that DNS blacklists were asked about lately; nil before the first

	// overflow takes matches while the queue to the alert goroutine is full.
	// The lock is taken then only, and by that goroutine once a second.
	mu       sync.Mutex
	overflow match.Overflow

	lookups atomic.Uint64 // addresses looked up
	sampled atomic.Uint64 // records whose direction was looked at: the first of each datagram
	transit atomic.Uint64 // of those, records with neither side in the own networks
	late    atomic.Uint64 // of those, records that came long after their flow began
	refused atomic.Uint64 // datagrams of exporters that are not allowed
}

func newWorker(a *Agent) *worker {
	st := a.state.Load()
	return &worker{
		agent:      a,
		generation: st.generation,
		decoder: netflow.NewDecoder(netflow.Options{
			Templates:    a.templates,
			MaxExporters: st.config.Exporters.Max,
			KeyPort:      st.config.Exporters.KeyPort,
			Sampling: func(exporter netip.Addr) (uint32, bool) {
				rate, ok := a.state.Load().config.Exporters.Sampling[exporter]
				return rate, ok
			},
		}),
	}
}

// receive is the worker's udp.Handler.
func (w *worker) receive(received int64, datagrams []udp.Datagram) {
	st := w.agent.state.Load()
	if st.generation != w.generation {
		w.generation = st.generation
		w.decoder.Reconfigure()
	}
	var listed *intel.Set
	if st.dnsbl != nil {
		if listed = st.dnsbl.Set(); w.asked == nil {
			w.asked = new(dnsbl.Filter)
		}
	}
	lookups := uint64(0)
	for i := range datagrams {
		d := &datagrams[i]
		if !st.allows(d.From.Addr()) {
			w.refused.Add(1)
			continue
		}
		w.batch.Reset()
		_ = w.decoder.Decode(d.Data, d.From, received, &w.batch) // counted by the decoder
		if len(w.batch.Records) > 0 {
			w.sampled.Add(1)
			if st.policy.Transit(&w.batch.Records[0]) {
				w.transit.Add(1)
			}
			if late(&w.batch.Records[0]) {
				w.late.Add(1)
			}
		}
		for j := range w.batch.Records {
			r := &w.batch.Records[j]
			if sides := match.Sides(st.set, r); sides != 0 {
				w.pass(&match.Raw{Record: *r, Sides: sides, Set: st.set, Count: 1})
			} else if st.dnsbl != nil {
				w.askAbout(st, listed, r)
			}
		}
		lookups += 2 * uint64(len(w.batch.Records))
	}
	w.lookups.Add(lookups)
}

// pass hands a match to the alert goroutine, or keeps it folded while that
// cannot take it. It never waits.
func (w *worker) pass(m *match.Raw) {
	select {
	case w.agent.alerts.queue <- *m:
	default:
		w.mu.Lock()
		w.overflow.Add(m)
		w.mu.Unlock()
	}
}
