package throttle

import (
	"math/bits"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
)

const (
	// connSets of connWays connections are remembered: 800 kB.
	connSets, connWays = 1024, 4
	// connFor is how long after its last record a connection is remembered, in
	// seconds: a client's port is another connection's by then, and exporters tell
	// of one flow within their timeouts of each other.
	connFor = 300
	// connExporters is how many exporters are told apart on one connection. Others
	// share the last place: then too much is counted, never too little.
	connExporters = 3
)

// conn is what several records, of several exporters, tell of one connection: its
// addresses, protocol and both ports.
type conn struct {
	tag  uint64 // which connection; 0: the place is free
	at   int64  // Unix seconds of the last record
	from int64  // Unix nanoseconds: its earliest start
	to   int64  // and its latest end: a SYN after it opens another connection

	// Who opened, as any exporter saw it.
	known, localOpened bool
	// When each side sent its SYN, or, where ports are equal, its first packet, and who
	// says so: the earlier opened. Exporters' clocks differ, so one must have seen both.
	synLocal, synRemote     int64
	synLocalBy, synRemoteBy uint32

	exporters uint8
	told      [connExporters]told
}

// told is what one exporter has told of a connection.
type told struct {
	exporter      uint32
	local, remote side
}

// side is what one side sent.
type side struct{ records, bytes, packets uint64 }

func (s *side) add(o side) {
	s.records, s.bytes, s.packets = flow.Sum(s.records, o.records), flow.Sum(s.bytes, o.bytes), flow.Sum(s.packets, o.packets)
}

// beyond returns what s has more than o.
func (s side) beyond(o side) side {
	return side{s.records - min(s.records, o.records), s.bytes - min(s.bytes, o.bytes), s.packets - min(s.packets, o.packets)}
}

func (s side) most(o side) side {
	return side{max(s.records, o.records), max(s.bytes, o.bytes), max(s.packets, o.packets)}
}

// conns remembers connections for a few minutes, in sets of connWays by hash. A
// flood of connections makes it forget, and then records are counted that another
// exporter had told; nobody can make it leave out what one exporter alone tells.
type conns struct{ set [][connWays]conn }

// find returns the connection of an event, a new one if it is not remembered.
func (c *conns) find(ev *alert.Event) *conn {
	if c.set == nil {
		c.set = make([][connWays]conn, connSets)
	}
	tag := uint64(ev.Proto) + 1
	for _, x := range [...]uint64{ev.Local.Hi, ev.Local.Lo, ev.Remote.Hi, ev.Remote.Lo, uint64(uint16(ev.LocalPort))<<16 | uint64(uint16(ev.RemotePort))} {
		tag = mix(tag, x)
	}
	tag |= 1
	now := ev.Last / 1e9
	set := &c.set[tag>>32%connSets]
	worst := &set[0]
	for i := range set {
		x := &set[i]
		if x.tag == tag && now-x.at <= connFor {
			if ev.SYN && ev.Start > x.to+int64(time.Second) {
				*x = conn{tag: tag, from: ev.Start, to: ev.End}
			}
			x.at, x.to = max(x.at, now), max(x.to, ev.End)
			return x
		}
		if x.weight(now) < worst.weight(now) || x.weight(now) == worst.weight(now) && x.at < worst.at {
			worst = x
		}
	}
	*worst = conn{tag: tag, at: now, from: ev.Start, to: ev.End}
	return worst
}

// weight ranks connections when one must go: the forgotten first, then those of
// which one side alone was heard, as of all that is forged or swept.
func (x *conn) weight(now int64) int {
	t := &x.told[0]
	switch {
	case x.tag == 0 || now-x.at > connFor:
		return 0
	case t.local.records == 0 || t.remote.records == 0:
		return 1
	}
	return 2
}

// exporterOf tells exporters and their observation domains apart.
func exporterOf(ev *alert.Event) uint32 {
	return uint32(mix(mix(ev.Exporter.Hi, ev.Exporter.Lo), uint64(ev.Domain))) | 1
}

