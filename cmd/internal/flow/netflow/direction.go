package netflow

import "github.com/flowhound/flowhound/cmd/internal/flow"

// Elements 23 and 24 (171 and 172) count the same packets as 1 and 2 after the device
// changed them, say IANA and Cisco's routers. Meraki, nProbe and others count the other
// direction there; FortiGates repeat the first ones, or write 1. What an exporter means
// shows over time: packets that a device sent on are not more, nor larger, than what it
// received by much. A record that shows it by itself counts at once, the others
// when enough of them did; until then they have one direction, because an answer that
// was never given would make a connection of an attempt.

// OutBytes says what elements 23 and 24 count in records that hold 1 and 2 as well.
type OutBytes uint8

// The values of OutBytes.
const (
	OutUnknown OutBytes = iota // it is found out
	OutSame                    // the same direction, after the device
	OutReverse                 // the other direction
)

// out is what an exporter showed so far.
type out struct {
	configured    OutBytes
	same, reverse uint8
}

const (
	// enoughShown is how many records must have shown the same before it holds for
	// all, and how many times as many as show the opposite.
	enoughShown = 8
	// maxShown is when both counts are halved: an exporter may be replaced.
	maxShown = 200
	// A device adds no more than outOverhead bytes to a packet (a tunnel's headers),
	// takes no more than inOverhead from it (IPv6 to IPv4), and makes fragments of
	// packets of minFragmented bytes at least.
	outOverhead   = 120
	inOverhead    = 40
	minFragmented = 500
	minPacket     = 20
)

// means returns what the exporter means, as far as it is known.
func (o *out) means() OutBytes {
	switch {
	case o.configured != OutUnknown:
		return o.configured
	case o.reverse >= enoughShown && o.reverse/enoughShown >= o.same:
		return OutReverse
	case o.same >= enoughShown && o.same/enoughShown >= o.reverse:
		return OutSame
	}
	return OutUnknown
}

func (o *out) learn(shown OutBytes) {
	switch shown {
	case OutSame:
		o.same++
	case OutReverse:
		o.reverse++
	}
	if max(o.same, o.reverse) >= maxShown {
		o.same, o.reverse = o.same/2, o.reverse/2
	}
}

// applyOut gives a record the counters of elements 23 and 24.
func (m *message) applyOut(r *flow.Record) {
	o := &m.exporter.out
	meant := o.means()
	if o.configured == OutUnknown {
		shown := shows(r, m.outBytes, m.outPackets)
		o.learn(shown)
		if meant == OutUnknown {
			meant = shown
		} else if meant == OutReverse && !aPacket(m.outBytes, m.outPackets) {
			meant = OutSame
		}
	}
	if meant == OutReverse {
		setFirst(&r.RevBytes, m.outBytes)
		setFirst(&r.RevPackets, m.outPackets)
		r.Has |= flow.HasReverse
		return
	}
	setFirst(&r.Bytes, m.outBytes)
	setFirst(&r.Packets, m.outPackets)
}

// aPacket reports whether counters can be those of packets.
func aPacket(bytes, packets uint64) bool {
	return bytes >= minPacket*max(packets, 1) || bytes == 0 && packets == 0
}

// shows tells what the outer counters of one record can only mean.
func shows(r *flow.Record, bytes, packets uint64) OutBytes {
	in, sent := r.Bytes, max(r.Packets, 1)
	switch {
	case bytes == 0 || in == 0 || manyReceive(r.Dst):
		return OutUnknown
	case !aPacket(bytes, packets):
		return OutSame // a constant
	case packets == 0 || r.Packets == 0: // there are bytes alone
		if bytes > in+outOverhead*max(in/minFragmented, 16) {
			return OutReverse
		}
	case packets > sent+in/minFragmented, // not fragments
		packets <= sent && bytes > in+outOverhead*sent,   // not headers
		packets >= sent && bytes+inOverhead*packets < in: // as many, but smaller
		return OutReverse
	}
	if r.Proto == protoTCP && packets == r.Packets && packets > 3 && bytes+inOverhead*packets >= in && bytes <= in+outOverhead*packets {
		return OutSame
	}
	return OutUnknown
}

const protoTCP = 6

// manyReceive reports whether a device may send on more packets than it received.
func manyReceive(a flow.Addr) bool {
	if a.Is4() {
		return a.V4()>>28 >= 0xe
	}
	return a.Hi>>56 == 0xff
}
