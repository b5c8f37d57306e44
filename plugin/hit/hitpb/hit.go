// Package hitpb is a hit in few bytes, as a protobuf message (hit.proto): what the
// journal keeps, and what crosses to an output plugin.
package hitpb

//go:generate sh -c "protoc -I../../.. --plugin=protoc-gen-go=${DOLLAR}(go tool -n protoc-gen-go) --go_out=../../.. --go_opt=paths=source_relative plugin/hit/hitpb/hit.proto"

import (
	"encoding"
	"fmt"
	"net/netip"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/text"
)

// FromHits returns hits as messages. What is no UTF-8 in a text becomes U+FFFD:
// the wire rejects it, and one odd feed name must not cost a batch.
func FromHits(hits []hit.Hit) []*Hit {
	out := make([]*Hit, len(hits))
	for i := range hits {
		out[i] = fromHit(&hits[i])
	}
	return out
}

// ToHits returns messages as hits. An address that is none is an error.
func ToHits(in []*Hit) ([]hit.Hit, error) {
	out := make([]hit.Hit, len(in))
	for i, m := range in {
		var d decoder
		out[i] = d.hit(m)
		if d.err != nil {
			return nil, fmt.Errorf("hit %d of %d (%q): %w", i, len(in), m.GetId(), d.err)
		}
	}
	return out, nil
}

// Append appends h to b: it can be read on its own again.
func Append(b []byte, h *hit.Hit) ([]byte, error) {
	return proto.MarshalOptions{}.MarshalAppend(b, fromHit(h))
}

// Parse reads what Append wrote.
func Parse(b []byte) (*hit.Hit, error) {
	var m Hit
	if err := proto.Unmarshal(b, &m); err != nil {
		return nil, err
	}
	var d decoder
	h := d.hit(&m)
	if d.err != nil {
		return nil, d.err
	}
	return &h, nil
}

func fromHit(h *hit.Hit) *Hit {
	m := &Hit{
		Kind: text.Valid(string(h.Kind)), Severity: uint32(h.Severity), Direction: text.Valid(string(h.Direction)), State: text.Valid(string(h.State)),
		Category: text.Valid(h.Category), Feed: text.Valid(h.Feed), Ioc: prefix(h.IOC), Score: int32(h.Score),
		Src: addr(h.Src), Dst: addr(h.Dst), SrcPort: int32(h.SrcPort), DstPort: int32(h.DstPort), Proto: uint32(h.Proto),
		Count: h.Count, Bytes: h.Bytes, Packets: h.Packets,
		Country: text.Valid(h.Country), Exporter: addr(h.Exporter), Domain: h.Domain, Sampling: h.Sampling,
		Start: moment(h.Start), End: moment(h.End), First: moment(h.First), Last: moment(h.Last), Time: moment(h.Time),
		Id: text.Valid(h.ID), Ref: text.Valid(h.Ref), Name: text.Valid(h.Name),
		Local: addr(h.Local), Remote: addr(h.Remote), Matched: text.Valid(string(h.Matched)),
		SrcBytes: h.SrcBytes, DstBytes: h.DstBytes, SrcPackets: h.SrcPackets, DstPackets: h.DstPackets,
		NatSrc: addr(h.NATSrc), NatDst: addr(h.NATDst), Sources: int64(h.Sources), Targets: int64(h.Targets),
		Duplicates: h.Duplicates, Shared: text.Valid(h.Shared), Scanner: text.Valid(h.Scanner),
		SrcPlace: fromPlace(&h.SrcPlace), DstPlace: fromPlace(&h.DstPlace),
	}
	for _, s := range h.Exporters {
		m.Exporters = append(m.Exporters, &Share{Exporter: addr(s.Exporter), Count: s.Count, Bytes: s.Bytes})
	}
	if r := h.Regular; r != nil {
		m.Regular = &Regular{
			Score: r.Score, PeriodS: r.PeriodSeconds, DeviationS: r.DeviationSeconds, Contacts: int64(r.Contacts), Missed: int64(r.Missed),
			SizeBytes: r.SizeBytes, SizeDeviationBytes: r.SizeDeviationBytes, HeldS: r.HeldSeconds,
		}
	}
	for i := range h.Indicators {
		m.Indicators = append(m.Indicators, fromIndicator(&h.Indicators[i]))
	}
	return m
}

func fromPlace(p *hit.Place) *Place {
	if *p == (hit.Place{}) {
		return nil
	}
	return &Place{Country: text.Valid(p.Country), As: p.AS, Owner: text.Valid(p.Owner), Host: text.Valid(p.Host), Site: text.Valid(p.Site)}
}

func toPlace(p *Place) hit.Place {
	return hit.Place{Country: p.GetCountry(), AS: p.GetAs(), Owner: p.GetOwner(), Host: p.GetHost(), Site: p.GetSite()}
}

