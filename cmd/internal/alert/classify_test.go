package alert

import (
	"net/netip"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/match"
	"github.com/flowhound/flowhound/plugin/hit"
)

const (
	syn    = flow.SYN
	synAck = flow.SYN | flow.ACK
	rst    = flow.RST
	rstAck = flow.RST | flow.ACK
	talk   = flow.SYN | flow.ACK | flow.PSH | flow.FIN
	ack    = flow.ACK
)

var (
	now = time.Date(2026, 6, 7, 12, 0, 0, 0, time.UTC)
	us  = addr("10.1.2.3")
	us2 = addr("10.9.9.9")
	us6 = addr("2001:db8:10::1")
	bad = addr("198.51.100.7") // c2, score 90
	pst = addr("203.0.113.5")  // scanner, score 60
	bd6 = addr("2001:db8:bad::7")
	out = addr("192.0.2.1") // neither ours nor listed
)

func addr(s string) flow.Addr { return flow.AddrFrom(netip.MustParseAddr(s)) }

func testSet() *intel.Set {
	b := intel.NewBuilder("test")
	for _, i := range []intel.Indicator{
		{Prefix: netip.MustParsePrefix("198.51.100.7/32"), Category: intel.C2, Score: 90, Name: "host"},
		{Prefix: netip.MustParsePrefix("198.51.100.0/24"), Category: intel.Scanner, Score: 95, Name: "net"},
		{Prefix: netip.MustParsePrefix("203.0.113.5/32"), Category: intel.Scanner, Score: 60},
		{Prefix: netip.MustParsePrefix("203.0.113.6/32"), Category: intel.Malware, Score: 60, Port: 8080},
		{Prefix: netip.MustParsePrefix("203.0.113.7/32"), Category: intel.Malware, Score: 60, Expires: now},
		{Prefix: netip.MustParsePrefix("203.0.113.8/32"), Category: intel.Phishing, Score: 49},
		{Prefix: netip.MustParsePrefix("10.66.0.1/32"), Category: intel.Spam, Score: 70},
		{Prefix: netip.MustParsePrefix("2001:db8:bad::/48"), Category: intel.Botnet, Score: 70},
	} {
		b.Add(&i)
	}
	return intel.NewSet(b.Block())
}

func testPolicy(severity map[intel.Category]hit.Severity) *Policy {
	return NewPolicy([]netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("10.9.0.0/16"), netip.MustParsePrefix("2001:db8:10::/48"),
	}, []uint16{22, 53, 443, 8443}, severity)
}

// rec is a record with ports and counters; with adds to it.
func rec(proto uint8, src flow.Addr, sport uint16, dst flow.Addr, dport uint16, bytes, packets uint64, with ...func(*flow.Record)) flow.Record {
	r := flow.Record{
		Src: src, Dst: dst, SrcPort: sport, DstPort: dport, Proto: proto, Bytes: bytes, Packets: packets, Sampling: 1,
		Received: now.UnixNano(), Has: flow.HasPorts | flow.HasProto | flow.HasBytes | flow.HasPackets,
	}
	for _, f := range with {
		f(&r)
	}
	return r
}

func flags(f uint16) func(*flow.Record) {
	return func(r *flow.Record) { r.TCPFlags, r.Has = f, r.Has|flow.HasTCPFlags }
}

func layer2Octets(r *flow.Record) { r.Has |= flow.HasLayer2 }

func reverse(bytes, packets uint64) func(*flow.Record) {
	return func(r *flow.Record) { r.RevBytes, r.RevPackets, r.Has = bytes, packets, r.Has|flow.HasReverse }
}

func reverseFlags(f uint16) func(*flow.Record) {
	return func(r *flow.Record) { r.RevTCPFlags, r.Has = f, r.Has|flow.HasRevTCPFlags }
}

func biflow(d flow.BiflowDirection) func(*flow.Record) {
	return func(r *flow.Record) { r.Direction, r.Has = d, r.Has|flow.HasDirection }
}

// firewall is an event without counters; put reverse after it for one with them.
func firewall(e flow.FirewallEvent) func(*flow.Record) {
	return func(r *flow.Record) {
		r.Firewall, r.Has = e, (r.Has|flow.HasFirewall)&^(flow.HasBytes|flow.HasPackets)
		r.Bytes, r.Packets = 0, 0
	}
}

