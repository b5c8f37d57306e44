package replay

import (
	"fmt"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
	"github.com/flowhound/flowhound/cmd/internal/flow/pcap"
)

// String says the counts in one line, and in another each what was not read and why:
// nothing of a capture is left out in silence.
func (s Summary) String() string {
	lines := []string{fmt.Sprintf("%s from %s in %s; %d matched (%s)",
		number(s.Flows, "flow"), number(uint64(s.Exporters), "exporter"), number(s.Datagrams, "datagram"), s.HitFlows, number(s.Hits, "alert line"))}
	if none := s.noNetFlow(); none != "" {
		lines = append(lines, none)
	}
	say := func(n uint64, thing, what string) {
		if n > 0 {
			lines = append(lines, number(n, thing)+" "+what)
		}
	}
	say(s.Rejected, "datagram", "left out: from an address that is not in exporters.allow")
	say(s.SFlow, "datagram", "left out: sFlow, which is not supported")
	if n := s.Netflow.Malformed[netflow.BadVersion] - s.SFlow; n < s.Datagrams {
		say(n, "datagram", "left out: neither NetFlow v5, v9 nor IPFIX")
	}
	for reason, n := range s.Netflow.Malformed {
		if reason := netflow.Reason(reason); reason != netflow.BadVersion {
			say(n, "part", "of datagrams malformed: "+reason.String())
		}
	}
	say(s.Netflow.SetsWithoutTemplate-s.Netflow.HeldDecoded, "set", "of flows left out: the template is not in the capture")
	say(s.Netflow.Lost.Sum(), "flow", "(or datagrams, or records) missing, by the exporters' sequence numbers")
	say(s.Netflow.Addressless, "record", "left out: no address")
	say(s.Capture.Truncated, "datagram", "cut when captured (tcpdump -s 0 captures whole packets)")
	for reason, n := range s.Capture.Left {
		what := "left out: " + pcap.Reason(reason).String()
		if pcap.Reason(reason) == pcap.UnknownLink {
			what += fmt.Sprintf(" (%d of www.tcpdump.org/linktypes.html)", s.Capture.LinkType)
		}
		say(n, "packet", what)
	}
	return strings.Join(lines, "\n")
}

// noNetFlow says what to do about captures without any NetFlow, empty when there is some.
func (s Summary) noNetFlow() string {
	const where = "capture the port that exporters send to, for example: tcpdump -w router.pcap udp port 2055"
	switch {
	case s.Capture.Packets == 0:
		return "no NetFlow: the capture holds no packets"
	case s.Capture.Datagrams == 0:
		return fmt.Sprintf("no NetFlow: none of the %s can be read as UDP; %s", number(s.Capture.Packets, "packet"), where)
	case s.Datagrams > 0 && s.Netflow.Malformed[netflow.BadVersion] == s.Datagrams:
		return fmt.Sprintf("no NetFlow: %s, but none of NetFlow v5, v9 or IPFIX; %s", number(s.Datagrams, "UDP datagram"), where)
	}
	return ""
}

// isSFlow knows the start of an sFlow datagram: version 5 in 32 bits, and the family
// of the agent's address.
func isSFlow(b []byte) bool {
	return len(b) >= 28 && b[0]|b[1]|b[2] == 0 && b[3] == 5 && b[4]|b[5]|b[6] == 0 && (b[7] == 1 || b[7] == 2)
}

// number says how many things there are.
func number(n uint64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
