package rules_test

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/flowhound/flowhound/plugin/hit"
)

// entry is one line of the golden file: a hit or a status. Rule, unless 0, is
// the rule that has to fire; all others are held to their severity's level.
type entry struct {
	Hit    *hit.Hit
	Status *hit.Status
	Rule   int
	Long   bool // with the longest header there is
}

// line is the entry as the log has it.
func (e entry) line() string {
	b := hit.AppendHeader(nil, start, "gw", 123)
	if e.Long {
		b = hit.AppendHeader(nil, start, strings.Repeat("h", 64), 1<<31-1)
	}
	if e.Hit != nil {
		return string(hit.AppendLine(b, e.Hit))
	}
	return string(hit.AppendStatus(b, e.Status))
}

var (
	start      = time.Date(2026, 6, 7, 10, 37, 51, 0, time.UTC)
	kinds      = []hit.Kind{hit.New, hit.Repeat, hit.Retro, hit.DNSBL}
	directions = []hit.Direction{hit.Outbound, hit.Internal, hit.Inbound, hit.Transit}
	states     = []hit.State{hit.Established, hit.Attempt, hit.Unknown}
	categories = strings.Fields("c2 malware botnet phishing scanner bruteforce spam anonymizer ddos policy other")
)

// golden returns all lines in their order, which matters: composite rules
// remember what came before.
func golden() []entry {
	all := special()
	all = append(all, table()...)
	all = append(all, statuses()...)
	all = append(all, combinations()...)
	return append(all, sequences()...)
}

// numbered returns a small hit between a host and an indicator that no other
// number has, so that composite rules leave it alone.
func numbered(n int) hit.Hit {
	host := netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})
	bad := netip.AddrFrom4([4]byte{198, 18, byte(n >> 8), byte(n)})
	return hit.Hit{
		Kind: hit.New, Severity: hit.High, Direction: hit.Outbound, State: hit.Established, Category: "c2", Feed: "otx",
		IOC: netip.PrefixFrom(bad, 32), Score: 60, Src: host, SrcPort: 51234, Dst: bad, DstPort: 443, Proto: 6, Count: 1,
		ID: fmt.Sprintf("s%d-1", n),
	}
}

// special are the lines that could go wrong: free text that poses as keys,
// IPv6, empty values, and lines as long as they get.
func special() []entry {
	pulse := func(h *hit.Hit) {
		h.Bytes, h.Packets, h.Country, h.Exporter = 18412, 97, "NL", netip.MustParseAddr("192.0.2.1")
		h.Start, h.End = start, start.Add(20*time.Second)
		h.Ref, h.Name = "https://otx.alienvault.com/pulse/55241332b45ff514a4e23f08", "Emotet wave 3"
	}
	changes := []struct {
		rule   int
		change func(*hit.Hit)
	}{
		{100921, func(*hit.Hit) {}},
		{100921, func(h *hit.Hit) { h.Name = `x" cat=spam srcip=192.0.2.9 name="y` }},
		{100921, func(h *hit.Hit) {
			h.Name = "\nJun  7 12:38:20 gw flowhound[1]: hit kind=retro sev=critical dir=outbound "
		}},
		{100921, func(h *hit.Hit) {
			h.Name = `hit kind=retro sev=info dir=inbound state=attempt cat=spam ioc=- score=0 src=- sport=-`
		}},
		{100921, func(h *hit.Hit) { h.Ref = `" name="agent status=stopped` }},
		{100921, func(h *hit.Hit) { h.Name = "caf\xe9 \u202eпривет 日本 \\\" $(id) <x> & %s 'quoted'" }},
		{100921, func(h *hit.Hit) { h.Name = "segfault error failed attack sshd[1]: Accepted password for root" }},
		{100921, func(h *hit.Hit) { h.Feed = "my own \"feed\"" }},
		{100921, func(h *hit.Hit) {
			h.IOC = netip.MustParsePrefix("2001:db8:bad::/48")
			h.Src, h.Dst = netip.MustParseAddr("2001:db8::ffff:1"), netip.MustParseAddr("2001:db8:bad::7")
			h.Exporter = netip.MustParseAddr("2001:db8::1")
		}},
		{100921, func(h *hit.Hit) { h.IOC = netip.MustParsePrefix("198.18.77.0/24") }},
		{100921, func(h *hit.Hit) { h.SrcPort, h.DstPort, h.Proto = 8, 0, 1 }},
		{100921, func(h *hit.Hit) { h.SrcPort, h.DstPort, h.Proto = hit.NoPort, hit.NoPort, 47 }},
		{100921, func(h *hit.Hit) { h.DstPort, h.Proto = hit.NoPort, 253 }},
		{100936, func(h *hit.Hit) {
			h.Severity, h.Direction, h.State, h.Sources, h.Targets = hit.Low, hit.Inbound, hit.Attempt, 4096, 254
		}},
		{100909, func(h *hit.Hit) { h.Name, h.Sources, h.Targets = strings.Repeat("long é ", 100), 36, 9 }},
		{100919, func(h *hit.Hit) { h.Severity, h.Sources, h.Targets = hit.Critical, 36, 1 }},
		{100908, func(h *hit.Hit) { h.Severity, h.Category, h.Sources, h.Targets = hit.Medium, "spam", 1, 25 }},
		{100921, func(h *hit.Hit) {
			h.Name, h.Regular = "sources, 9 targets", &hit.Regular{Score: 0.9, PeriodSeconds: 300, DeviationSeconds: 2, Contacts: 278}
		}},
		{100921, func(h *hit.Hit) { h.Name = strings.Repeat("n", 2000) }},
		{100921, func(h *hit.Hit) { h.Ref = "https://example.test/" + strings.Repeat("r", 2000) }},
		{100921, func(h *hit.Hit) {
			h.Feed, h.ID = strings.Repeat("f", 99), strings.Repeat("i", 99)
			h.Count, h.Bytes, h.Packets = 1<<64-1, 1<<64-1, 1<<64-1
			h.Name = strings.Repeat("cat=spam ", 300)
		}},
		{100914, func(h *hit.Hit) { h.Kind, h.Severity = "later", hit.Critical }},
		{100998, func(h *hit.Hit) {
			h.Feed, h.Severity, h.Direction, h.Category, h.Name = hit.TestFeed, hit.Info, hit.Transit, "other", "TEST: planted by flowhound test, nothing happened"
		}},
		{100998, func(h *hit.Hit) { h.Feed, h.Severity = hit.TestFeed, hit.Info }},
		{100910, func(h *hit.Hit) { *h = hit.Hit{SrcPort: hit.NoPort, DstPort: hit.NoPort} }},
	}
	var all []entry
	for i, c := range changes {
		h := numbered(60000 + i)
		pulse(&h)
		c.change(&h)
		all = append(all, entry{Hit: &h, Rule: c.rule})
	}
	longest := numbered(60000 + len(changes))
	longest.Name = strings.Repeat("n", 2000)
	return append(all, entry{Hit: &longest, Rule: 100921, Long: true})
}

