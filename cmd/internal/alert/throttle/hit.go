package throttle

import (
	"net/netip"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/alert/regular"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/plugin/hit"
)

// hit makes the hit of what an entry holds; Kind and Time are left to the caller, and
// places, but for what the router told, to who knows them.
func (h *held) hit(e *entry) *hit.Hit {
	s := &h.shown
	best := &s.indicators[0]
	out := &hit.Hit{
		Severity: h.severity, Direction: directions[s.direction], State: states[h.state],
		Category: best.Category.String(), Feed: best.Feed, IOC: best.Prefix, Score: int(best.Confidence()), Ref: best.Ref, Name: best.Name,
		SrcPort: int(h.clientPort), DstPort: int(h.servicePort), Proto: s.proto,
		Count: h.count, Duplicates: h.duplicates, Bytes: h.bytes(), Packets: flow.Sum(h.srcPackets, h.dstPackets),
		SrcBytes: h.srcBytes, DstBytes: h.dstBytes, SrcPackets: h.srcPackets, DstPackets: h.dstPackets,
		Exporter: s.exporter.IP(), Domain: s.domain, Sampling: s.sampling,
		Start: stamp(h.start), End: stamp(h.end), First: stamp(h.first), Last: stamp(h.last),
		ID:         alert.HitID(e.series, e.lines),
		Indicators: alert.Indicators(s.indicators, s.others),
		Shared:     best.Shared, Scanner: best.Scanner,
	}
	if flow.IsICMP(s.proto) {
		out.SrcPort, out.DstPort = int(h.icmpType), int(h.icmpCode)
	} else if isNoise(e.key) {
		out.DstPort = int(e.key.port)
	}
	h.setAddresses(out)
	h.setExporters(out)
	if e.clock != nil {
		out.Regular = regularity(e.clock)
	}
	return out
}

// setExporters names who told, and for the line the one who told the most.
func (h *held) setExporters(out *hit.Hit) {
	most := share{}
	for _, s := range h.exporters {
		out.Exporters = append(out.Exporters, hit.Share{Exporter: s.exporter.IP(), Count: s.count, Bytes: s.bytes})
		if s.bytes > most.bytes || s.bytes == most.bytes && s.count > most.count {
			most = s
		}
	}
	if most.count > 0 {
		out.Exporter = most.exporter.IP()
	}
}

// regularity is what there is to say of a pair's clock, nil when that is nothing.
func regularity(s *regular.State) *hit.Regular {
	v := s.Verdict()
	r := &hit.Regular{HeldSeconds: v.Held}
	if v.Regular() {
		*r = hit.Regular{
			Score: v.Score, PeriodSeconds: v.Period, DeviationSeconds: v.Deviation,
			Contacts: int(v.Contacts), Missed: v.Missed, SizeBytes: v.Size, SizeDeviationBytes: v.SizeDev, HeldSeconds: v.Held,
		}
	}
	if *r == (hit.Regular{}) {
		return nil
	}
	return r
}

// setAddresses fills who was on which side.
func (h *held) setAddresses(out *hit.Hit) {
	s := &h.shown
	local := s.local
	if h.behind != nil {
		out.Sources, out.Targets = len(h.behind.sources.counts), len(h.behind.targets.counts)
		local = h.busiestLocal()
	}
	out.Local, out.Remote = local.IP(), s.remote.IP()
	natLocal, natRemote := alert.IP(s.natLocal), alert.IP(s.natRemote)
	localAS := s.localAS
	if local != s.local { // another target than the event's
		natLocal, localAS = netip.Addr{}, 0
	}
	if s.localOpened {
		out.SrcPlace.AS, out.DstPlace.AS = localAS, s.remoteAS
		out.Src, out.Dst, out.NATSrc, out.NATDst = out.Local, out.Remote, natLocal, natRemote
	} else {
		out.SrcPlace.AS, out.DstPlace.AS = s.remoteAS, localAS
		out.Src, out.Dst, out.NATSrc, out.NATDst = out.Remote, out.Local, natRemote, natLocal
	}
	out.Matched = matched(s)
}

func matched(s *shown) hit.Matched {
	switch {
	case s.localOpened && s.matchedNAT:
		return hit.MatchedNATDst
	case s.localOpened:
		return hit.MatchedDst
	case s.matchedNAT:
		return hit.MatchedNATSrc
	}
	return hit.MatchedSrc
}
