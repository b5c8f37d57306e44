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
	shown shown
	sums

	// exporters are who told of it, when there are several; nil: shown.exporter did.
	exporters []share
	behind    *behind // of a coarse key; nil: of a pair
}

// sums are what records add up to.
type sums struct {
	severity hit.Severity
	state    uint8 // index in states

	count, duplicates                           uint64
	told                                        uint64 // bytes, as all records tell them
	srcBytes, srcPackets                        uint64
	dstBytes, dstPackets                        uint64
	start, end, first, last                     int64
	clientPort, servicePort, icmpType, icmpCode int32 // hit.NoPort where the records differ
}

// of sets what one event adds.
func (s *sums) of(ev *alert.Event) {
	s.severity, s.state, s.count, s.duplicates, s.told = ev.Severity, stateRank(ev.State), ev.Count, ev.Duplicates, ev.Told
	s.srcBytes, s.srcPackets, s.dstBytes, s.dstPackets = ev.RemoteBytes, ev.RemotePackets, ev.LocalBytes, ev.LocalPackets
	if ev.LocalOpened {
		s.srcBytes, s.srcPackets, s.dstBytes, s.dstPackets = ev.LocalBytes, ev.LocalPackets, ev.RemoteBytes, ev.RemotePackets
	}
	s.start, s.end, s.first, s.last = ev.Start, ev.End, ev.First, ev.Last
	s.clientPort, s.servicePort, s.icmpType, s.icmpCode = int32(ev.ClientPort()), int32(ev.ServicePort()), int32(ev.ICMPType), int32(ev.ICMPCode)
}

func (s *sums) bytes() uint64 { return flow.Sum(s.srcBytes, s.dstBytes) }

func (s *sums) add(o *sums) {
	s.severity, s.state = max(s.severity, o.severity), max(s.state, o.state)
	s.count, s.duplicates, s.told = flow.Sum(s.count, o.count), flow.Sum(s.duplicates, o.duplicates), flow.Sum(s.told, o.told)
	s.srcBytes, s.srcPackets = flow.Sum(s.srcBytes, o.srcBytes), flow.Sum(s.srcPackets, o.srcPackets)
	s.dstBytes, s.dstPackets = flow.Sum(s.dstBytes, o.dstBytes), flow.Sum(s.dstPackets, o.dstPackets)
	s.start, s.end = min(s.start, o.start), max(s.end, o.end)
	s.first, s.last = min(s.first, o.first), max(s.last, o.last)
	agree(&s.clientPort, o.clientPort)
	agree(&s.servicePort, o.servicePort)
	agree(&s.icmpType, o.icmpType)
	agree(&s.icmpCode, o.icmpCode)
}

// share is what one exporter told of them.
func (s *sums) share(exporter flow.Addr) share {
	return share{exporter, flow.Sum(s.count, s.duplicates), s.told}
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

// show makes ev the event that the line shows.
func (h *held) show(ev *alert.Event) {
	h.shown = shown{
		local: ev.Local, remote: ev.Remote, natLocal: ev.NATLocal, natRemote: ev.NATRemote, exporter: ev.Exporter,
		indicators: ev.Indicators, others: ev.Others, domain: ev.Domain, sampling: ev.Sampling,
		localAS: ev.LocalAS, remoteAS: ev.RemoteAS,
		proto: ev.Proto, direction: directionOf(ev.Direction), localOpened: ev.LocalOpened, matchedNAT: ev.MatchedNAT, dnsbl: ev.DNSBL,
	}
}

// add adds what else was told, by one exporter or by several.
func (h *held) add(o *sums, exporter flow.Addr, several []share) {
	if h.exporters != nil || several != nil || exporter != h.shown.exporter {
		if h.exporters == nil {
			h.exporters = []share{h.share(h.shown.exporter)}
		}
		if several == nil {
			h.addShare(o.share(exporter))
		}
		for _, s := range several {
			h.addShare(s)
		}
	}
	h.sums.add(o)
}

func (h *held) addShare(s share) {
	for i := range h.exporters {
		x := &h.exporters[i]
		if x.exporter == s.exporter || i == maxShares-1 {
			x.count, x.bytes = flow.Sum(x.count, s.count), flow.Sum(x.bytes, s.bytes)
			return
		}
	}
	h.exporters = append(h.exporters, s)
}

// addAddresses counts who is behind a coarse key, by n records, and returns the set
// of the remote sides.
func (h *held) addAddresses(local, remote flow.Addr, localOpened bool, n uint64, budget *addrBudget) (remotes *addrSet) {
	if h.behind == nil {
		h.behind = new(behind)
	}
	locals, remotes := &h.behind.targets, &h.behind.sources
	if localOpened {
		locals, remotes = remotes, locals
	}
	budget.add(locals, local, n)
	budget.add(remotes, remote, n)
	return remotes
}

// agree keeps a port that all records have in common.
func agree(port *int32, other int32) {
	if *port != other {
		*port = hit.NoPort
	}
}

// states in the order of how far a conversation came.
var states = [...]hit.State{hit.Attempt, hit.Unknown, hit.Established}

func stateRank(s hit.State) uint8 {
	for i, name := range states {
		if name == s {
			return uint8(i)
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
	c = flow.Sum(c, n)
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
