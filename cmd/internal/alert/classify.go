package alert

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/match"
	"github.com/flowhound/flowhound/plugin/hit"
)

// Classify makes an Event of a raw match at the given time. It returns false when no
// indicator is left: all have expired or are muted.
//
// Where several addresses of the record are listed, the one with the best
// indicator makes the event: highest severity, then score, then longest prefix;
// then the responder, so that both directions of a conversation choose alike.
func (p *Policy) Classify(raw *match.Raw, now time.Time) (Event, bool) {
	c := classifier{policy: p, raw: raw, r: &raw.Record, evidence: evidenceOf(&raw.Record)}
	c.srcOpened, c.told, c.seen = p.orient(c.r)

	var best Event
	found := false
	for _, side := range [...]match.Side{match.Dst, match.Src, match.NATDst, match.NATSrc} {
		if raw.Sides&side == 0 {
			continue
		}
		indicators := c.indicators(side, now)
		if len(indicators) == 0 {
			continue
		}
		e := c.event(side, indicators)
		if !p.mute(&e, now) {
			continue
		}
		if !found {
			best, found = e, true
			continue
		}
		if better(&e, &best) {
			best, e = e, best
		}
		best.Others = append(append(best.Others, e.Indicators...), e.Others...)
	}
	return best, found
}