func fromIndicator(i *hit.Indicator) *Indicator {
	m := &Indicator{
		Ioc: prefix(i.IOC), Feed: text.Valid(i.Feed), Category: text.Valid(i.Category), Score: int32(i.Score),
		Ref: text.Valid(i.Ref), Name: text.Valid(i.Name), FirstSeen: moment(i.FirstSeen), LastSeen: moment(i.LastSeen),
	}
	for _, tag := range i.Tags {
		m.Tags = append(m.Tags, text.Valid(tag))
	}
	return m
}

// decoder keeps the first thing that was wrong.
type decoder struct{ err error }

func (d *decoder) hit(m *Hit) hit.Hit {
	h := hit.Hit{
		Kind: hit.Kind(m.GetKind()), Severity: hit.Severity(min(m.GetSeverity(), hit.NumSeverities-1)),
		Direction: hit.Direction(m.GetDirection()), State: hit.State(m.GetState()),
		Category: m.GetCategory(), Feed: m.GetFeed(), IOC: d.prefix(m.GetIoc()), Score: int(m.GetScore()),
		Src: d.addr(m.GetSrc()), Dst: d.addr(m.GetDst()), SrcPort: int(m.GetSrcPort()), DstPort: int(m.GetDstPort()), Proto: uint8(m.GetProto()),
		Count: m.GetCount(), Bytes: m.GetBytes(), Packets: m.GetPackets(),
		Country: m.GetCountry(), Exporter: d.addr(m.GetExporter()), Domain: m.GetDomain(), Sampling: m.GetSampling(),
		Start: toTime(m.GetStart()), End: toTime(m.GetEnd()), First: toTime(m.GetFirst()), Last: toTime(m.GetLast()), Time: toTime(m.GetTime()),
		ID: m.GetId(), Ref: m.GetRef(), Name: m.GetName(),
		Local: d.addr(m.GetLocal()), Remote: d.addr(m.GetRemote()), Matched: hit.Matched(m.GetMatched()),
		SrcBytes: m.GetSrcBytes(), DstBytes: m.GetDstBytes(), SrcPackets: m.GetSrcPackets(), DstPackets: m.GetDstPackets(),
		NATSrc: d.addr(m.GetNatSrc()), NATDst: d.addr(m.GetNatDst()), Sources: int(m.GetSources()), Targets: int(m.GetTargets()),
		Duplicates: m.GetDuplicates(), Shared: m.GetShared(), Scanner: m.GetScanner(),
		SrcPlace: toPlace(m.GetSrcPlace()), DstPlace: toPlace(m.GetDstPlace()),
	}
	for _, s := range m.GetExporters() {
		h.Exporters = append(h.Exporters, hit.Share{Exporter: d.addr(s.GetExporter()), Count: s.GetCount(), Bytes: s.GetBytes()})
	}
	if r := m.GetRegular(); r != nil {
		h.Regular = &hit.Regular{
			Score: r.GetScore(), PeriodSeconds: r.GetPeriodS(), DeviationSeconds: r.GetDeviationS(),
			Contacts: int(r.GetContacts()), Missed: int(r.GetMissed()),
			SizeBytes: r.GetSizeBytes(), SizeDeviationBytes: r.GetSizeDeviationBytes(), HeldSeconds: r.GetHeldS(),
		}
	}
	for _, i := range m.GetIndicators() {
		h.Indicators = append(h.Indicators, hit.Indicator{
			IOC: d.prefix(i.GetIoc()), Feed: i.GetFeed(), Category: i.GetCategory(), Score: int(i.GetScore()),
			Ref: i.GetRef(), Name: i.GetName(), Tags: i.GetTags(), FirstSeen: toTime(i.GetFirstSeen()), LastSeen: toTime(i.GetLastSeen()),
		})
	}
	return h
}

func (d *decoder) addr(b []byte) (a netip.Addr) {
	d.unmarshal(&a, b)
	return a
}

func (d *decoder) prefix(b []byte) (p netip.Prefix) {
	if len(b) == 0 {
		return p
	}
	if d.unmarshal(&p, b); !p.IsValid() && d.err == nil {
		d.err = fmt.Errorf("%x is not a prefix", b)
	}
	return p
}

func (d *decoder) unmarshal(v encoding.BinaryUnmarshaler, b []byte) {
	if err := v.UnmarshalBinary(b); err != nil && d.err == nil {
		d.err = err
	}
}

func addr(a netip.Addr) []byte {
	b, _ := a.MarshalBinary() // never fails
	return b
}

func prefix(p netip.Prefix) []byte {
	if !p.IsValid() {
		return nil
	}
	b, _ := p.MarshalBinary() // never fails
	return b
}

func moment(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}
	return &Time{Seconds: t.Unix(), Nanos: uint32(t.Nanosecond())}
}

func toTime(t *Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return time.Unix(t.GetSeconds(), int64(t.GetNanos())).UTC()
}