func counted(bytes uint64) func(*flow.Record) {
	return func(r *flow.Record) { r.Bytes, r.Has = bytes, r.Has|flow.HasBytes }
}

func icmp(typ, code uint8) func(*flow.Record) {
	return func(r *flow.Record) { r.ICMPType, r.ICMPCode, r.Has = typ, code, r.Has|flow.HasICMP }
}

func sampled(rate uint32) func(*flow.Record) { return func(r *flow.Record) { r.Sampling = rate } }

func nat(src, dst flow.Addr) func(*flow.Record) {
	return func(r *flow.Record) { r.NATSrc, r.NATDst, r.Has = src, dst, r.Has|flow.HasNATSrc|flow.HasNATDst }
}

func classify(t *testing.T, p *Policy, r flow.Record) (Event, bool) {
	t.Helper()
	set := testSet()
	return p.Classify(&match.Raw{Record: r, Sides: match.Sides(set, &r), Set: set, Count: 1}, now)
}

// TestWhoCalledWhom has a row for every clause of the rules, in their order.
func TestWhoCalledWhom(t *testing.T) {
	const outbound, inbound, transit, internal = hit.Outbound, hit.Inbound, hit.Transit, hit.Internal
	const attempt, established, unknown = hit.Attempt, hit.Established, hit.Unknown
	tests := []struct {
		name  string
		r     flow.Record
		dir   hit.Direction
		state hit.State
		told  bool
		port  int
	}{
		// Biflow and firewall fields.
		{"biflow, source opened, against the ports", rec(6, us, 443, bad, 50000, 900, 9, biflow(flow.BiflowInitiator), reverse(900, 9)), outbound, established, true, 50000},
		{"biflow, destination opened", rec(6, us, 50000, bad, 443, 900, 9, biflow(flow.BiflowReverseInitiator), reverse(900, 9)), inbound, established, true, 50000},
		{"biflow without a direction: by port", rec(6, us, 50000, bad, 443, 900, 9, biflow(flow.BiflowArbitrary), reverse(900, 9)), outbound, established, true, 443},
		{"biflow, perimeter says nothing of the opener", rec(6, bad, 443, us, 50000, 900, 9, biflow(flow.BiflowPerimeter), reverse(900, 9)), outbound, established, true, 443},
		{"RFC 5103 counters, no answer", rec(6, us, 50000, bad, 443, 60, 1, reverse(0, 0)), outbound, attempt, true, 443},
		{"RFC 5103 counters, refused", rec(6, us, 50000, bad, 443, 60, 1, flags(syn), reverse(40, 1), reverseFlags(rstAck)), outbound, attempt, true, 443},
		{"RFC 5103 reverse flags tell", rec(6, us, 443, bad, 50000, 300, 3, flags(ack), reverse(60, 1), reverseFlags(synAck)), outbound, attempt, true, 50000},
		{"RFC 5103 UDP answered", rec(17, us, 50000, bad, 53, 80, 1, reverse(200, 1)), outbound, established, true, 53},
		{"NSEL created", rec(6, us, 443, bad, 50000, 0, 0, firewall(flow.FirewallCreated)), outbound, established, true, 50000},
		{"NSEL created from outside", rec(6, pst, 443, us, 50000, 0, 0, firewall(flow.FirewallCreated)), inbound, established, true, 50000},
		{"NSEL denied", rec(6, us, 443, bad, 50000, 0, 0, firewall(flow.FirewallDenied)), outbound, attempt, true, 50000},
		{"NSEL denied from outside", rec(6, pst, 443, us, 50000, 0, 0, firewall(flow.FirewallDenied)), inbound, attempt, true, 50000},
		{"NSEL torn down with data both ways", rec(6, us, 443, bad, 50000, 0, 0, firewall(flow.FirewallDeleted), counted(50), reverse(40, 0)), outbound, established, true, 50000},
		{"NSEL torn down, never answered", rec(6, us, 443, bad, 50000, 0, 0, firewall(flow.FirewallDeleted), counted(0), reverse(0, 0)), outbound, attempt, true, 50000},
		{"NSEL torn down without counters", rec(17, us, 443, bad, 50000, 0, 0, firewall(flow.FirewallDeleted)), outbound, established, true, 50000},
		{"NSEL alert says neither", rec(17, us, 4000, bad, 5000, 0, 0, firewall(flow.FirewallAlert)), outbound, attempt, true, 5000},
		{"firewall with one-way counters: by flags", rec(6, bad, 443, us, 50000, 60, 1, firewall(flow.FirewallDeleted), counted(60), flags(synAck)), outbound, attempt, true, 443},
		{"firewall event ignored", rec(6, bad, 443, us, 50000, 0, 0, firewall(flow.FirewallIgnore)), outbound, attempt, true, 443},

		// Only SYN: the sender opened.
		{"only SYN", rec(6, us, 443, bad, 50000, 60, 1, flags(syn)), outbound, attempt, true, 50000},
		{"only SYN with ECN bits", rec(6, us, 443, bad, 50000, 60, 1, flags(syn|0xc0)), outbound, attempt, true, 50000},
		{"only SYN from outside", rec(6, pst, 443, us, 50000, 44, 1, flags(syn)), inbound, attempt, true, 50000},
		{"half-open scan", rec(6, pst, 22, us, 50000, 84, 2, flags(syn|rst)), inbound, attempt, true, 50000},

		// RST+ACK, SYN+ACK, ICMP error, echo reply: the sender answers.
		{"only RST+ACK from inside", rec(6, us, 50000, pst, 443, 40, 1, flags(rstAck)), inbound, attempt, true, 50000},
		{"only RST from inside, a frame of 64 bytes", rec(6, us, 50000, pst, 443, 64, 1, flags(rst), layer2Octets), inbound, attempt, true, 50000},
		{"only RST+ACK from inside, frames with options", rec(6, us, 50000, pst, 443, 156, 2, flags(rstAck), layer2Octets), inbound, attempt, true, 50000},
		{"only RST from inside", rec(6, us, 50000, pst, 443, 40, 1, flags(rst)), inbound, attempt, true, 50000},
		{"only RST+ACK from outside", rec(6, bad, 50000, us, 443, 40, 1, flags(rstAck)), outbound, attempt, true, 50000},
		{"only SYN+ACK from inside", rec(6, us, 50000, pst, 443, 44, 1, flags(synAck)), inbound, attempt, true, 50000},
		{"only SYN+ACK from outside", rec(6, bad, 50000, us, 443, 60, 1, flags(synAck)), outbound, attempt, true, 50000},
		{"ICMP unreachable from inside", rec(1, us, 0, pst, 0, 56, 1, icmp(3, 3)), inbound, attempt, true, hit.NoPort},
		{"ICMP time exceeded from outside", rec(1, pst, 0, us, 0, 56, 1, icmp(11, 0)), outbound, attempt, true, hit.NoPort},
		{"ICMPv6 unreachable from inside", rec(58, us6, 0, bd6, 0, 96, 1, icmp(1, 4)), inbound, attempt, true, hit.NoPort},
		{"ICMPv6 packet too big from inside", rec(58, us6, 0, bd6, 0, 96, 1, icmp(2, 0)), inbound, attempt, true, hit.NoPort},
		{"echo from inside", rec(1, us, 0, bad, 0, 84, 1, icmp(8, 0)), outbound, attempt, true, hit.NoPort},
		{"echo from outside", rec(1, pst, 0, us, 0, 84, 1, icmp(8, 0)), inbound, attempt, true, hit.NoPort},
		{"echo reply from inside", rec(1, us, 0, pst, 0, 84, 1, icmp(0, 0)), inbound, established, true, hit.NoPort},
		{"echo reply from outside", rec(1, bad, 0, us, 0, 84, 1, icmp(0, 0)), outbound, unknown, true, hit.NoPort},
		{"ICMPv6 echo from inside", rec(58, us6, 0, bd6, 0, 104, 1, icmp(128, 0)), outbound, attempt, true, hit.NoPort},
		{"ICMPv6 echo reply from inside", rec(58, us6, 0, bd6, 0, 104, 1, icmp(129, 0)), inbound, established, true, hit.NoPort},
		{"ICMP whose type was not sent: first sender", rec(1, us, 0, bad, 0, 84, 1), outbound, attempt, false, hit.NoPort},

		// The side without the service port, then the lower number.
		{"service port of ours, against the lower number", rec(6, us, 1024, bad, 8443, 900, 9, flags(talk)), outbound, established, true, 8443},
		{"service port is the source's", rec(6, bad, 8443, us, 1024, 900, 9, flags(talk)), outbound, established, true, 8443},
		{"lower number", rec(6, us, 50000, bad, 4444, 900, 9, flags(talk)), outbound, established, true, 4444},
		{"lower number, from outside", rec(6, us, 4444, bad, 50000, 900, 9, flags(talk)), inbound, established, true, 4444},
		{"both are service ports: lower number", rec(17, us, 443, bad, 53, 80, 1), outbound, attempt, true, 53},
		{"no flags exported", rec(6, us, 50000, bad, 443, 900, 9), outbound, attempt, true, 443},

		// Equal: the key's first sender.
		{"equal ports, ours sent", rec(17, us, 5000, bad, 5000, 80, 1), outbound, attempt, false, 5000},
		{"equal ports, theirs sent", rec(17, bad, 5000, us, 5000, 80, 1), inbound, attempt, false, 5000},
		{"no ports at all", rec(47, us, 0, bad, 0, 80, 1), outbound, attempt, false, hit.NoPort},

		// Established.
		{"ACK with PSH", rec(6, us, 50000, bad, 443, 100, 3, flags(ack|flow.PSH)), outbound, established, true, 443},
		{"ACK with FIN", rec(6, us, 50000, bad, 443, 100, 3, flags(ack|flow.FIN)), outbound, established, true, 443},
		{"FIN, PSH and URG without ACK: a probe", rec(6, pst, 50000, us, 443, 40, 1, flags(flow.FIN|flow.PSH|flow.URG)), inbound, attempt, true, 443},
		{"data from a local responder", rec(17, us, 53, pst, 50000, 300, 1), inbound, established, true, 53},
		{"no flags, data from a local responder", rec(6, us, 443, pst, 50000, 9000, 9), inbound, established, true, 443},
		{"no flags, a local responder without data", rec(6, us, 443, pst, 50000, 120, 2), inbound, attempt, true, 443},
		{"IPv6 SYN+ACK with options is no data", rec(6, us6, 443, bd6, 50000, 80, 1), inbound, attempt, true, 443},

		// A remote responder alone with data.
		{"remote responder, UDP", rec(17, bad, 53, us, 50000, 300, 1), outbound, unknown, true, 53},
		{"remote responder, no flags", rec(6, bad, 443, us, 50000, 9000, 9), outbound, unknown, true, 443},
		{"remote responder, ACK alone", rec(6, bad, 443, us, 50000, 9000, 9, flags(ack)), outbound, unknown, true, 443},
		{"remote responder, ACK and PSH", rec(6, bad, 443, us, 50000, 9000, 9, flags(ack|flow.PSH)), outbound, established, true, 443},

		// Sampling.
		{"a sampled SYN alone", rec(6, us, 50000, bad, 443, 60, 1, flags(syn), sampled(100)), outbound, unknown, true, 443},
		{"a sampled SYN alone from outside", rec(6, pst, 50000, us, 443, 60, 1, flags(syn), sampled(100)), inbound, unknown, true, 443},
		{"sampled UDP", rec(17, us, 50000, bad, 53, 60, 1, sampled(100)), outbound, attempt, true, 53},

		// Where the sides lie.
		{"internal", rec(6, us, 50000, addr("10.66.0.1"), 25, 900, 9, flags(talk)), internal, established, true, 25},
		{"transit", rec(6, out, 50000, bad, 443, 900, 9, flags(talk)), transit, established, true, 443},
		{"our own address is listed", rec(6, addr("10.66.0.1"), 50000, out, 25, 900, 9, flags(talk)), outbound, established, true, 25},
		{"inside before translation only", rec(6, us, 50000, bad, 443, 900, 9, flags(talk), nat(out, bad)), outbound, established, true, 443},
		{"inside after translation only", rec(6, bad, 443, out, 50000, 900, 9, flags(talk), nat(bad, us)), outbound, established, true, 443},
	}
	p := testPolicy(nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, ok := classify(t, p, tt.r)
			if !ok {
				t.Fatal("no event")
			}
			if e.Direction != tt.dir || e.State != tt.state || e.OpenerTold != tt.told || e.ServicePort() != tt.port {
				t.Errorf("got %s %s told=%v port=%d, want %s %s told=%v port=%d",
					e.Direction, e.State, e.OpenerTold, e.ServicePort(), tt.dir, tt.state, tt.told, tt.port)
			}
		})
	}
}

