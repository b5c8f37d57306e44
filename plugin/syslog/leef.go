package main

import (
	"strconv"
	"strings"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/text"
)

// leefDelimiter stands between LEEF attributes, and the header names it. LEEF's
// usual tab is a control character, which syslog relays escape or drop.
const leefDelimiter = '^'

// appendLEEF appends h by IBM QRadar's "Log Event Extended Format", LEEF:2.0. The
// format cannot escape its delimiter: in a value it becomes '_', in a URL %5E.
func (f *formatter) appendLEEF(b []byte, h *plugin.Hit, end int) []byte {
	b = append(b, "LEEF:2.0|flowhound|flowhound|"...)
	b = append(text.LEEFHeader.Append(b, f.version, maxFeed), '|')
	b = append(appendOrHit(b, h.Category, &text.LEEFHeader, maxToken), '|', leefDelimiter, '|')

	p := pairs{b: b, end: end, sep: leefDelimiter, esc: &text.LEEF}
	if t := timestamp(h.Time); t != "" {
		p.text("devTime", t, maxToken+1)
		p.text("devTimeFormat", "yyyy-MM-dd'T'HH:mm:ss.SSSX", 26)
	}
	p.text("cat", h.Category, maxToken)
	p.text("sev", strconv.Itoa(siemSeverity(h.Severity)), maxToken)
	p.text("proto", strings.ToUpper(protocol(h.Proto)), maxToken)
	p.text("src", address(h.Src), maxFeed)
	p.text("dst", address(h.Dst), maxFeed)
	if hasPorts(h.Proto) {
		p.text("srcPort", port(h.SrcPort), maxToken)
		p.text("dstPort", port(h.DstPort), maxToken)
	}
	p.uint("count", h.Count)
	p.text("externalId", h.ID, maxID)
	p.text("policy", h.Feed, maxFeed)
	p.text("indicator", hit.FormatIOC(h.IOC), maxFeed)
	p.text("score", strconv.Itoa(h.Score), maxToken)
	p.text("exporter", address(h.Exporter), maxFeed)
	p.leefDetails(h)

	h2 := *h
	h2.Ref = strings.ReplaceAll(h.Ref, "^", "%5E")
	p.refAndName("url", "", "name", &h2)
	return p.b
}

// leefDetails appends what a message can do without, best first.
func (p *pairs) leefDetails(h *plugin.Hit) {
	p.detail("srcBytes", number(h.SrcBytes))
	p.detail("dstBytes", number(h.DstBytes))
	p.detail("srcPackets", number(h.SrcPackets))
	p.detail("dstPackets", number(h.DstPackets))
	p.detail("totalBytes", number(h.Bytes))
	p.detail("totalPackets", number(h.Packets))
	p.detail("kind", string(h.Kind))
	p.detail("direction", string(h.Direction))
	p.detail("state", string(h.State))
	p.detail("country", h.Country)
	p.detail("srcPostNAT", address(h.NATSrc))
	p.detail("dstPostNAT", address(h.NATDst))
	p.detail("start", timestamp(h.Start))
	p.detail("end", timestamp(h.End))
}
