package main

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/text"
)

// siemSeverities are a hit's severity in CEF (0-10) and LEEF (1-10).
var siemSeverities = [hit.NumSeverities]int{hit.Info: 1, hit.Low: 3, hit.Medium: 5, hit.High: 8, hit.Critical: 10}

func siemSeverity(s hit.Severity) int {
	if int(s) < len(siemSeverities) {
		return siemSeverities[s]
	}
	return siemSeverities[hit.Info]
}

// eventName says what happened: "c2 outbound established".
func eventName(h *plugin.Hit) string {
	return strings.Join([]string{h.Category, string(h.Direction), string(h.State)}, " ")
}

// appendCEF appends h by ArcSight's "Common Event Format", CEF:0. There src, dst
// and dvc hold IPv4 only; IPv6 has the c6a fields.
func (f *formatter) appendCEF(b []byte, h *plugin.Hit, end int) []byte {
	b = append(b, "CEF:0|flowhound|flowhound|"...)
	b = append(text.CEFHeader.Append(b, f.version, maxFeed), '|')
	b = append(appendOrHit(b, h.Category, &text.CEFHeader, maxToken), '|')
	b = append(appendOrHit(b, eventName(h), &text.CEFHeader, 3*maxToken), '|')
	b = append(strconv.AppendInt(b, int64(siemSeverity(h.Severity)), 10), '|')

	p := pairs{b: b, end: end, sep: ' ', esc: &text.CEF}
	p.text("rt", millis(h.Time), maxToken)
	p.cefAddr("src", "c6a2", "Source IPv6 Address", h.Src)
	p.cefAddr("dst", "c6a3", "Destination IPv6 Address", h.Dst)
	if hasPorts(h.Proto) {
		p.text("spt", port(h.SrcPort), maxToken)
		p.text("dpt", port(h.DstPort), maxToken)
	}
	p.text("proto", strings.ToUpper(protocol(h.Proto)), maxToken)
	p.text("cnt", strconv.FormatUint(h.Count, 10), maxToken)
	p.text("act", "alert", maxToken)
	p.text("cat", h.Category, maxToken)
	p.text("externalId", h.ID, maxID)
	p.text("deviceExternalId", address(h.Exporter), maxFeed)
	switch h.Direction {
	case hit.Inbound:
		p.text("deviceDirection", "0", 1)
	case hit.Outbound:
		p.text("deviceDirection", "1", 1)
	}
	p.labelled("cs1", "feed", h.Feed, maxFeed)
	p.labelled("cs2", "indicator", hit.FormatIOC(h.IOC), maxFeed)
	p.labelled("cn1", "score", strconv.Itoa(h.Score), maxToken)
	p.cefDetails(h)
	p.refAndName("cs6", "reference", "msg", h)
	return p.b
}

// cefDetails appends what a message can do without, best first.
func (p *pairs) cefDetails(h *plugin.Hit) {
	p.detail("in", number(h.SrcBytes))  // "from source to destination"
	p.detail("out", number(h.DstBytes)) // "from destination to source"
	p.detailLabelled("cs3", "kind", string(h.Kind))
	p.detailLabelled("cs4", "state", string(h.State))
	p.detailLabelled("cs5", "direction", string(h.Direction))
	p.detailLabelled("cn2", "packets", strconv.FormatUint(h.Packets, 10))
	p.detailLabelled("cn3", "bytes", strconv.FormatUint(h.Bytes, 10))
	p.detail("start", millis(h.Start))
	p.detail("end", millis(h.End))
	p.detailLabelled("flexString1", "country", h.Country)
	if a := h.Exporter.Unmap(); a.Is4() {
		p.detail("dvc", address(a))
	} else if a.IsValid() {
		p.detailLabelled("c6a1", "Device IPv6 Address", address(a))
	}
	if a := h.NATSrc.Unmap(); a.Is4() {
		p.detail("sourceTranslatedAddress", address(a))
	}
	if a := h.NATDst.Unmap(); a.Is4() {
		p.detail("destinationTranslatedAddress", address(a))
	}
}

func (p *pairs) cefAddr(key4, key6, label string, a netip.Addr) {
	switch a = a.Unmap(); {
	case a.Is4():
		p.text(key4, address(a), maxFeed)
	case a.IsValid():
		p.labelled(key6, label, address(a), maxFeed)
	}
}

// detailLabelled is labelled for what a message can do without.
func (p *pairs) detailLabelled(key, label, value string) {
	p.spare(func() { p.labelled(key, label, value, 2*len(value)) })
}

// hasPorts reports whether SrcPort and DstPort are ports, not ICMP's type and code.
func hasPorts(proto uint8) bool { return proto != 1 && proto != 58 }

// appendOrHit appends s for what must not be empty.
func appendOrHit(b []byte, s string, e *text.Place, room int) []byte {
	start := len(b)
	if b = e.Append(b, s, room); len(b) == start {
		b = append(b, "hit"...)
	}
	return b
}
