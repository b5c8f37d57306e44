package main

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin/hit"
)

// find is what hunt --json prints of one pair, as encoding/json has it.
type find struct {
	IOC       string        `json:"ioc"`
	Feed      string        `json:"feed"`
	Category  string        `json:"cat"`
	Score     int           `json:"score"`
	Ref       string        `json:"ref,omitempty"`
	Name      string        `json:"name,omitempty"`
	Local     netip.Addr    `json:"local"`
	Remote    netip.Addr    `json:"remote"`
	First     time.Time     `json:"first"`
	Last      time.Time     `json:"last"`
	Flows     uint64        `json:"flows"`
	Bytes     uint64        `json:"bytes"`
	Kind      hit.Kind      `json:"kind"`
	Severity  hit.Severity  `json:"sev"`
	Direction hit.Direction `json:"dir"`
	State     hit.State     `json:"state"`
	Proto     uint8         `json:"proto"`
	Port      *int          `json:"port,omitempty"`
	Regular   *regularJSON  `json:"regular,omitempty"`
}

func TestAppendFind(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 11, 18, 1, 2, 3, 40_500_000, time.UTC)
	v4, v6 := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8::1")
	plain := hit.Hit{
		Kind: hit.Retro, Severity: hit.High, Direction: hit.Outbound, State: hit.Established, Category: "c2", Feed: "otx", IOC: netip.PrefixFrom(v4, 32),
		Score: 60, Ref: "https://example.net/a?b=1&c=<2>", Name: "Emotet wave 3", Local: netip.MustParseAddr("10.1.2.3"), Remote: v4,
		Start: begin, End: begin.Add(time.Hour), Count: 1<<64 - 1, Bytes: 18412, Proto: 6, DstPort: 443,
	}
	bare := plain
	bare.Ref, bare.Name, bare.DstPort, bare.Start = "", "", hit.NoPort, begin.Truncate(time.Second)
	ping := plain
	ping.Proto, ping.DstPort = 58, 0
	odd := plain
	odd.IOC, odd.Remote, odd.DstPort = netip.PrefixFrom(v6, 64), v6, 0
	odd.Feed, odd.Name, odd.Ref = `C:\lists\"my" list.txt`, "\u00e9tat \u2028 \xff\x00\t\x7f", "\\"
	beacon := plain
	beacon.Regular = &hit.Regular{Score: 0.95, PeriodSeconds: 300.25, DeviationSeconds: 1e-7, Contacts: 278, SizeBytes: 512, HeldSeconds: 86400}
	for name, x := range map[string]*hit.Hit{"plain": &plain, "bare": &bare, "ping": &ping, "odd": &odd, "beacon": &beacon} {
		var want bytes.Buffer
		if err := printLines(&want, find{
			address(x), x.Feed, x.Category, x.Score, x.Ref, x.Name, x.Local, x.Remote, x.Start, x.End, x.Count, x.Bytes,
			x.Kind, x.Severity, x.Direction, x.State, x.Proto, servicePort(x), regularOf(x),
		}); err != nil {
			t.Fatal(err)
		}
		if got := string(appendFind([]byte("before "), x)) + "\n"; got != "before "+want.String() {
			t.Errorf("%s:\n got %swant %s", name, got, want.String())
		}
	}
}
