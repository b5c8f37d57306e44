// Package alerts asks alerts in the language of flows (package query): pages and the command
// line have the same answer. It reads no files.
package alerts

import (
	"net/netip"

	"github.com/flowhound/flowhound/cmd/internal/alert/series"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/query"
	"github.com/flowhound/flowhound/plugin/hit"
)

// Expression is immutable and may be used concurrently.
type Expression struct{ filter query.Filter }

// Parse reads an expression. A field that hits do not have is an error of package query,
// as all mistakes are.
func Parse(text string, env query.Env) (*Expression, error) {
	env.Has, env.Of = has, "a hit"
	f, err := query.Parse(text, env)
	if err != nil {
		return nil, err
	}
	return &Expression{f}, nil
}

// Accepts reports whether a series is wanted: by its newest line, whose source opened the
// connection, and by what the whole series counts.
func (e *Expression) Accepts(x *series.Series) bool {
	if e.filter.All() {
		return true
	}
	r := recordOf(x)
	return e.filter.Match(&r, true) // its counts are multiplied already
}

// has says which fields of the language of flows a series of hits has.
func has(f query.Field) bool {
	switch f {
	case query.SrcIP, query.DstIP, query.NATSrcIP, query.NATDstIP, query.Exporter, query.Domain, query.Sampling,
		query.SrcPort, query.DstPort, query.Proto, query.Service, query.ICMPType, query.ICMPCode, query.SrcAS, query.DstAS,
		query.SrcCountry, query.DstCountry, query.Bytes, query.Packets, query.Duration:
		return true
	}
	return false
}

// recordOf is a series in the words of a flow.
func recordOf(x *series.Series) query.Record {
	h := &x.Newest
	r := query.Record{SrcCC: countryOf(h, h.Src, &h.SrcPlace), DstCC: countryOf(h, h.Dst, &h.DstPlace)}
	r.SrcAS, r.DstAS = h.SrcPlace.AS, h.DstPlace.AS
	r.Src, r.Dst, r.NATSrc, r.NATDst, r.Exporter = addrOf(h.Src), addrOf(h.Dst), addrOf(h.NATSrc), addrOf(h.NATDst), addrOf(h.Exporter)
	r.Start, r.End, r.Received = x.Began.UnixNano(), x.Last().UnixNano(), x.Last().UnixNano()
	r.Bytes, r.Packets, r.Proto, r.Domain, r.Sampling = x.Bytes, x.Packets, h.Proto, h.Domain, max(h.Sampling, 1)
	r.Has = flow.HasStart | flow.HasEnd | flow.HasProto | flow.HasBytes | flow.HasPackets
	switch {
	case flow.IsICMP(h.Proto):
		r.ICMPType, r.ICMPCode = uint8(max(h.SrcPort, 0)), uint8(max(h.DstPort, 0))
		r.Has |= flow.HasICMP
	case h.SrcPort >= 0 || h.DstPort >= 0: // of several, 0 stands for the port
		r.SrcPort, r.DstPort = uint16(max(h.SrcPort, 0)), uint16(max(h.DstPort, 0))
		r.Has |= flow.HasPorts
	}
	return r
}

// addrOf is an address, the zero Addr where there is none.
func addrOf(a netip.Addr) flow.Addr {
	if !a.IsValid() {
		return flow.Addr{}
	}
	return flow.AddrFrom(a)
}

// countryOf returns where one side of a hit is, as flows have it.
func countryOf(h *hit.Hit, side netip.Addr, place *hit.Place) string {
	switch {
	case place.Country != "":
		return place.Country
	case side == h.Remote && h.Country != "":
		return h.Country
	case side.IsMulticast():
		return "multicast"
	case side.IsPrivate() || side.IsLoopback() || side.IsLinkLocalUnicast():
		return "private"
	}
	return hit.NoCountry
}