func TestSides(t *testing.T) {
	p := testPolicy(nil)
	own := addr("10.66.0.1")
	tests := []struct {
		name          string
		r             flow.Record
		local, remote flow.Addr
		nat           bool
		others        int
	}{
		{"destination", rec(6, us, 50000, bad, 443, 900, 9, flags(talk)), us, bad, false, 0},
		{"source", rec(6, bad, 443, us, 50000, 900, 9, flags(talk)), us, bad, false, 0},
		{"translated destination stands in its place", rec(6, us, 50000, out, 443, 900, 9, flags(talk), nat(us, bad)), us, bad, true, 0},
		{"translated source stands in its place", rec(6, out, 443, us, 50000, 900, 9, flags(talk), nat(bad, us)), us, bad, true, 0},
		{"our side after translation", rec(6, bad, 443, out, 50000, 900, 9, flags(talk), nat(bad, us)), us, bad, false, 2},
		{"both listed: the more severe", rec(6, pst, 443, bad, 50000, 900, 9, flags(ack|flow.PSH)), pst, bad, false, 1},
		{"own address and theirs: the more severe", rec(6, own, 50000, bad, 443, 900, 9, flags(talk)), own, bad, false, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, ok := classify(t, p, tt.r)
			if !ok {
				t.Fatal("no event")
			}
			if e.Local != tt.local || e.Remote != tt.remote || e.MatchedNAT != tt.nat || len(e.Others) != tt.others {
				t.Errorf("local %v remote %v nat %v others %d", e.Local, e.Remote, e.MatchedNAT, len(e.Others))
			}
		})
	}
}

