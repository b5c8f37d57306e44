package throttle

import (
	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/hit"
)

// held sums the records that no line has said.
type held struct {
	// shown is of the event that the line shows: of a pair the first of the most
	// severe, of a coarse key the latest of the busiest remote address.
	shown    shown
	severity hit.Severity
	state    uint8 // index in states

	count, duplicates                           uint64
	srcBytes, srcPackets                        uint64
	dstBytes, dstPackets                        uint64
	start, end, first, last                     int64
	clientPort, servicePort, icmpType, icmpCode int32 // hit.NoPort where the records differ

	// exporters are who told of it, when there are several; nil: shown.exporter did.
	exporters []share
	told      uint64 // bytes, as all records tell them

	behind *behind // of a coarse key; nil: of a pair
}

// shown is what a line shows of one event.
type shown struct {
	local, remote       flow.Addr
	natLocal, natRemote flow.Addr
	exporter            flow.Addr
	// indicators cover the remote address up to the others, which cover other
	// addresses of the record.
	indicators, others []intel.Indicator
	domain, sampling   uint32
	localAS, remoteAS  uint32 // as the router told them
	proto              uint8
	direction          direction
	localOpened        bool
	matchedNAT, dnsbl  bool
}

// share is what one exporter told.
type share struct {
	exporter     flow.Addr
	count, bytes uint64
}

// maxShares bounds the exporters that a line names; more share the last place.
const maxShares = 8

// behind are the addresses behind a coarse key.
type behind struct{ sources, targets addrSet }

func newHeld(ev *alert.Event) *held {
	h := &held{
		severity: ev.Severity, state: uint8(stateRank(ev.State)),
		start: ev.Start, end: ev.End, first: ev.First, last: ev.Last,
		clientPort: int32(ev.ClientPort()), servicePort: int32(ev.ServicePort()), icmpType: int32(ev.ICMPType), icmpCode: int32(ev.ICMPCode),
	}
	h.show(ev)
	return h
}

// show makes ev the event that the line shows.
func (h *held) show(ev *alert.Event) {
	h.shown = shown{
		local: ev.Local, remote: ev.Remote, natLocal: ev.NATLocal, natRemote: ev.NATRemote, exporter: ev.Exporter,
		indicators: ev.Indicators, others: ev.Others, domain: ev.Domain, sampling: ev.Sampling,
		localAS: ev.LocalAS, remoteAS: ev.RemoteAS,
		proto: ev.Proto, direction: directionOf(ev.Direction), localOpened: ev.LocalOpened, matchedNAT: ev.MatchedNAT, dnsbl: ev.DNSBL,
	}
}

func (h *held) bytes() uint64 { return sum(h.srcBytes, h.dstBytes) }

func (h *held) add(ev *alert.Event) {
	h.severity = max(h.severity, ev.Severity)
	h.state = max(h.state, uint8(stateRank(ev.State)))
	h.share(ev)
	h.told = sum(h.told, ev.Told)
	h.count, h.duplicates = sum(h.count, ev.Count), sum(h.duplicates, ev.Duplicates)
	srcBytes, srcPackets, dstBytes, dstPackets := ev.RemoteBytes, ev.RemotePackets, ev.LocalBytes, ev.LocalPackets
	if ev.LocalOpened {
		srcBytes, srcPackets, dstBytes, dstPackets = dstBytes, dstPackets, srcBytes, srcPackets
	}
	h.srcBytes, h.srcPackets = sum(h.srcBytes, srcBytes), sum(h.srcPackets, srcPackets)
	h.dstBytes, h.dstPackets = sum(h.dstBytes, dstBytes), sum(h.dstPackets, dstPackets)
	h.start, h.end = min(h.start, ev.Start), max(h.end, ev.End)
	h.first, h.last = min(h.first, ev.First), max(h.last, ev.Last)
	agree(&h.clientPort, int32(ev.ClientPort()))
	agree(&h.servicePort, int32(ev.ServicePort()))
	agree(&h.icmpType, int32(ev.ICMPType))
	agree(&h.icmpCode, int32(ev.ICMPCode))
}

// share counts what each exporter told, from the second one on.
func (h *held) share(ev *alert.Event) {
	if h.exporters == nil {
		if ev.Exporter == h.shown.exporter {
			return
		}
		h.exporters = h.shares()
	}
	h.shareOf(share{ev.Exporter, sum(ev.Count, ev.Duplicates), ev.Told})
}