// mix folds x into a hash. It is the same in every run, so that a replay is.
func mix(h, x uint64) uint64 {
	hi, lo := bits.Mul64(h^x^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	return hi ^ lo
}

// learn takes from an event who opened the connection.
func (x *conn) learn(ev *alert.Event) {
	x.from = min(x.from, ev.Start)
	if ev.OpenerSeen {
		x.known, x.localOpened = true, ev.LocalOpened
		return
	}
	if !ev.SYN && ev.OpenerTold || x.known {
		return
	}
	by := exporterOf(ev)
	// The first that an exporter tells of a side counts, and better of one that told
	// of the other side too.
	switch {
	case ev.LocalSent && (x.synLocalBy == 0 || x.synLocalBy != x.synRemoteBy && by == x.synRemoteBy):
		x.synLocal, x.synLocalBy = ev.Start, by
	case !ev.LocalSent && (x.synRemoteBy == 0 || x.synLocalBy != x.synRemoteBy && by == x.synLocalBy):
		x.synRemote, x.synRemoteBy = ev.Start, by
	}
	if x.synLocalBy == x.synRemoteBy && x.synLocal != x.synRemote {
		x.known, x.localOpened = true, x.synLocal < x.synRemote
	}
}

// orient turns an event round that guessed wrong who opened.
func (x *conn) orient(ev *alert.Event) {
	if !x.known || ev.OpenerSeen {
		return
	}
	turned := ev.LocalOpened != x.localOpened
	ev.LocalOpened, ev.OpenerTold, ev.OpenerSeen = x.localOpened, true, true
	if turned {
		ev.Assess()
	}
}

// tell takes an event's counters and leaves in it what exceeds the most that one
// exporter has told of the connection so far: the rest was told before.
// It returns whether this is the first that is heard of the connection.
func (x *conn) tell(ev *alert.Event) (first bool) {
	first = x.exporters == 0
	local, remote := side{bytes: ev.LocalBytes, packets: ev.LocalPackets}, side{bytes: ev.RemoteBytes, packets: ev.RemotePackets}
	if ev.LocalSent {
		local.records = ev.Count
	} else {
		remote.records = ev.Count
	}
	var most, rest told
	by, own := exporterOf(ev), -1
	for i := range x.told[:x.exporters] {
		t := &x.told[i]
		most.local, most.remote = most.local.most(t.local), most.remote.most(t.remote)
		if t.exporter == by {
			own = i
		}
	}
	if own < 0 {
		if int(x.exporters) < connExporters {
			x.exporters++
		}
		own = int(x.exporters) - 1
		if x.told[own].exporter == 0 {
			x.told[own].exporter = by
		}
	}
	t := &x.told[own]
	t.local.add(local)
	t.remote.add(remote)
	rest.local, rest.remote = t.local.beyond(most.local), t.remote.beyond(most.remote)
	fresh := rest.local.records + rest.remote.records
	ev.Duplicates = flow.Sum(ev.Duplicates, ev.Count-fresh)
	ev.Count = fresh
	ev.LocalBytes, ev.LocalPackets = rest.local.bytes, rest.local.packets
	ev.RemoteBytes, ev.RemotePackets = rest.remote.bytes, rest.remote.packets
	ev.Sent = max(ev.Sent, most.local.most(t.local).bytes)
	return first
}

// lasted is how long the connection goes on, in nanoseconds.
func (x *conn) lasted(ev *alert.Event) int64 { return ev.End - min(x.from, ev.Start) }

// sketch counts distinct addresses roughly: one bit of 64 for each.
type sketch uint64

func (s *sketch) add(a flow.Addr) { *s |= 1 << (mix(a.Hi, a.Lo) >> 58) }

func (s sketch) ones() int { return bits.OnesCount64(uint64(s)) }
