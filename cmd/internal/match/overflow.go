package match

import (
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// overflowSlots bounds an Overflow: 4096 of 256 bytes are 1 MB, taken when the
// first match overflows, and hold a second of a queue that is stuck unless more
// than 4096 distinct conversations hit in it.
const overflowSlots = 4096

// Overflow keeps matches that the queue to the alert goroutine has no room for,
// folded so that a flood costs neither memory nor counts. The zero value is
// empty and ready. Not safe for concurrent use.
type Overflow struct {
	slots []Raw       // a ring in order of arrival: head is the oldest
	index map[key]int // place in slots
	head  int
	n     int
	lost  uint64
}

// key tells apart what would classify differently: everything of a record but
// its counters, times, interfaces, type of service and the client's port.
type key struct {
	set                       *intel.Set
	src, dst, natSrc, natDst  flow.Addr
	exporter                  flow.Addr
	domain, sampling          uint32
	has                       flow.Fields
	port                      uint16
	atDst                     bool // port is the destination's
	flags, revFlags           uint8
	sides                     Side
	proto, icmpType, icmpCode uint8
	firewall                  flow.FirewallEvent
	direction                 flow.BiflowDirection
}

func keyOf(m *Raw) key {
	r := &m.Record
	k := key{
		set: m.Set, src: r.Src, dst: r.Dst, natSrc: r.NATSrc, natDst: r.NATDst,
		exporter: r.Exporter, domain: r.Domain, sampling: r.Sampling, has: r.Has,
		flags: uint8(r.TCPFlags), revFlags: uint8(r.RevTCPFlags),
		sides: m.Sides, proto: r.Proto, icmpType: r.ICMPType, icmpCode: r.ICMPCode,
		firewall: r.Firewall, direction: r.Direction,
	}
	k.port, k.atDst = servicePort(r)
	return k
}

// servicePort guesses which port a server listens on, without the configured
// ports that package alert knows: a lone SYN goes to it, else it is the lower.
func servicePort(r *flow.Record) (port uint16, atDst bool) {
	const told = flow.FIN | flow.SYN | flow.RST | flow.PSH | flow.ACK
	if r.TCPFlags&told == flow.SYN || r.DstPort <= r.SrcPort {
		return r.DstPort, true
	}
	return r.SrcPort, false
}

// Add takes a match, of which it keeps a copy. When the table is full and holds
// nothing like it, its records are counted as lost.
func (o *Overflow) Add(m *Raw) {
	if o.slots == nil {
		o.slots = make([]Raw, overflowSlots)
		o.index = make(map[key]int, overflowSlots)
	}
	k := keyOf(m)
	if at, ok := o.index[k]; ok {
		o.slots[at].merge(m)
		return
	}
	if o.n == len(o.slots) {
		o.lost += m.Count
		return
	}
	at := (o.head + o.n) % len(o.slots)
	o.slots[at] = *m
	o.index[k] = at
	o.n++
}

// Drain hands over what is kept, oldest first, until send returns false; that
// one is kept. What send is given is its own until it returns.
func (o *Overflow) Drain(send func(*Raw) bool) {
	for o.n > 0 {
		m := &o.slots[o.head]
		if !send(m) {
			return
		}
		delete(o.index, keyOf(m))
		*m = Raw{} // lets go of the set
		o.head = (o.head + 1) % len(o.slots)
		o.n--
	}
}

// Len returns how many folded matches are kept.
func (o *Overflow) Len() int { return o.n }

// Lost returns how many records were lost because the table was full. It only grows.
func (o *Overflow) Lost() uint64 { return o.lost }

// merge adds n's records to m's.
func (m *Raw) merge(n *Raw) {
	if m.First == 0 {
		m.First = m.Record.Received
	}
	first := n.First
	if first == 0 {
		first = n.Record.Received
	}
	m.First = min(m.First, first)
	m.Count = flow.Sum(m.Count, n.Count)

	a, b := &m.Record, &n.Record
	a.Received = max(a.Received, b.Received)
	if a.Has&flow.HasStart != 0 {
		a.Start = min(a.Start, b.Start)
	}
	if a.Has&flow.HasEnd != 0 {
		a.End = max(a.End, b.End)
	}
	a.Bytes, a.Packets = flow.Sum(a.Bytes, b.Bytes), flow.Sum(a.Packets, b.Packets)
	a.RevBytes, a.RevPackets = flow.Sum(a.RevBytes, b.RevBytes), flow.Sum(a.RevPackets, b.RevPackets)
}
