package alert

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/hit"
)

// Event is a match that has been classified. It is complete in itself: the throttle
// needs nothing else. Its sides are Remote, the address that an indicator
// covers, and Local, the other.
type Event struct {
	// Local is the address inside the own networks where the exporter sent
	// one before and one after translation. Remote is the translated address
	// where that matched (MatchedNAT).
	Local, Remote flow.Addr
	MatchedNAT    bool
	// NATLocal and NATRemote are the sides' translated addresses, as sent.
	NATLocal, NATRemote flow.Addr
	// LocalNetwork and RemoteNetwork are the entries of networks.local that
	// hold the sides; invalid: outside.
	LocalNetwork, RemoteNetwork netip.Prefix

	// LocalAS and RemoteAS are the sides' autonomous systems as the router told them;
	// 0: it did not, or not of this address.
	LocalAS, RemoteAS uint32

	Proto                 uint8
	LocalPort, RemotePort int // 0-65535 or hit.NoPort
	// ICMPType and ICMPCode are hit.NoPort for other protocols.
	ICMPType, ICMPCode int

	// LocalOpened says who called; when the record did not tell (OpenerTold),
	// its sender is assumed, and only what came before can tell better.
	// OpenerSeen: the packets or the exporter told, and not the ports alone.
	LocalOpened, OpenerTold, OpenerSeen bool
	// SYN: the record's sender sent one, alone or with an ACK.
	SYN bool
	// LocalSent: the record's own sender was the local side.
	LocalSent bool
	// LocalData and RemoteData: the side is known to have sent data.
	LocalData, RemoteData bool
	// Sent is how many bytes the local side has sent in the whole conversation, and
	// Outlasted says that it went on for longer than an attempt to log in does: as
	// far as the record shows, or what came before.
	Sent      uint64
	Outlasted bool
	// Raised: the volume sent makes it a severity worse.
	Raised bool

	talked, built, denied, loneSYN bool // see evidence

	// Assess sets these three.
	Direction hit.Direction
	State     hit.State
	Severity  hit.Severity

	// Indicators cover Remote, best first, and are never empty; Others cover
	// other addresses of the record. The event owns both.
	Indicators, Others []intel.Indicator

	DNSBL bool // the indicators are listings of DNS blacklists

	Count uint64 // flow records
	// Duplicates are flow records that another exporter had told before; they add
	// nothing to the counters.
	Duplicates uint64
	Told       uint64 // bytes, as this record tells them, counted before or not
	// The counters are multiplied by Sampling, by who sent them, and saturate.
	LocalBytes, LocalPackets, RemoteBytes, RemotePackets uint64

	Exporter         flow.Addr
	Domain, Sampling uint32
	// Unix nanoseconds: the flow's span (as received, where not sent), and
	// the earliest and latest time of receipt.
	Start, End, First, Last int64

	policy *Policy
}

// Assess sets Direction, State, Severity and the order of Indicators by the
// other fields. Classify has called it; call it again after changing LocalOpened,
// LocalData, RemoteData, Sent, Outlasted or Raised.
func (e *Event) Assess() {
	from, to := e.RemoteNetwork.IsValid(), e.LocalNetwork.IsValid()
	if e.LocalOpened {
		from, to = to, from
	}
	switch {
	case from && to:
		e.Direction = hit.Internal
	case from:
		e.Direction = hit.Outbound
	case to:
		e.Direction = hit.Inbound
	default:
		e.Direction = hit.Transit
	}
	e.State = e.state()
	if len(e.Indicators) > 1 {
		slices.SortStableFunc(e.Indicators, func(a, b intel.Indicator) int {
			return cmp.Or(cmp.Compare(e.severity(&b), e.severity(&a)), intel.Compare(&a, &b))
		})
	}
	e.Severity = e.severity(&e.Indicators[0])
}

func (e *Event) severity(i *intel.Indicator) hit.Severity {
	return e.policy.severityOf(e, i)
}

// served reports whether a local server gave more than a refusal: much data, or a
// conversation that goes on where attempts to log in end.
func (e *Event) served() bool {
	port := e.ServicePort()
	return e.LocalData && e.RemoteData && port != hit.NoPort && e.policy.isService(uint16(port)) &&
		(e.Sent > ServedBytes || e.Outlasted)
}

// LogsIn reports whether the conversation is with a service that asks for a
// password first.
func (e *Event) LogsIn() bool {
	port := e.ServicePort()
	return port != hit.NoPort && logins[uint16(port)]
}

// SentOut returns the bytes that left the own networks towards the listed address,
// and those that came from it; ok is false where neither side is ours.
func (e *Event) SentOut() (sent, received uint64, ok bool) {
	switch {
	case e.LocalNetwork.IsValid():
		return e.LocalBytes, e.RemoteBytes, true
	case e.RemoteNetwork.IsValid():
		return e.RemoteBytes, e.LocalBytes, true
	}
	return 0, 0, false
}

// BehindNAT reports whether the local side is an address that others are translated
// to (networks.nat), and not known by its own.
func (e *Event) BehindNAT() bool { return e.policy.translated(e.Local) }

// NATKnown reports whether networks.nat is set at all.
func (e *Event) NATKnown() bool { return len(e.policy.nat) > 0 }

// Fixed reports whether the configuration fixes the severity.
func (e *Event) Fixed() bool {
	_, ok := e.policy.severity[e.Indicators[0].Category]
	return ok
}

// ServicePort is the port of the side that was called, or hit.NoPort.
func (e *Event) ServicePort() int {
	if e.LocalOpened {
		return e.RemotePort
	}
	return e.LocalPort
}

// ClientPort is the port of the side that called, or hit.NoPort.
func (e *Event) ClientPort() int {
	if e.LocalOpened {
		return e.LocalPort
	}
	return e.RemotePort
}

// Probe reports whether nothing shows an answer: an attempt, or a lone SYN of a
// sampling exporter, which tells no more.
func (e *Event) Probe() bool {
	return e.State == hit.Attempt || e.State == hit.Unknown && e.loneSYN
}

// Inside returns the address that lies in the own networks, and the entry of
// networks.local that holds it: the opener of an outbound conversation, the
// responder of an inbound one, else Local. It differs from Local when an
// indicator covers an address of one's own.
func (e *Event) Inside() (flow.Addr, netip.Prefix) {
	if e.RemoteNetwork.IsValid() && !e.LocalNetwork.IsValid() {
		return e.Remote, e.RemoteNetwork
	}
	return e.Local, e.LocalNetwork
}
