package alert

import (
	"net/netip"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

func TestContacted(t *testing.T) {
	ours, theirs := flow.Addr4(0x0a010203), flow.Addr4(0xc6336407)
	p := NewPolicy([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, nil, nil)
	const tcp = flow.HasBytes | flow.HasPackets | flow.HasTCPFlags | flow.HasPorts
	for name, tt := range map[string]struct {
		r    flow.Record
		want bool
	}{
		"a call":                    {flow.Record{Src: ours, Dst: theirs, Proto: 6, Has: tcp, Bytes: 60, Packets: 1, TCPFlags: flow.SYN}, true},
		"a call that was refused":   {flow.Record{Src: ours, Dst: theirs, Proto: 6, Has: tcp, Bytes: 120, Packets: 2, TCPFlags: flow.SYN | flow.RST}, true},
		"data":                      {flow.Record{Src: ours, Dst: theirs, Proto: 6, Has: tcp, Bytes: 900, Packets: 3, TCPFlags: flow.ACK | flow.PSH}, true},
		"a reset":                   {flow.Record{Src: ours, Dst: theirs, Proto: 6, Has: tcp, Bytes: 40, Packets: 1, TCPFlags: flow.RST | flow.ACK}, false},
		"an open port":              {flow.Record{Src: ours, Dst: theirs, Proto: 6, Has: tcp, Bytes: 60, Packets: 1, TCPFlags: flow.SYN | flow.ACK}, false},
		"a datagram":                {flow.Record{Src: ours, Dst: theirs, Proto: 17, Has: tcp, Bytes: 60, Packets: 1}, true},
		"a ping":                    {flow.Record{Src: ours, Dst: theirs, Proto: 1, Has: tcp | flow.HasICMP, Bytes: 84, Packets: 1, ICMPType: 8}, true},
		"a ping answered":           {flow.Record{Src: ours, Dst: theirs, Proto: 1, Has: tcp | flow.HasICMP, Bytes: 84, Packets: 1}, false},
		"an ICMP error":             {flow.Record{Src: ours, Dst: theirs, Proto: 1, Has: tcp | flow.HasICMP, Bytes: 84, Packets: 1, ICMPType: 3}, false},
		"their data":                {flow.Record{Src: theirs, Dst: ours, Proto: 17, Has: tcp, Bytes: 600, Packets: 1}, false},
		"both ways in one record":   {flow.Record{Src: theirs, Dst: ours, Proto: 17, Has: tcp | flow.HasReverse, Bytes: 60, Packets: 1, RevBytes: 60, RevPackets: 1}, true},
		"no answer in one record":   {flow.Record{Src: theirs, Dst: ours, Proto: 17, Has: tcp | flow.HasReverse, Bytes: 60, Packets: 1}, false},
		"what a firewall let pass":  {flow.Record{Src: ours, Dst: theirs, Proto: 17, Has: tcp | flow.HasFirewall, Bytes: 60, Packets: 1, Firewall: flow.FirewallDeleted}, true},
		"what a firewall held back": {flow.Record{Src: ours, Dst: theirs, Proto: 17, Has: tcp | flow.HasFirewall, Bytes: 60, Packets: 1, Firewall: flow.FirewallDenied}, false},
		"among ourselves":           {flow.Record{Src: ours, Dst: flow.Addr4(0x0a010204), Proto: 17, Has: tcp, Bytes: 60, Packets: 1}, false},
		"among others":              {flow.Record{Src: theirs, Dst: flow.Addr4(0xc6336408), Proto: 17, Has: tcp, Bytes: 60, Packets: 1}, false},
	} {
		remote, ok := p.Contacted(&tt.r)
		if ok != tt.want || ok && remote != theirs {
			t.Errorf("%s: %v, %v", name, remote, ok)
		}
	}
}