func better(a, b *Event) bool {
	aResponds, bResponds := btoi(a.LocalOpened), btoi(b.LocalOpened)
	return cmp.Or(cmp.Compare(b.Severity, a.Severity), intel.Compare(&a.Indicators[0], &b.Indicators[0]),
		cmp.Compare(bResponds, aResponds)) < 0
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// classifier holds what all sides of one record share.
type classifier struct {
	policy    *Policy
	raw       *match.Raw
	r         *flow.Record
	evidence  evidence
	srcOpened bool
	told      bool
	seen      bool
}

// indicators returns the live indicators on one address of the record, their scores
// as the port that the address used makes them.
func (c *classifier) indicators(side match.Side, now time.Time) []intel.Indicator {
	var a flow.Addr
	port, natPort := c.r.DstPort, c.r.NATDstPort
	if side&(match.Src|match.NATSrc) != 0 {
		port, natPort = c.r.SrcPort, c.r.NATSrcPort
	}
	switch side {
	case match.Src:
		a = c.r.Src
	case match.Dst:
		a = c.r.Dst
	case match.NATSrc:
		a = c.r.NATSrc
	case match.NATDst:
		a = c.r.NATDst
	}
	if side&(match.NATSrc|match.NATDst) != 0 && natPort != 0 {
		port = natPort
	}
	var all []intel.Indicator
	if c.policy.lookup == nil {
		all = c.raw.Set.Lookup(a.IP(), now)
	} else if all = c.policy.lookup(a); len(all) > 1 || len(all) == 1 && all[0].Port != 0 {
		all = slices.Clone(all) // they are scored by the port, and put in order
	}
	ported := false
	for n := range all {
		if i := &all[n]; i.Port != 0 {
			ported = true
			fits := hasPorts(c.r) && i.Port == port
			i.Score, i.Elsewhere = PortScore(i.Score, fits), !fits
		}
	}
	if ported {
		intel.Rank(all)
	}
	return all
}

// PortScore is the score of an indicator that names a port, for a flow that used
// that port at the listed address or did not: the port halves what is missing to
// certainty, another one (or a protocol without ports) halves the score. So one of
// 60 is worth 80 on its port and 30 elsewhere, where below 50 the severity is a
// step less: the host may have been cleaned, shared or behind address translation,
// but talking to it is no coincidence to be silent about.
func PortScore(score uint8, fits bool) uint8 {
	if fits {
		return 100 - (100-min(score, 100))/2
	}
	return (score + 1) / 2
}

// end is one end of the record.
type end struct {
	addr, nat      flow.Addr
	port           int
	bytes, packets uint64
	as             uint32
	data           bool
}

func (c *classifier) ends() (src, dst end) {
	r := c.r
	src = end{addr: r.Src, port: hit.NoPort, bytes: r.Bytes, packets: r.Packets, as: toldAS(r.SrcAS), data: c.evidence.srcData}
	dst = end{addr: r.Dst, port: hit.NoPort, as: toldAS(r.DstAS), data: c.evidence.dstData}
	if r.Has&flow.HasReverse != 0 {
		dst.bytes, dst.packets = r.RevBytes, r.RevPackets
	}
	if r.Has&flow.HasNATSrc != 0 {
		src.nat = r.NATSrc
	}
	if r.Has&flow.HasNATDst != 0 {
		dst.nat = r.NATDst
	}
	if hasPorts(r) {
		src.port, dst.port = int(r.SrcPort), int(r.DstPort)
	}
	return src, dst
}

// toldAS is the number of an autonomous system that a router told, without those that
// stand for another one or for none: AS_TRANS (RFC 6793) and the last ones (RFC 7300).
func toldAS(as uint32) uint32 {
	switch as {
	case 23456, math.MaxUint16, math.MaxUint32:
		return 0
	}
	return as
}

// network returns the own network that holds the end before or after
// translation, and its address there.
func (c *classifier) network(e *end) (netip.Prefix, flow.Addr) {
	if n := c.policy.network(e.addr); n.IsValid() || e.nat.IsUnspecified() {
		return n, e.addr
	}
	if n := c.policy.network(e.nat); n.IsValid() {
		return n, e.nat
	}
	return netip.Prefix{}, e.addr
}

// event makes the event in which the given address is the remote one.
func (c *classifier) event(side match.Side, indicators []intel.Indicator) Event {
	r := c.r
	remote, local := c.ends()
	remoteIsSrc := side&(match.Src|match.NATSrc) != 0
	if !remoteIsSrc {
		remote, local = local, remote
	}
	e := Event{
		MatchedNAT: side&(match.NATSrc|match.NATDst) != 0,
		NATLocal:   local.nat, NATRemote: remote.nat,
		Proto: r.Proto, LocalPort: local.port, RemotePort: remote.port,
		ICMPType: hit.NoPort, ICMPCode: hit.NoPort,
		LocalOpened: c.srcOpened != remoteIsSrc, OpenerTold: c.told, OpenerSeen: c.seen, LocalSent: !remoteIsSrc,
		SYN:       r.Proto == protoTCP && r.TCPFlags&flow.SYN != 0,
		LocalData: local.data, RemoteData: remote.data,
		talked: c.evidence.talked, built: c.evidence.built, denied: c.evidence.denied, loneSYN: c.evidence.loneSYN,
		Indicators: indicators, DNSBL: c.raw.DNSBL,
		Count:      max(c.raw.Count, 1),
		LocalBytes: scaleBySampling(local.bytes, r.Sampling), LocalPackets: scaleBySampling(local.packets, r.Sampling),
		RemoteBytes: scaleBySampling(remote.bytes, r.Sampling), RemotePackets: scaleBySampling(remote.packets, r.Sampling),
		Exporter: r.Exporter, Domain: r.Domain, Sampling: r.Sampling,
		policy: c.policy,
	}
	e.LocalNetwork, e.Local = c.network(&local)
	e.RemoteNetwork, _ = c.network(&remote)
	e.Remote, e.RemoteAS = remote.addr, remote.as
	if e.MatchedNAT {
		e.Remote, e.RemoteAS = remote.nat, 0
	}
	if e.Local == local.addr {
		e.LocalAS = local.as
	}
	if flow.IsICMP(r.Proto) && r.Has&flow.HasICMP != 0 {
		e.ICMPType, e.ICMPCode = int(r.ICMPType), int(r.ICMPCode)
	}
	e.setTimes(c.raw)
	e.Sent = e.LocalBytes
	if e.Told = e.LocalBytes + e.RemoteBytes; e.Told < e.LocalBytes {
		e.Told = math.MaxUint64
	}
	e.Outlasted = e.LogsIn() && time.Duration(e.End-e.Start) > LoginGrace
	e.Assess()
	return e
}

// setTimes fills what the exporter did not send from what it did, or from the
// time of receipt.
func (e *Event) setTimes(raw *match.Raw) {
	r := &raw.Record
	e.First, e.Last = r.Received, r.Received
	if raw.First != 0 {
		e.First = raw.First
	}
	switch r.Has & (flow.HasStart | flow.HasEnd) {
	case flow.HasStart | flow.HasEnd:
		e.Start, e.End = r.Start, max(r.Start, r.End)
	case flow.HasStart:
		e.Start, e.End = r.Start, r.Start
	case flow.HasEnd:
		e.Start, e.End = r.End, r.End
	default:
		e.Start, e.End = e.First, e.Last
	}
}
