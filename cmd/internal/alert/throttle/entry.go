package throttle

import (
	"container/list"
	"math"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/plugin/hit"
)

// entry is what is known of one fold key.
type entry struct {
	key     key
	series  uint64
	lines   uint64 // said so far
	created uint64

	end    int64 // Unix nanoseconds: of the window; of an idle entry, when it is forgotten
	idle   bool  // its last window was empty: the next record is said at once
	window int64 // nanoseconds: the next one; 0: the shortest

	said      hit.Severity // of the last line
	saidBytes uint64
	saidAt    int64 // Unix nanoseconds

	// Of a pair: who opened, and when each side was last heard to send data.
	localOpened           bool
	localData, remoteData int64

	held *held // nil: nothing

	at   int // place in the queue
	elem *list.Element
}

// held sums the records that no line has said.
type held struct {
	// event is the one that the line shows: of a pair the first of the most
	// severe, of a coarse key the latest of the busiest remote address.
	event    alert.Event
	severity hit.Severity
	state    hit.State

	count                                       uint64
	srcBytes, srcPackets                        uint64
	dstBytes, dstPackets                        uint64
	start, end, first, last                     int64
	clientPort, servicePort, icmpType, icmpCode int // hit.NoPort where the records differ

	sources, targets addrSet // of a coarse key
}

func (h *held) bytes() uint64 { return sum(h.srcBytes, h.dstBytes) }

// worse reports whether what e holds must be said at once.
func (e *entry) worse() bool {
	b := e.held.bytes()
	return e.held.severity > e.said || b > worseBytes && b/worseTimes >= e.saidBytes
}

// hold adds an event to what e holds.
func (t *Table) hold(e *entry, ev *alert.Event) {
	h := e.held
	if h == nil {
		h = &held{
			event: *ev, severity: ev.Severity, state: ev.State,
			start: ev.Start, end: ev.End, first: ev.First, last: ev.Last,
			clientPort: ev.ClientPort(), servicePort: ev.ServicePort(), icmpType: ev.ICMPType, icmpCode: ev.ICMPCode,
		}
		e.held = h
	}
	if e.key.scope != scopePair {
		h.addAddresses(ev, &t.addrs)
	} else if ev.Severity > h.severity {
		h.event = *ev
	}
	h.add(ev)
}

func (h *held) add(ev *alert.Event) {
	h.severity = max(h.severity, ev.Severity)
	if stateRank(ev.State) > stateRank(h.state) {
		h.state = ev.State
	}
	h.count = sum(h.count, ev.Count)
	srcBytes, srcPackets, dstBytes, dstPackets := ev.RemoteBytes, ev.RemotePackets, ev.LocalBytes, ev.LocalPackets
	if ev.LocalOpened {
		srcBytes, srcPackets, dstBytes, dstPackets = dstBytes, dstPackets, srcBytes, srcPackets
	}
	h.srcBytes, h.srcPackets = sum(h.srcBytes, srcBytes), sum(h.srcPackets, srcPackets)
	h.dstBytes, h.dstPackets = sum(h.dstBytes, dstBytes), sum(h.dstPackets, dstPackets)
	h.start, h.end = min(h.start, ev.Start), max(h.end, ev.End)
	h.first, h.last = min(h.first, ev.First), max(h.last, ev.Last)
	agree(&h.clientPort, ev.ClientPort())
	agree(&h.servicePort, ev.ServicePort())
	agree(&h.icmpType, ev.ICMPType)
	agree(&h.icmpCode, ev.ICMPCode)
}

// addAddresses counts who is behind a coarse key, and shows the event of the
// busiest remote address.
func (h *held) addAddresses(ev *alert.Event, budget *addrBudget) {
	src, dst := ev.Remote, ev.Local
	remotes := &h.sources
	if ev.LocalOpened {
		src, dst, remotes = dst, src, &h.targets
	}
	budget.add(&h.sources, src, ev.Count)
	budget.add(&h.targets, dst, ev.Count)
	if remotes.busiest == ev.Remote {
		h.event = *ev
	}
}

// agree keeps a port that all records have in common.
func agree(port *int, other int) {
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

// sum saturates: counters come from outside and may be anything.
func sum(a, b uint64) uint64 {
	if b > math.MaxUint64-a {
		return math.MaxUint64
	}
	return a + b
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

func (b *addrBudget) free(s *addrSet) {
	*b -= addrBudget(len(s.counts))
	*s = addrSet{}
}