// TestBothDirectionsChooseAlike: the fold key of a conversation is one, whoever
// sent the record, also when both ends are listed and tie.
func TestBothDirectionsChooseAlike(t *testing.T) {
	p := testPolicy(nil)
	other := addr("2001:db8:bad::8")
	there, _ := classify(t, p, rec(6, bd6, 50000, other, 443, 900, 9, flags(talk)))
	back, _ := classify(t, p, rec(6, other, 443, bd6, 50000, 900, 9, flags(talk)))
	if there.Remote != other || back.Remote != other || there.Local != back.Local || there.ServicePort() != back.ServicePort() {
		t.Errorf("there: %v to %v, back: %v to %v", there.Local, there.Remote, back.Local, back.Remote)
	}
}

func TestBestIndicator(t *testing.T) {
	p := testPolicy(nil)
	// Outbound, the address is a c2 (critical at 90) inside a scanner's network
	// with a higher score: severity comes first.
	e, _ := classify(t, p, rec(6, us, 50000, bad, 443, 900, 9, flags(talk)))
	if e.Severity != hit.Critical || e.Indicators[0].Name != "host" || len(e.Indicators) != 2 {
		t.Errorf("%v by %q of %d", e.Severity, e.Indicators[0].Name, len(e.Indicators))
	}
	// With both fixed to the same severity the score decides.
	p = testPolicy(map[intel.Category]hit.Severity{intel.C2: hit.Low, intel.Scanner: hit.Low})
	e, _ = classify(t, p, rec(6, us, 50000, bad, 443, 900, 9, flags(talk)))
	if e.Severity != hit.Low || e.Indicators[0].Name != "net" {
		t.Errorf("%v by %q", e.Severity, e.Indicators[0].Name)
	}
}

