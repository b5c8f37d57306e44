package replay

import (
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
	"github.com/flowhound/flowhound/cmd/internal/flow/pcap"
)

func TestSummary(t *testing.T) {
	capture := func(packets, datagrams uint64, left ...pcap.Reason) (s pcap.Stats) {
		s.Packets, s.Datagrams = packets, datagrams
		for _, r := range left {
			s.Left[r]++
		}
		return s
	}
	wrong := func(n uint64) (c netflow.Counters) {
		c.Malformed[netflow.BadVersion] = n
		return c
	}
	unknown := capture(3, 0, pcap.UnknownLink, pcap.UnknownLink, pcap.NotIP)
	unknown.LinkType = 201
	malformed := wrong(1)
	malformed.Malformed[netflow.BadSetLength] = 2
	for name, c := range map[string]struct {
		summary Summary
		want    []string
	}{
		"one of each": {
			Summary{Flows: 1, Exporters: 1, Datagrams: 1, HitFlows: 1, Hits: 1, Capture: capture(1, 1)},
			[]string{"1 flow from 1 exporter in 1 datagram; 1 matched (1 alert line)"},
		},
		"nothing in it": {
			Summary{},
			[]string{"0 flows from 0 exporters in 0 datagrams; 0 matched (0 alert lines)", "no NetFlow: the capture holds no packets"},
		},
		"no UDP": {
			Summary{Capture: unknown},
			[]string{
				"", "no NetFlow: none of the 3 packets can be read as UDP; capture the port that exporters send to, for example: tcpdump -w router.pcap udp port 2055",
				"1 packet left out: not IP", "2 packets left out: a link type that is not known (201 of www.tcpdump.org/linktypes.html)",
			},
		},
		"sFlow": {
			Summary{Datagrams: 2, SFlow: 2, Netflow: wrong(2), Capture: capture(2, 2)},
			[]string{"", "no NetFlow: 2 UDP datagrams, but none of NetFlow v5, v9 or IPFIX; capture the port that exporters send to, for example: tcpdump -w router.pcap udp port 2055",
				"2 datagrams left out: sFlow, which is not supported"},
		},
		"others between": {
			Summary{Datagrams: 9, Flows: 7, Rejected: 1, Netflow: malformed, Capture: capture(12, 10, pcap.FragmentLost, pcap.Tunnel)},
			[]string{
				"", "1 datagram left out: from an address that is not in exporters.allow", "1 datagram left out: neither NetFlow v5, v9 nor IPFIX",
				"2 parts of datagrams malformed: set_length",
				"1 packet left out: a tunnel (what it carries is captured on an interface of its own)", "1 packet left out: an IP fragment without the rest of its packet",
			},
		},
	} {
		got := strings.Split(c.summary.String(), "\n")
		if c.want[0] == "" {
			c.want[0] = got[0]
		}
		if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s:\ngot  %q\nwant %q", name, got, c.want)
		}
	}
}

func TestSFlowIsRecognised(t *testing.T) {
	v5 := append([]byte{0, 5, 0, 1}, make([]byte, 68)...)
	sflow := append([]byte{0, 0, 0, 5, 0, 0, 0, 1}, make([]byte, 60)...)
	if isSFlow(v5) || isSFlow(sflow[:20]) || !isSFlow(sflow) {
		t.Error("NetFlow v5 and sFlow are mixed up")
	}
}
