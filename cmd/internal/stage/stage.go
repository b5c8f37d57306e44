// Package stage decodes datagrams and matches their flows against the indicators: the
// path of every flow, whether it comes from a socket, a capture or Kafka. A Worker
// does it on one goroutine, in order; everything that it touches for each flow is
// its own.
//
// It does not know where datagrams come from, nor where matches and flows go: those are
// a function and Sinks.
package stage

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gaissmai/bart"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
	"github.com/flowhound/flowhound/cmd/internal/flow/udp"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/dnsbl"
	"github.com/flowhound/flowhound/cmd/internal/match"
	"github.com/flowhound/flowhound/cmd/internal/site"
)

// names reports whether the configuration names an exporter by its own address.
func names(c *site.Exporters, exporter netip.Addr) bool {
	_, ok := c.Sampling[exporter]
	return ok || slices.Contains(c.Allow, netip.PrefixFrom(exporter, exporter.BitLen()))
}

// State is all that a reload or a feed may change of what workers do. It is
// immutable: the next one is built beside it and swapped in one step, and workers
// load it once a batch.
type State struct {
	Set    *intel.Set
	Policy *alert.Policy
	DNSBL  *dnsbl.Lookups // nil: none are asked

	exporters  site.Exporters
	allow      *bart.Lite // nil: every exporter
	generation uint64     // of exporters
	test       *Test      // nil: none is under way
}

// Allows reports whether an exporter's datagrams are read.
func (s *State) Allows(exporter netip.Addr) bool {
	return s.allow == nil || s.allow.Contains(exporter)
}

// Stage is what its workers have in common.
type Stage struct {
	state    atomic.Pointer[State]
	changing sync.Mutex // held by whoever builds the next state
	workers  []*Worker
}

// New returns a Stage without workers and indicators.
func New(exporters site.Exporters, policy *alert.Policy) *Stage {
	s := &Stage{}
	s.state.Store(&State{})
	s.Apply(exporters, policy)
	return s
}

// State returns the state now.
func (s *Stage) State() *State { return s.state.Load() }

// Change puts an edited copy of the state in its place.
func (s *Stage) Change(edit func(*State)) {
	s.changing.Lock()
	defer s.changing.Unlock()
	next := *s.state.Load()
	edit(&next)
	s.state.Store(&next)
}

// Apply puts other settings in the place of those so far.
func (s *Stage) Apply(exporters site.Exporters, policy *alert.Policy) {
	s.Change(func(st *State) {
		st.exporters, st.Policy, st.allow = exporters, policy, nil
		st.generation++
		if len(exporters.Allow) > 0 {
			st.allow = new(bart.Lite)
			for _, p := range exporters.Allow {
				st.allow.Insert(p)
			}
		}
	})
}

// Stats returns what the decoder of each worker counts, on any goroutine.
func (s *Stage) Stats() []netflow.Stats {
	stats := make([]netflow.Stats, len(s.workers))
	for i, w := range s.workers {
		stats[i] = w.decoder.Stats()
	}
	return stats
}

// Sink takes flows. Flows runs on the worker's goroutine with the records of one
// datagram, in order. The batch is the worker's again when it returns: what is to be
// kept is copied. It must not wait, lock or allocate for a record; what it cannot
// take it counts.
type Sink interface{ Flows(*flow.Batch) }

// Options of a Worker.
type Options struct {
	Templates *netflow.Store   // nil: nothing is kept
	Pass      func(*match.Raw) // what matched; it is the callee's until it returns
	Sinks     []Sink           // take every flow, before what matches is passed
}

// Worker decodes and matches on one goroutine, which alone calls its methods, but
// for Counts and Decoder().Stats.
type Worker struct {
	stage      *Stage
	options    Options
	decoder    *netflow.Decoder
	batch      flow.Batch
	generation uint64        // that the decoder follows
	asked      *dnsbl.Filter // addresses that DNS blacklists were asked about lately; nil before the first
	raw        match.Raw     // of the record in work; here so that it is not allocated
	counts     counts
	rejects    rejects
}

type counts struct {
	lookups, sampled, transit, late, rejected atomic.Uint64
}

// Counts are what a Worker has done.
type Counts struct {
	Lookups  uint64 // addresses looked up
	Rejected uint64 // datagrams of exporters that are not allowed
	// Sampled is how many records were looked at closely, the first of each
	// datagram; of those, Transit have neither side in the own networks, and Late
	// came long after their flow began.
	Sampled, Transit, Late uint64
}

// Add adds what another worker has done.
func (c *Counts) Add(o Counts) {
	c.Lookups += o.Lookups
	c.Rejected += o.Rejected
	c.Sampled += o.Sampled
	c.Transit += o.Transit
	c.Late += o.Late
}