func TestExpiredDoesNotApply(t *testing.T) {
	if e, ok := classify(t, testPolicy(nil), rec(6, us, 50000, addr("203.0.113.7"), 443, 900, 9)); ok {
		t.Errorf("%+v", e.Indicators)
	}
}

// An indicator of score 60 on port 8080.
func TestPortMovesTheScore(t *testing.T) {
	p := testPolicy(nil)
	onPort := addr("203.0.113.6")
	for _, tt := range []struct {
		name     string
		r        flow.Record
		score    uint8
		severity hit.Severity
	}{
		{"its port", rec(6, us, 50000, onPort, 8080, 900, 9, flags(talk)), 80, hit.Critical},
		{"its port, answer", rec(6, onPort, 8080, us, 50000, 900, 9, flags(talk)), 80, hit.Critical},
		{"another port", rec(6, us, 50000, onPort, 443, 900, 9, flags(talk)), 30, hit.Medium},
		{"our port is that number", rec(6, us, 8080, onPort, 50000, 900, 9, flags(talk)), 30, hit.Medium},
		{"no ports", rec(1, us, 0, onPort, 8080, 84, 1), 30, hit.Medium},
	} {
		e, ok := classify(t, p, tt.r)
		if !ok || e.Indicators[0].Score != tt.score || e.Indicators[0].Confidence() != tt.score || e.Severity != tt.severity {
			t.Errorf("%s: %v of %+v, want %v of %d", tt.name, e.Severity, e.Indicators, tt.severity, tt.score)
		}
	}
	for _, tt := range []struct{ score, fits, not uint8 }{{0, 50, 0}, {1, 51, 1}, {50, 75, 25}, {60, 80, 30}, {90, 95, 45}, {99, 100, 50}, {100, 100, 50}} {
		if fits, not := PortScore(tt.score, true), PortScore(tt.score, false); fits != tt.fits || not != tt.not {
			t.Errorf("%d becomes %d on its port and %d elsewhere, want %d and %d", tt.score, fits, not, tt.fits, tt.not)
		}
	}
}

