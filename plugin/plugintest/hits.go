package plugintest

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
)

// Hits returns n hits that differ in id, addresses, ports and severity, with
// every field set and texts that need escaping. Each call returns the same.
func Hits(n int) []plugin.Hit {
	hits := make([]plugin.Hit, n)
	for i := range hits {
		hits[i] = sample(i)
	}
	return hits
}

func sample(i int) plugin.Hit {
	start := time.Date(2026, 6, 7, 10, 37, 51, 0, time.UTC).Add(time.Duration(i) * time.Second)
	src := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
	dst := netip.MustParseAddr("198.51.100.7")
	ioc := netip.PrefixFrom(dst, 32)
	return plugin.Hit{
		Kind: hit.New, Severity: hit.Severity(i % hit.NumSeverities), Direction: hit.Outbound, State: hit.Established,
		Category: "c2", Feed: "otx", IOC: ioc, Score: 60,
		Src: src, SrcPort: 1024 + i%60000, Dst: dst, DstPort: 443, Proto: 6,
		Count: 1, Bytes: 18412, Packets: 97,
		Country: "NL", Exporter: netip.MustParseAddr("192.0.2.1"), Domain: 7, Sampling: 1,
		Start: start, End: start.Add(20 * time.Second), First: start.Add(21 * time.Second), Last: start.Add(22 * time.Second), Time: start.Add(29 * time.Second),
		ID: fmt.Sprintf("7k3m9q2v8w1xz-%d", i+1), Ref: "https://otx.example/pulse/5f?a=1&b=<2>", Name: `Emotet "wave" 3 | a\b = 'ü' <b>`,
		Local: src, Remote: dst, Matched: hit.MatchedDst,
		SrcBytes: 2412, DstBytes: 16000, SrcPackets: 40, DstPackets: 57,
		NATSrc: netip.MustParseAddr("203.0.113.1"), NATDst: netip.MustParseAddr("2001:db8::7"),
		SrcPlace: hit.Place{Country: hit.Private, Host: "laptop-7.example", Site: "home"},
		DstPlace: hit.Place{Country: "NL", AS: 64500, Owner: `Example "Hosting" | <b>`, Host: "mail.example", Site: "tunnel"},
		Sources:  1, Targets: 1, Duplicates: 1,
		Exporters: []hit.Share{{Exporter: netip.MustParseAddr("192.0.2.1"), Count: 1, Bytes: 18412}, {Exporter: netip.MustParseAddr("192.0.2.2"), Count: 1, Bytes: 18000}},
		Regular:   &hit.Regular{Score: 0.9, PeriodSeconds: 61, DeviationSeconds: 5, Contacts: 40, Missed: 1, SizeBytes: 18412, SizeDeviationBytes: 40, HeldSeconds: 30},
		Shared:    "cloudflare", Scanner: "censys",
		Indicators: []hit.Indicator{
			{IOC: ioc, Feed: "otx", Category: "c2", Score: 60, Ref: "https://otx.example/pulse/5f?a=1&b=<2>", Name: "Emotet wave 3", Tags: []string{"emotet", "c2"}, FirstSeen: start.AddDate(0, -1, 0), LastSeen: start},
			{IOC: netip.MustParsePrefix("198.51.100.0/24"), Feed: "ours", Category: "policy", Score: 30, Name: "our list"},
		},
	}
}