func (h *held) shareOf(s share) {
	for i := range h.exporters {
		x := &h.exporters[i]
		if x.exporter == s.exporter || i == maxShares-1 {
			x.count, x.bytes = sum(x.count, s.count), sum(x.bytes, s.bytes)
			return
		}
	}
	h.exporters = append(h.exporters, s)
}

// addAddresses counts who is behind a coarse key, and shows the event of the
// busiest remote address.
func (h *held) addAddresses(ev *alert.Event, budget *addrBudget) {
	src, dst := ev.Remote, ev.Local
	if ev.LocalOpened {
		src, dst = dst, src
	}
	if h.behind == nil {
		h.behind = new(behind)
	}
	n := sum(ev.Count, ev.Duplicates)
	budget.add(&h.behind.sources, src, n)
	budget.add(&h.behind.targets, dst, n)
	remotes := &h.behind.sources
	if ev.LocalOpened {
		remotes = &h.behind.targets
	}
	if remotes.busiest == ev.Remote {
		h.show(ev)
	}
}

// join adds what another key holds.
func (h *held) join(o *held) {
	h.severity, h.state = max(h.severity, o.severity), max(h.state, o.state)
	switch {
	case h.exporters == nil && o.exporters == nil && h.shown.exporter == o.shown.exporter:
	default:
		if h.exporters == nil {
			h.exporters = h.shares()
		}
		for _, s := range o.shares() {
			h.shareOf(s)
		}
	}
	h.told = sum(h.told, o.told)
	h.count, h.duplicates = sum(h.count, o.count), sum(h.duplicates, o.duplicates)
	h.srcBytes, h.srcPackets = sum(h.srcBytes, o.srcBytes), sum(h.srcPackets, o.srcPackets)
	h.dstBytes, h.dstPackets = sum(h.dstBytes, o.dstBytes), sum(h.dstPackets, o.dstPackets)
	h.start, h.end = min(h.start, o.start), max(h.end, o.end)
	h.first, h.last = min(h.first, o.first), max(h.last, o.last)
	agree(&h.clientPort, o.clientPort)
	agree(&h.servicePort, o.servicePort)
	agree(&h.icmpType, o.icmpType)
	agree(&h.icmpCode, o.icmpCode)
}

// stand counts the pair that o speaks of among those behind h.
func (h *held) stand(o *held, budget *addrBudget) {
	if h.behind == nil {
		h.behind = new(behind)
	}
	src, dst := o.shown.remote, o.shown.local
	if o.shown.localOpened {
		src, dst = dst, src
	}
	n := sum(o.count, o.duplicates)
	budget.add(&h.behind.sources, src, n)
	budget.add(&h.behind.targets, dst, n)
}

// shares returns who told how much, also where it is one exporter.
func (h *held) shares() []share {
	if h.exporters != nil {
		return h.exporters
	}
	return []share{{h.shown.exporter, sum(h.count, h.duplicates), h.told}}
}

// agree keeps a port that all records have in common.
func agree(port *int32, other int32) {
	if *port != other {
		*port = hit.NoPort
	}
}

// states in the order of how far a conversation came.
var states = [...]hit.State{hit.Attempt, hit.Unknown, hit.Established}

func stateRank(s hit.State) int {
	for i, name := range states {
		if name == s {
			return i
		}
	}
	return 0
}

const (
	// maxAddrs is how many addresses a coarse line counts exactly.
	maxAddrs = 4096
	// maxAllAddrs bounds those of all lines together, about 30 MB: only a flood of
	// forged records comes near, and it makes the counts too low, nothing else.
	maxAllAddrs = 1 << 19
)

// addrSet counts the records of distinct addresses. The zero value is empty.
type addrSet struct {
	counts  map[flow.Addr]uint64
	busiest flow.Addr // the first to reach its count
}

// addrBudget is how many addresses all sets hold.
type addrBudget int

func (b *addrBudget) add(s *addrSet, a flow.Addr, n uint64) {
	c, ok := s.counts[a]
	if !ok && len(s.counts) > 0 && (len(s.counts) >= maxAddrs || *b >= maxAllAddrs) {
		return
	}
	if s.counts == nil {
		s.counts, s.busiest = make(map[flow.Addr]uint64), a
	}
	if !ok {
		*b++
	}
	c = sum(c, n)
	s.counts[a] = c
	if c > s.counts[s.busiest] {
		s.busiest = a
	}
}

func (b *addrBudget) free(h *held) {
	if h.behind == nil {
		return
	}
	*b -= addrBudget(len(h.behind.sources.counts) + len(h.behind.targets.counts))
	h.behind = nil
}