func TestCounters(t *testing.T) {
	p := testPolicy(nil)
	e, _ := classify(t, p, rec(6, bad, 443, us, 50000, 1000, 10, sampled(64), reverse(500, 5)))
	if e.RemoteBytes != 64000 || e.RemotePackets != 640 || e.LocalBytes != 32000 || e.LocalPackets != 320 {
		t.Errorf("remote %d/%d, local %d/%d", e.RemoteBytes, e.RemotePackets, e.LocalBytes, e.LocalPackets)
	}
	e, _ = classify(t, p, rec(6, us, 50000, bad, 443, 1<<63, 1<<40, sampled(1000)))
	if e.LocalBytes != 1<<64-1 || e.LocalPackets != 1000<<40 {
		t.Errorf("a huge counter wrapped to %d, %d", e.LocalBytes, e.LocalPackets)
	}
	if e.Start != now.UnixNano() || e.End != now.UnixNano() {
		t.Errorf("times that were not sent: %d to %d", e.Start, e.End)
	}
}

// TestAssessAgain is what the throttle does when another record tells more.
func TestAssessAgain(t *testing.T) {
	p := testPolicy(nil)
	e, _ := classify(t, p, rec(17, us, 5000, bad, 5000, 80, 1))
	e.LocalData, e.RemoteData = true, true
	e.Assess()
	if e.State != hit.Established || e.Severity != hit.Critical {
		t.Errorf("answered: %s %s", e.State, e.Severity)
	}
	e.LocalOpened = false
	e.Assess()
	if e.Direction != hit.Inbound || e.Severity != hit.High {
		t.Errorf("turned: %s %s", e.Direction, e.Severity)
	}
}

// TestServedMeansServed: an error page and a refused password are no success of a
// scanner or a brute force attack.
func TestServedMeansServed(t *testing.T) {
	p := testPolicy(nil)
	lasting := func(d time.Duration) func(*flow.Record) {
		return func(r *flow.Record) {
			r.End, r.Has = r.Received, r.Has|flow.HasStart|flow.HasEnd
			r.Start = r.End - int64(d)
		}
	}
	for _, tt := range []struct {
		name string
		r    flow.Record
		want hit.Severity
	}{
		{"a refused password", rec(6, pst, 50000, us, 22, 1900, 14, flags(talk), reverse(3200, 15), lasting(6*time.Second)), hit.Medium},
		{"an error page", rec(6, pst, 50000, us, 443, 900, 9, flags(talk), reverse(19_000, 20)), hit.Medium},
		{"a page", rec(6, pst, 50000, us, 443, 900, 9, flags(talk), reverse(20_001, 20)), hit.High},
		{"a sampled page", rec(6, pst, 50000, us, 443, 900, 9, flags(talk), reverse(300, 2), sampled(100)), hit.High},
		{"a session", rec(6, pst, 50000, us, 22, 9000, 90, flags(talk), reverse(12_000, 100), lasting(121*time.Second)), hit.High},
		{"a long download of nothing", rec(6, pst, 50000, us, 443, 9000, 90, flags(talk), reverse(12_000, 100), lasting(time.Hour)), hit.Medium},
		{"one direction is no proof", rec(6, pst, 50000, us, 22, 90_000, 90, flags(talk), lasting(time.Hour)), hit.Medium},
		{"no service port", rec(6, pst, 50000, us, 47123, 9000, 90, flags(talk), reverse(90_000, 100)), hit.Medium},
	} {
		if e, _ := classify(t, p, tt.r); e.Severity != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, e.Severity, tt.want)
		}
	}
}