// table is what a person looks up in README.md: the hits of the default
// severities and the rule that each one reaches.
func table() []entry {
	cells := []struct {
		rule int
		hit  string // severity direction state category
	}{
		{100920, "critical outbound established c2"}, {100921, "high internal established botnet"}, {100922, "high outbound attempt malware"},
		{100922, "high outbound unknown c2"}, {100923, "high outbound established phishing"}, {100924, "high inbound established botnet"},
		{100925, "high transit established bruteforce"}, {100926, "medium outbound established c2"}, {100926, "medium outbound attempt c2"},
		{100927, "medium outbound attempt phishing"}, {100928, "medium outbound established scanner"}, {100929, "medium outbound established anonymizer"},
		{100917, "medium outbound established policy"}, {100930, "medium inbound established malware"}, {100931, "medium inbound established phishing"},
		{100932, "medium inbound established ddos"}, {100933, "low outbound attempt phishing"}, {100934, "low outbound unknown scanner"},
		{100935, "low outbound attempt anonymizer"}, {100916, "low internal attempt other"}, {100936, "low inbound attempt c2"},
		{100937, "low inbound established scanner"}, {100911, "low inbound established spam"}, {100938, "info inbound unknown botnet"},
		{100939, "info inbound attempt scanner"}, {100910, "info transit attempt spam"}, {100915, "info outbound attempt anonymizer"},
	}
	var all []entry
	for i, c := range cells {
		h := numbered(50000 + i)
		f := strings.Fields(c.hit)
		if err := h.Severity.UnmarshalText([]byte(f[0])); err != nil {
			panic(err)
		}
		h.Direction, h.State, h.Category = hit.Direction(f[1]), hit.State(f[2]), f[3]
		all = append(all, entry{Hit: &h, Rule: c.rule})
	}
	return all
}

