package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
)

// ecsVersion is the Elastic Common Schema that document follows.
const ecsVersion = "9.4.0"

// Bounds of one document: OTX gives a busy address hundreds of pulses, and each
// enrichment is a Lucene document of its own.
const (
	maxEnrichments = 64
	maxTags        = 64
)

// severities are the numbers that Elastic's detection rules use for theirs.
var severities = [hit.NumSeverities]int{hit.Info: 1, hit.Low: 21, hit.Medium: 47, hit.High: 73, hit.Critical: 99}

// directions are ECS's words for those of a hit.
var directions = map[hit.Direction]string{hit.Outbound: "outbound", hit.Inbound: "inbound", hit.Internal: "internal", hit.Transit: "external"}

// newDocument says a hit in ECS.
func newDocument(h *plugin.Hit, namespace string) *document {
	d := &document{
		Timestamp:  h.Time.UTC(),
		ECS:        ecs{ecsVersion},
		DataStream: dataStream{"logs", dataset, namespace},
		Message:    message(h),
		Tags:       tags(h),
		Event:      newEvent(h),
		Source: newEndpoint(h, h.Src, h.SrcPort, h.NATSrc,
			h.SrcBytes, h.SrcPackets).at(placeOf(h, h.Src, h.SrcPlace)),
		Destination: newEndpoint(h, h.Dst, h.DstPort, h.NATDst,
			h.DstBytes, h.DstPackets).at(placeOf(h, h.Dst, h.DstPlace)),
		Network:  newNetwork(h),
		Observer: observer{Type: "netflow-exporter", IP: addrs(h.Exporter)},
		Related:  related{addrs(h.Src, h.Dst, h.NATSrc, h.NATDst)},
		Rule:     rule{ID: h.Feed, Name: firstOf(h.Name, h.Feed), Ruleset: "flowhound", Category: h.Category, Reference: h.Ref},
		Threat:   newThreat(h),
		Own:      newOwn(h),
	}
	for _, t := range []time.Time{h.Last, h.End} { // a data stream takes nothing without a time
		if d.Timestamp.IsZero() {
			d.Timestamp = t.UTC()
		}
	}
	return d
}

func newEvent(h *plugin.Hit) event {
	e := event{
		ID: h.ID, Kind: "alert", Category: []string{"network", "intrusion_detection"}, Type: []string{"connection", "info"},
		Action: "blacklist-hit", Module: "flowhound", Dataset: dataset, Provider: "netflow",
		Severity: severities[min(h.Severity, hit.Critical)], RiskScore: h.Score, Reference: h.Ref,
		Start: h.Start.UTC(), End: h.End.UTC(), Created: h.Last.UTC(),
	}
	if d := h.End.Sub(h.Start); d > 0 && !h.Start.IsZero() {
		e.Duration = d.Nanoseconds()
	}
	if addr, field := matched(h); addr.IsValid() {
		e.Reason = fmt.Sprintf("%s %s is listed by %s as %s", field, addr, h.Feed, h.Category)
	}
	return e
}

func newEndpoint(h *plugin.Hit, addr netip.Addr, port int, nat netip.Addr, bytes, packets uint64) endpoint {
	e := endpoint{IP: addr, Bytes: bytes, Packets: packets}
	if addr.IsValid() {
		e.Address = addr.String()
	}
	if port != hit.NoPort && !isICMP(h.Proto) {
		e.Port = &port
	}
	if nat.IsValid() {
		e.NAT = &translated{nat}
	}
	return e
}

// placeOf is the place of a side; an older flowhound told the country of the remote
// side alone.
func placeOf(h *plugin.Hit, addr netip.Addr, p hit.Place) hit.Place {
	if p == (hit.Place{}) && addr.IsValid() && addr == h.Remote {
		p.Country = h.Country
	}
	return p
}

// at returns e with the fields of a place.
func (e endpoint) at(p hit.Place) endpoint {
	if g := (geo{p.ISO(), p.Site}); g != (geo{}) {
		e.Geo = &g
	}
	if p.AS != 0 || p.Owner != "" {
		e.AS = &autonomousSystem{Number: p.AS}
		if p.Owner != "" {
			e.AS.Organization = &organization{p.Owner}
		}
	}
	e.Domain = p.Host
	return e
}

func newNetwork(h *plugin.Hit) network {
	n := network{
		Transport: hit.ProtoName(h.Proto), Number: strconv.Itoa(int(h.Proto)), Direction: directions[h.Direction],
		Bytes: h.Bytes, Packets: h.Packets, Community: communityID(h),
	}
	switch {
	case h.Src.Is4():
		n.Type = "ipv4"
	case h.Src.Is6():
		n.Type = "ipv6"
	}
	return n
}

func newThreat(h *plugin.Hit) threat {
	best := h.Indicators
	if len(best) == 0 { // the hit itself holds what matters
		best = []hit.Indicator{{IOC: h.IOC, Feed: h.Feed, Category: h.Category, Score: h.Score, Ref: h.Ref, Name: h.Name}}
	}
	t := threat{Feed: feed{h.Feed}, Indicator: newIndicator(&best[0])}
	for i := range best[:min(len(best), maxEnrichments)] {
		ind := &best[i]
		addr, field := covered(h, ind.IOC)
		m := match{Field: field, ID: ind.Feed + ":" + hit.FormatIOC(ind.IOC), Index: ind.Feed, Type: "netflow_ip_match", Occurred: h.Last.UTC()}
		if addr.IsValid() {
			m.Atomic = addr.String()
		}
		t.Enrichments = append(t.Enrichments, enrichment{newIndicator(ind), m})
	}
	return t
}

