package alert

import (
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/plugin/hit"
)

// What a TCP packet without data measures at most, IP header included: the
// options of a SYN fill 20 bytes. More a packet, on average, is data.
const (
	bareTCP4 = 60
	bareTCP6 = 80
	// layer2 is what Ethernet adds: header, two VLAN tags, checksum.
	layer2 = 26
)

// evidence is what a record shows of how far a conversation came. Nothing in it
// depends on who is local or who called whom.
type evidence struct {
	// srcData and dstData: the side sent more than handshakes and refusals.
	srcData, dstData bool
	// talked: a TCP side acknowledged, and pushed data or finished in order.
	talked bool
	// built: a firewall that counts nothing says the connection exists.
	built bool
	// denied: a firewall let nothing through.
	denied bool
	// loneSYN: a SYN is all that a sampling exporter happened to see.
	loneSYN bool
}

func evidenceOf(r *flow.Record) evidence {
	e := evidence{srcData: hasData(r, r.Bytes, r.Packets)}
	if r.Has&flow.HasReverse != 0 {
		e.dstData = hasData(r, r.RevBytes, r.RevPackets)
	}
	if r.Proto == protoTCP {
		e.talked = talked(r.TCPFlags) || talked(r.RevTCPFlags)
		e.loneSYN = r.Sampling > 1 && r.RevPackets == 0 &&
			r.TCPFlags&(flow.FIN|flow.SYN|flow.RST|flow.PSH|flow.ACK) == flow.SYN
	}
	if r.Has&flow.HasFirewall != 0 {
		switch r.Firewall {
		case flow.FirewallDenied:
			e.denied = true
		case flow.FirewallCreated, flow.FirewallDeleted, flow.FirewallUpdate:
			// Counters, where sent, know better: a teardown may end an
			// attempt that nobody answered.
			e.built = r.Has&(flow.HasBytes|flow.HasReverse) == 0
		}
	}
	return e
}

func talked(flags uint16) bool {
	return flags&flow.ACK != 0 && flags&(flow.PSH|flow.FIN) != 0
}

// hasData reports whether one side's counters show data.
func hasData(r *flow.Record, bytes, packets uint64) bool {
	switch {
	case bytes == 0 && packets == 0:
		return false
	case flow.IsICMP(r.Proto):
		return r.Has&flow.HasICMP == 0 || kindOfICMP(r) != icmpError
	case r.Proto != protoTCP:
		return true
	case r.Has&flow.HasFirewall != 0 && r.Has&flow.HasReverse != 0:
		return bytes > 0 // NSEL counts payload alone
	}
	bare := uint64(bareTCP4)
	if !r.Src.Is4() {
		bare = bareTCP6
	}
	if r.Has&flow.HasLayer2 != 0 {
		bare += layer2
	}
	return bytes > bare*max(packets, 1)
}

// state says how far the conversation came, as far as the event shows.
func (e *Event) state() hit.State {
	responderData := e.LocalData
	if e.LocalOpened {
		responderData = e.RemoteData
	}
	switch {
	case e.denied:
		return hit.Attempt
	case e.talked, e.built, e.LocalData && e.RemoteData:
		return hit.Established
	case responderData && !e.LocalOpened:
		return hit.Established // our own would not send data to one who did not ask
	case responderData, e.loneSYN:
		return hit.Unknown
	}
	return hit.Attempt
}