func TestInside(t *testing.T) {
	p := testPolicy(nil)
	for _, tt := range []struct {
		r       flow.Record
		inside  flow.Addr
		network string
	}{
		{rec(6, pst, 50000, us, 22, 60, 1, flags(syn)), us, "10.0.0.0/8"},
		{rec(6, pst, 50000, us2, 22, 60, 1, flags(syn)), us2, "10.9.0.0/16"},
		{rec(6, out, 50000, addr("10.66.0.1"), 25, 60, 1, flags(syn)), addr("10.66.0.1"), "10.0.0.0/8"},
		{rec(6, pst, 50000, out, 22, 60, 1, flags(syn)), out, "invalid Prefix"},
	} {
		e, _ := classify(t, p, tt.r)
		if a, n := e.Inside(); a != tt.inside || n.String() != tt.network {
			t.Errorf("inside %v in %v, want %v in %v", a, n, tt.inside, tt.network)
		}
	}
}

// TestSeverityTable is the documented table, cell by cell.
func TestSeverityTable(t *testing.T) {
	const info, low, medium, high, critical = hit.Info, hit.Low, hit.Medium, hit.High, hit.Critical
	rows := []struct {
		categories []intel.Category
		score      uint8
		served     bool
		want       [4]hit.Severity // outbound established, outbound else, inbound established, inbound else
	}{
		{[]intel.Category{intel.C2, intel.Malware, intel.Botnet}, 80, false, [4]hit.Severity{critical, high, high, low}},
		{[]intel.Category{intel.C2, intel.Malware, intel.Botnet}, 79, false, [4]hit.Severity{high, high, high, low}},
		{[]intel.Category{intel.C2, intel.Malware, intel.Botnet}, 49, false, [4]hit.Severity{medium, medium, medium, info}},
		{[]intel.Category{intel.Phishing}, 50, true, [4]hit.Severity{high, medium, medium, info}},
		{[]intel.Category{intel.Phishing}, 49, true, [4]hit.Severity{medium, low, low, info}},
		{[]intel.Category{intel.Scanner, intel.Bruteforce, intel.DDoS}, 60, false, [4]hit.Severity{medium, low, medium, info}},
		{[]intel.Category{intel.Scanner, intel.Bruteforce, intel.DDoS}, 60, true, [4]hit.Severity{medium, low, high, info}},
		{[]intel.Category{intel.Scanner, intel.Bruteforce, intel.DDoS}, 0, true, [4]hit.Severity{low, info, medium, info}},
		{[]intel.Category{intel.Spam, intel.Anonymizer, intel.Policy, intel.Other}, 100, true, [4]hit.Severity{medium, low, low, info}},
	}
	for _, r := range rows {
		for _, c := range r.categories {
			for i, want := range r.want {
				directions := [][]hit.Direction{{hit.Outbound, hit.Internal}, {hit.Inbound, hit.Transit}}[i/2]
				states := [][]hit.State{{hit.Established}, {hit.Attempt, hit.Unknown}}[i%2]
				for _, d := range directions {
					for _, s := range states {
						if got := Severity(c, r.score, d, s, r.served); got != want {
							t.Errorf("%s score %d %s %s served=%v: %s, want %s", c, r.score, d, s, r.served, got, want)
						}
					}
				}
			}
		}
	}
	p := testPolicy(map[intel.Category]hit.Severity{intel.Scanner: hit.Critical})
	if got := p.Severity(intel.Scanner, 1, hit.Inbound, hit.Attempt, false); got != critical {
		t.Errorf("a fixed category is %s", got)
	}
	if got := p.Severity(intel.C2, 90, hit.Outbound, hit.Established, false); got != critical {
		t.Errorf("another category is %s", got)
	}
}

func BenchmarkClassify(b *testing.B) {
	set, p := testSet(), testPolicy(nil)
	r := rec(6, us, 50000, pst, 443, 900, 9, flags(talk))
	raw := match.Raw{Record: r, Sides: match.Dst, Set: set, Count: 1}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := p.Classify(&raw, now); !ok {
			b.Fatal("no event")
		}
	}
}