func newIndicator(i *hit.Indicator) indicator {
	n := indicator{
		Name: hit.FormatIOC(i.IOC), Provider: i.Feed, Description: firstOf(i.Name, i.Category), Confidence: confidence(i.Score),
		Reference: i.Ref, FirstSeen: i.FirstSeen.UTC(), LastSeen: i.LastSeen.UTC(),
	}
	switch {
	case i.IOC.Addr().Is4():
		n.Type = "ipv4-addr"
	case i.IOC.Addr().Is6():
		n.Type = "ipv6-addr"
	}
	if i.IOC.IsSingleIP() {
		n.IP = i.IOC.Addr()
	}
	return n
}

func newOwn(h *plugin.Hit) own {
	o := own{
		Kind: string(h.Kind), Severity: h.Severity.String(), Direction: string(h.Direction), State: string(h.State),
		Category: h.Category, Feed: h.Feed, IOC: hit.FormatIOC(h.IOC), Series: series(h.ID), Count: h.Count,
		Sources: h.Sources, Targets: h.Targets, Indicators: len(h.Indicators), Matched: string(h.Matched),
		Local: h.Local, Remote: h.Remote, First: h.First.UTC(), Last: h.Last.UTC(),
		Exporter: exporter{Domain: h.Domain, Sampling: max(h.Sampling, 1)},
	}
	if isICMP(h.Proto) && h.SrcPort != hit.NoPort && h.DstPort != hit.NoPort {
		o.ICMP = &icmp{h.SrcPort, h.DstPort}
	}
	return o
}

// message tells the hit in a sentence, for lists of documents.
func message(h *plugin.Hit) string {
	side := func(a netip.Addr, port int) string {
		switch {
		case !a.IsValid():
			return "-"
		case port == hit.NoPort || isICMP(h.Proto):
			return a.String()
		}
		return netip.AddrPortFrom(a, uint16(port)).String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s -> %s %s %s %s: %s is listed by %s as %s", side(h.Src, h.SrcPort), side(h.Dst, h.DstPort),
		firstOf(hit.ProtoName(h.Proto), "protocol "+strconv.Itoa(int(h.Proto))), h.Direction, h.State, hit.FormatIOC(h.IOC), h.Feed, h.Category)
	if h.Name != "" {
		fmt.Fprintf(&b, " (%s)", h.Name)
	}
	if h.Sources > 1 || h.Targets > 1 {
		fmt.Fprintf(&b, ", %d sources, %d targets", h.Sources, h.Targets)
	}
	if words := h.Regular.String(); words != "" {
		b.WriteString("; " + words)
	}
	fmt.Fprintf(&b, "; %d flows, %d bytes", h.Count, h.Bytes)
	return b.String()
}

// tags are those of all indicators, each once, after what every hit has.
func tags(h *plugin.Hit) []string {
	all := []string{"flowhound"}
	add := func(tag string) {
		if tag != "" && len(all) < maxTags && !slices.Contains(all, tag) {
			all = append(all, tag)
		}
	}
	add(h.Category)
	for i := range h.Indicators {
		for _, tag := range h.Indicators[i].Tags {
			add(tag)
		}
	}
	return all
}

// matched returns the address that made the hit, and its field.
func matched(h *plugin.Hit) (netip.Addr, string) {
	switch h.Matched {
	case hit.MatchedSrc:
		return h.Src, "source.ip"
	case hit.MatchedDst:
		return h.Dst, "destination.ip"
	case hit.MatchedNATSrc: // the translated address stands in its side's place
		return h.Src, "source.ip"
	case hit.MatchedNATDst:
		return h.Dst, "destination.ip"
	}
	return h.Remote, "flowhound.remote"
}

// covered returns the address of the hit that an indicator covers, and its
// field: the matched one, when it covers several.
func covered(h *plugin.Hit, ioc netip.Prefix) (netip.Addr, string) {
	if addr, field := matched(h); ioc.Contains(addr) {
		return addr, field
	}
	switch {
	case ioc.Contains(h.Src):
		return h.Src, "source.ip"
	case ioc.Contains(h.Dst):
		return h.Dst, "destination.ip"
	case ioc.Contains(h.NATSrc):
		return h.NATSrc, "source.nat.ip"
	case ioc.Contains(h.NATDst):
		return h.NATDst, "destination.nat.ip"
	}
	return netip.Addr{}, ""
}

// confidence is the score on STIX's scale None, Low, Medium, High, which ECS uses.
func confidence(score int) string {
	switch {
	case score <= 0:
		return "None"
	case score < 30:
		return "Low"
	case score < 70:
		return "Medium"
	}
	return "High"
}

// series is what the ids of one series have in common.
func series(id string) string {
	if i := strings.LastIndexByte(id, '-'); i > 0 {
		return id[:i]
	}
	return id
}

func isICMP(proto uint8) bool { return proto == 1 || proto == 58 }

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// addrs returns the valid ones, each once.
func addrs(all ...netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, a := range all {
		if a.IsValid() && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}
