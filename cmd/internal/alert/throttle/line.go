package throttle

import (
	"net/netip"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/hit"
)

// hit makes the hit of what an entry holds; Kind, Time and Country are left to
// the caller.
func (h *held) hit(e *entry) *hit.Hit {
	ev := &h.event
	best := &ev.Indicators[0]
	out := &hit.Hit{
		Severity: h.severity, Direction: ev.Direction, State: h.state,
		Category: best.Category.String(), Feed: best.Feed, IOC: best.Prefix, Score: int(best.Confidence()), Ref: best.Ref, Name: best.Name,
		SrcPort: h.clientPort, DstPort: h.servicePort, Proto: ev.Proto,
		Count: h.count, Bytes: h.bytes(), Packets: sum(h.srcPackets, h.dstPackets),
		SrcBytes: h.srcBytes, DstBytes: h.dstBytes, SrcPackets: h.srcPackets, DstPackets: h.dstPackets,
		Exporter: ev.Exporter.IP(), Domain: ev.Domain, Sampling: ev.Sampling,
		Start: stamp(h.start), End: stamp(h.end), First: stamp(h.first), Last: stamp(h.last),
		ID:         id(e.series, e.lines),
		Indicators: indicators(ev.Indicators, ev.Others),
	}
	if isICMP(ev.Proto) {
		out.SrcPort, out.DstPort = h.icmpType, h.icmpCode
	} else if isNoise(e.key) {
		out.DstPort = int(e.key.port)
	}
	h.setAddresses(out, e)
	return out
}

// setAddresses fills who was on which side.
func (h *held) setAddresses(out *hit.Hit, e *entry) {
	ev := &h.event
	local := ev.Local
	if e.key.scope != scopePair {
		out.Sources, out.Targets = len(h.sources.counts), len(h.targets.counts)
		local = h.targets.busiest
		if ev.LocalOpened {
			local = h.sources.busiest
		}
	}
	out.Local, out.Remote = local.IP(), ev.Remote.IP()
	natLocal, natRemote := ip(ev.NATLocal), ip(ev.NATRemote)
	if local != ev.Local { // another target than the event's
		natLocal = netip.Addr{}
	}
	if ev.LocalOpened {
		out.Src, out.Dst, out.NATSrc, out.NATDst = out.Local, out.Remote, natLocal, natRemote
	} else {
		out.Src, out.Dst, out.NATSrc, out.NATDst = out.Remote, out.Local, natRemote, natLocal
	}
	out.Matched = matched(ev)
}

func matched(ev *alert.Event) hit.Matched {
	switch {
	case ev.LocalOpened && ev.MatchedNAT:
		return hit.MatchedNATDst
	case ev.LocalOpened:
		return hit.MatchedDst
	case ev.MatchedNAT:
		return hit.MatchedNATSrc
	}
	return hit.MatchedSrc
}

func ip(a flow.Addr) netip.Addr {
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a.IP()
}

func isICMP(proto uint8) bool { return proto == 1 || proto == 58 }

func indicators(lists ...[]intel.Indicator) []hit.Indicator {
	var out []hit.Indicator
	for _, list := range lists {
		for i := range list {
			in := &list[i]
			x := hit.Indicator{
				IOC: in.Prefix, Feed: in.Feed, Category: in.Category.String(), Score: int(in.Score),
				Ref: in.Ref, Name: in.Name, FirstSeen: in.FirstSeen, LastSeen: in.LastSeen,
			}
			if in.Tags != "" {
				x.Tags = strings.Split(in.Tags, ",")
			}
			out = append(out, x)
		}
	}
	return out
}