// NewWorker returns a Worker. All are made before the first one works.
func (s *Stage) NewWorker(o Options) *Worker {
	st := s.State()
	w := &Worker{stage: s, options: o, generation: st.generation}
	w.decoder = netflow.NewDecoder(netflow.Options{
		Templates: o.Templates, MaxExporters: st.exporters.Max, KeyPort: st.exporters.KeyPort,
		Known: func(exporter netip.Addr) bool { return names(&s.State().exporters, exporter) },
		Sampling: func(exporter netip.Addr) (uint32, bool) {
			rate, ok := s.State().exporters.Sampling[exporter]
			return rate, ok
		},
		OutBytes: func(exporter netip.Addr) netflow.OutBytes {
			switch s.State().exporters.OutBytes[exporter] {
			case site.OutSame:
				return netflow.OutSame
			case site.OutReverse:
				return netflow.OutReverse
			}
			return netflow.OutUnknown
		},
	})
	s.workers = append(s.workers, w)
	return w
}

// Decoder is the worker's, for its Stats.
func (w *Worker) Decoder() *netflow.Decoder { return w.decoder }

// Counts returns the counts so far, on any goroutine.
func (w *Worker) Counts() Counts {
	return Counts{
		Lookups: w.counts.lookups.Load(), Rejected: w.counts.rejected.Load(),
		Sampled: w.counts.sampled.Load(), Transit: w.counts.transit.Load(), Late: w.counts.late.Load(),
	}
}

// Receive is a udp.Handler.
func (w *Worker) Receive(received int64, datagrams []udp.Datagram) {
	st := w.begin()
	n := 0
	for i := range datagrams {
		n += w.datagram(st, datagrams[i].Data, datagrams[i].From, received)
	}
	w.counts.lookups.Add(2 * uint64(n))
}

// Datagram takes one datagram and returns the number of its flows.
func (w *Worker) Datagram(data []byte, from netip.AddrPort, received int64) (flows int) {
	n := w.datagram(w.begin(), data, from, received)
	w.counts.lookups.Add(2 * uint64(n))
	return n
}

// Flows takes flows that come decoded.
func (w *Worker) Flows(b *flow.Batch) {
	w.flows(w.begin(), b)
	w.counts.lookups.Add(2 * uint64(len(b.Records)))
}

func (w *Worker) begin() *State {
	st := w.stage.State()
	if st.generation != w.generation {
		w.generation = st.generation
		w.decoder.Reconfigure()
	}
	if st.DNSBL != nil && w.asked == nil {
		w.asked = new(dnsbl.Filter)
	}
	return st
}

func (w *Worker) datagram(st *State, data []byte, from netip.AddrPort, received int64) int {
	if st.test != nil && from == st.test.From {
		return w.planted(st.test, data, from, received)
	}
	if !st.Allows(from.Addr()) {
		w.counts.rejected.Add(1)
		w.rejects.add(from.Addr(), received)
		return 0
	}
	w.batch.Reset()
	_ = w.decoder.Decode(data, from, received, &w.batch) // counted by the decoder
	w.flows(st, &w.batch)
	return len(w.batch.Records)
}

func (w *Worker) flows(st *State, b *flow.Batch) {
	if len(b.Records) == 0 {
		return
	}
	first := &b.Records[0]
	w.counts.sampled.Add(1)
	if st.Policy.Transit(first) {
		w.counts.transit.Add(1)
	}
	if Late(first) {
		w.counts.late.Add(1)
	}
	for _, s := range w.options.Sinks {
		s.Flows(b)
	}
	var listed *intel.Set
	if st.DNSBL != nil {
		listed = st.DNSBL.Set()
	}
	for j := range b.Records {
		r := &b.Records[j]
		if sides := match.Sides(st.Set, r); sides != 0 {
			w.pass(r, sides, st.Set, false)
		} else if st.DNSBL != nil {
			w.ask(st, listed, r)
		}
	}
}

func (w *Worker) pass(r *flow.Record, sides match.Side, set *intel.Set, dnsbl bool) {
	w.raw = match.Raw{Record: *r, Sides: sides, Set: set, Count: 1, DNSBL: dnsbl}
	w.options.Pass(&w.raw)
}

// ask holds a record that no feed knows against what DNS blacklists list, and
// offers them the address that one of the own hosts has contacted.
func (w *Worker) ask(st *State, listed *intel.Set, r *flow.Record) {
	if sides := match.Sides(listed, r); sides != 0 {
		w.pass(r, sides, listed, true)
		return
	}
	if !st.DNSBL.Ready() {
		return
	}
	remote, ok := st.Policy.Contacted(r)
	if !ok || !w.asked.New(remote, r.Received) {
		return
	}
	st.DNSBL.Ask(&dnsbl.Question{Remote: remote.IP(), Record: *r, Newcomer: w.decoder.Newcomer()})
}

// LateAfter is how long after its start, in nanoseconds, a flow should have been
// told: with an active timeout of a minute all are.
const LateAfter = 5 * 60 * 1e9

// Late reports whether a flow was told much later than it began.
func Late(r *flow.Record) bool {
	return r.Has&flow.HasStart != 0 && r.Received-r.Start > LateAfter
}
