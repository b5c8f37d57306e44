package throttle

import (
	"net/netip"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
)

const (
	// natSlots records of private addresses are remembered, natWaiting of public ones
	// wait for their like: 130 kB, on the first of each.
	natSlots, natWaiting = 4096, 512
	// natWithin is how far apart, in seconds, both views of a connection start at most,
	// and natWait how much later one of them may be told.
	natWithin, natWait = 2, int64(time.Minute)
	// natBytes is what a record has at least, for its size to tell one from another.
	natBytes = 1000
	// An address is one that others are translated to when it was found to talk natFirst
	// times as a private address did, and in a third of all cases at least: active timeouts
	// that differ cut long connections into other pieces. Where another address is known
	// to be one, natNext times are enough.
	natFirst, natNext = 4, 2
	// maxNATs addresses are compared.
	maxNATs = 1024
)

// natLearner finds which public addresses of one's own are those that private ones are
// translated to, where exporters see both sides: they send and receive what a private
// address does, the same number of bytes to the same service at the same time.
//
// A forged record from inside that is no copy of a real one in all of that makes nobody
// a translated address; and what one yields to still says its severity and volume.
type natLearner struct {
	inside  []insideRecord  // by hash
	waiting []outsideRecord // a ring
	// next and compared count the records that were put into the ring, and taken from it.
	next, compared int
	public         map[flow.Addr]*natEvidence
	learned        int // addresses that were found to be
}

type insideRecord struct {
	tag   uint64
	start int64  // Unix seconds
	host  uint32 // hash
	many  bool   // of several hosts: tells nothing
}

type outsideRecord struct {
	tag    uint64
	start  int64
	at     int64 // Unix nanoseconds, of receipt
	public flow.Addr
}

type natEvidence struct {
	same, other uint16 // records that were found inside, and that were not
	is          bool
}

// isNAT reports whether an address was found to be one that others are translated to.
func (n *natLearner) isNAT(a flow.Addr) bool {
	x := n.public[a]
	return x != nil && x.is
}

var carrierGrade = netip.MustParsePrefix("100.64.0.0/10")

func isPrivate(ip netip.Addr) bool { return ip.IsPrivate() || carrierGrade.Contains(ip) }

// learn takes what a record that its sender's side opened tells of translation.
func (n *natLearner) learn(ev *alert.Event, now int64) {
	n.compareDue(now)
	bytes := ev.LocalBytes
	if !ev.LocalSent {
		bytes = ev.RemoteBytes
	}
	if !ev.LocalOpened || !ev.LocalNetwork.IsValid() || !ev.Local.Is4() || ev.Sampling > 1 || ev.NATKnown() || bytes < natBytes {
		return
	}
	tag := mix(mix(mix(ev.Remote.Hi, ev.Remote.Lo), uint64(ev.RemotePort)<<8|uint64(ev.Proto)), bytes<<1|uint64(btoi(ev.LocalSent)))
	start := ev.Start / int64(time.Second)
	if !isPrivate(ev.Local.IP()) {
		n.wait(outsideRecord{tag, start, now, ev.Local})
		return
	}
	if n.inside == nil {
		n.inside = make([]insideRecord, natSlots)
	}
	x, host := &n.inside[tag%natSlots], uint32(mix(ev.Local.Hi, ev.Local.Lo))|1
	if x.tag == tag && near(x.start, start) {
		x.many = x.many || x.host != host
		return
	}
	*x = insideRecord{tag, start, host, false}
}

func near(a, b int64) bool { return a-b <= natWithin && b-a <= natWithin }

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// wait lets a record of a public address wait for its like, if that has not come before.
func (n *natLearner) wait(r outsideRecord) {
	if n.find(&r) {
		n.compare(&r)
		return
	}
	if n.waiting == nil {
		n.waiting = make([]outsideRecord, natWaiting)
	}
	x := &n.waiting[n.next%natWaiting]
	if n.next-n.compared == natWaiting {
		n.compare(x)
		n.compared++
	}
	*x = r
	n.next++
}

// compareDue compares the records that have waited for long.
func (n *natLearner) compareDue(now int64) {
	for n.compared < n.next {
		x := &n.waiting[n.compared%natWaiting]
		if now-x.at < natWait && !n.find(x) {
			return
		}
		n.compare(x)
		n.compared++
	}
}

func (n *natLearner) find(r *outsideRecord) bool {
	return n.inside != nil && n.inside[r.tag%natSlots].tag == r.tag
}

// compare looks for a record of a private address that is like one of a public one.
func (n *natLearner) compare(r *outsideRecord) {
	if n.inside == nil {
		return
	}
	e := n.public[r.public]
	if e == nil {
		if len(n.public) >= maxNATs {
			return
		}
		if n.public == nil {
			n.public = make(map[flow.Addr]*natEvidence)
		}
		e = new(natEvidence)
		n.public[r.public] = e
	}
	switch x := &n.inside[r.tag%natSlots]; {
	case x.tag != r.tag:
		e.other++
	case x.many || !near(x.start, r.start): // the next contact, or a clock that is not known yet
		return
	default:
		e.same++
	}
	if e.same+e.other >= 64 { // what was is worth less and less
		e.same, e.other = e.same/2, e.other/2
	}
	was, least := e.is, uint16(natFirst)
	if n.learned > 0 {
		least = natNext
	}
	switch {
	case e.same >= least && 2*e.same >= e.other:
		e.is = true
	case 4*e.same < e.other:
		e.is = false
	}
	n.learned += btoi(e.is) - btoi(was)
}