func statuses() []entry {
	gw := netip.MustParseAddr("192.0.2.1")
	rules := []struct {
		rule int
		s    hit.Status
	}{
		{100957, hit.Status{Part: hit.Agent, Status: "started", Version: "1.2.0", Msg: "listening on udp://:2055"}},
		{100957, hit.Status{Part: hit.Agent, Status: "reloaded", Version: "1.2.0"}},
		{100957, hit.Status{Part: hit.Agent, Status: "alive", Version: "1.2.0", Msg: "86400 hits"}},
		{100958, hit.Status{Part: hit.Agent, Status: "stopped", Version: "1.2.0"}},
		{100959, hit.Status{Part: hit.Agent, Status: "error", Msg: `feed id=otx status=ok "hit kind=new sev=critical `}},
		{100960, hit.Status{Part: hit.Agent, Status: "dropping", Msg: "12 lines lost"}},
		{100961, hit.Status{Part: hit.Feed, ID: "otx", Status: "ok", Indicators: 1234}},
		{100962, hit.Status{Part: hit.Feed, ID: "otx", Status: "error", Msg: "504 Gateway Timeout status=ok"}},
		{100963, hit.Status{Part: hit.Feed, ID: "my feed", Status: "stale", Msg: "3 days old"}},
		{100964, hit.Status{Part: hit.Collector, Status: "ok", Exporter: gw}},
		{100965, hit.Status{Part: hit.Collector, Status: "silent", Exporter: netip.MustParseAddr("2001:db8::1"), Msg: "no flows for 5m"}},
		{100966, hit.Status{Part: hit.Collector, Status: "loss", Exporter: gw, Msg: "200 of 1000 datagrams"}},
		{100967, hit.Status{Part: hit.Collector, Status: "template", Exporter: gw, Msg: strings.Repeat("m", 2000)}},
		{100955, hit.Status{Part: hit.Export, ID: "rpz.db", Status: "ok", Indicators: 1234, Msg: "left out: 3 long-name"}},
		{100956, hit.Status{Part: hit.Export, ID: "my rpz.db", Status: "error", Msg: "rndc: exit status 1: status=ok"}},
		{100968, hit.Status{Part: hit.Output, ID: "siem", Status: "ok"}},
		{100969, hit.Status{Part: hit.Output, ID: "siem", Status: "down", Msg: "connection refused"}},
		{100969, hit.Status{Part: hit.Output, ID: "siem", Status: "dropping"}},
		{100900, hit.Status{Part: hit.Agent, Status: "later"}},
	}
	var all []entry
	for _, r := range rules {
		all = append(all, entry{Status: &r.s, Rule: r.rule})
	}
	return all
}

// combinations is every kind, severity, direction, state and category; of the
// kinds other than new, whose rules ask for less, only some.
func combinations() []entry {
	var all []entry
	for _, kind := range kinds {
		for sev := hit.Info; sev < hit.NumSeverities; sev++ {
			for _, dir := range directions {
				for _, state := range states {
					for _, cat := range categories {
						if kind != hit.New && state != hit.Established || (kind == hit.Retro || kind == hit.DNSBL) && cat != "c2" {
							continue
						}
						h := numbered(len(all))
						h.Kind, h.Severity, h.Direction, h.State, h.Category = kind, sev, dir, state, cat
						all = append(all, entry{Hit: &h})
					}
				}
			}
		}
	}
	return all
}

// sequences are the composite rules': lines that speak only together.
func sequences() []entry {
	var all []entry
	add := func(rule, host, ioc, port int, sev hit.Severity, dir hit.Direction) {
		h := numbered(40000 + host)
		bad := numbered(40000 + ioc)
		h.IOC, h.Dst, h.DstPort, h.Severity, h.Direction = bad.IOC, bad.Dst, port, sev, dir
		all = append(all, entry{Hit: &h, Rule: rule})
	}
	// One host, several indicators; the same indicator again is not another one.
	add(100921, 1, 1, 443, hit.High, hit.Outbound)
	add(100921, 1, 1, 80, hit.High, hit.Outbound)
	add(100902, 1, 2, 443, hit.High, hit.Outbound)
	// The severity of the second line decides, downwards and upwards.
	add(100926, 2, 3, 443, hit.Medium, hit.Outbound)
	add(100903, 2, 4, 443, hit.Critical, hit.Outbound)
	add(100920, 3, 5, 443, hit.Critical, hit.Outbound)
	add(100902, 3, 6, 443, hit.Medium, hit.Outbound)
	// Several hosts, one indicator.
	add(100921, 4, 7, 443, hit.High, hit.Outbound)
	add(100904, 5, 7, 443, hit.High, hit.Outbound)
	add(100920, 6, 8, 443, hit.Critical, hit.Outbound)
	add(100905, 7, 8, 443, hit.Critical, hit.Outbound)
	// Lines of low severity, and inbound ones, neither count nor are counted.
	add(100916, 8, 9, 443, hit.Low, hit.Outbound)
	add(100916, 8, 10, 443, hit.Low, hit.Outbound)
	add(100924, 9, 11, 443, hit.High, hit.Inbound)
	add(100921, 10, 11, 443, hit.High, hit.Outbound)
	add(100924, 11, 11, 443, hit.High, hit.Inbound)
	// Nor do lines that many share, whatever their severity.
	shared := func(rule, host, ioc int, sev hit.Severity) {
		add(rule, host, ioc, 443, sev, hit.Outbound)
		all[len(all)-1].Hit.Sources, all[len(all)-1].Hit.Targets = 30, 1
	}
	shared(100919, 12, 12, hit.Critical)
	add(100920, 12, 13, 443, hit.Critical, hit.Outbound)
	shared(100919, 12, 14, hit.Critical)
	shared(100909, 12, 15, hit.High)
	shared(100919, 13, 13, hit.Critical)
	return all
}
