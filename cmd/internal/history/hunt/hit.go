package hunt

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/plugin/hit"
)

// Hit makes the hit of a group. Its id is made of what was found and of seed alone, so
// that a hunt that runs again says the same.
func (g *Group) Hit(seed uint64, now time.Time) *hit.Hit {
	h := g.Sums()
	h.Time, h.ID, h.Regular = now, id(seed, &g.key), g.Regular()
	h.Indicators = alert.Indicators(g.worst.indicators, g.worst.others)
	return &h
}

// Sums is Hit without its id, how regularly the pair talks and all the indicators, which
// take a while to tell.
func (g *Group) Sums() hit.Hit {
	e, m := &g.worst, g.most()
	best := &e.indicators[0]
	h := hit.Hit{
		Kind: hit.Retro, Severity: e.severity, Direction: e.direction, State: g.state,
		Category: best.Category.String(), Feed: best.Feed, IOC: best.Prefix, Score: int(best.Confidence()), Ref: best.Ref, Name: best.Name,
		SrcPort: int(g.clientPort), DstPort: int(g.key.port), Proto: g.key.proto,
		Count: m.count, Duplicates: g.count - m.count, Bytes: m.bytes(), Packets: flow.Sum(m.srcPackets, m.dstPacks),
		SrcBytes: m.srcBytes, DstBytes: m.dstBytes, SrcPackets: m.srcPackets, DstPackets: m.dstPacks,
		Exporter: m.exporter.IP(), Domain: e.domain, Sampling: e.sampling,
		Start: stamp(g.start), End: stamp(g.end), First: stamp(g.first), Last: stamp(g.last),
		Shared: best.Shared, Scanner: best.Scanner,
		Local: g.key.local.IP(), Remote: g.key.remote.IP(),
	}
	if flow.IsICMP(g.key.proto) {
		h.SrcPort, h.DstPort = int(e.icmpType), int(e.icmpCode)
	}
	natLocal, natRemote := alert.IP(e.natLocal), alert.IP(e.natRemote)
	switch {
	case e.localOpened:
		h.Src, h.Dst, h.NATSrc, h.NATDst, h.Matched = h.Local, h.Remote, natLocal, natRemote, hit.MatchedDst
		if e.matchedNAT {
			h.Matched = hit.MatchedNATDst
		}
	default:
		h.Src, h.Dst, h.NATSrc, h.NATDst, h.Matched = h.Remote, h.Local, natRemote, natLocal, hit.MatchedSrc
		if e.matchedNAT {
			h.Matched = hit.MatchedNATSrc
		}
	}
	if len(g.shares) > 1 {
		for i := range g.shares {
			s := &g.shares[i]
			h.Exporters = append(h.Exporters, hit.Share{Exporter: s.exporter.IP(), Count: s.count, Bytes: s.bytes()})
		}
	}
	return h
}

func stamp(ns int64) time.Time { return time.Unix(0, ns).UTC() }

// id names the hit of a key in the hunt of that seed.
func id(seed uint64, k *groupKey) string {
	var b [56]byte
	copy(b[:], "retro")
	b[5] = k.proto
	binary.BigEndian.PutUint32(b[8:], uint32(k.port))
	binary.BigEndian.PutUint64(b[16:], seed)
	for i, half := range [...]uint64{k.local.Hi, k.local.Lo, k.remote.Hi, k.remote.Lo} {
		binary.BigEndian.PutUint64(b[24+8*i:], half)
	}
	digest := sha256.Sum256(b[:])
	return alert.HitID(binary.BigEndian.Uint64(digest[:]), 1)
}
