package throttle

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/match"
	"github.com/flowhound/flowhound/plugin/hit"
)

const (
	tcp, udp, icmp = 6, 17, 1

	syn  = flow.SYN
	talk = flow.SYN | flow.ACK | flow.PSH | flow.FIN
)

var (
	start = time.Date(2026, 6, 7, 0, 0, 0, 0, time.UTC)

	host    = addr("10.1.2.3")
	c2      = addr("203.0.113.7")   // score 90
	scanner = addr("198.51.100.10") // score 60
	phish   = addr("203.0.113.200") // score 60
	outside = addr("192.0.2.9")     // neither ours nor listed
)

func addr(s string) flow.Addr { return flow.AddrFrom(netip.MustParseAddr(s)) }

// plus returns address n of a network.
func plus(a flow.Addr, n int) flow.Addr { return flow.Addr{Hi: a.Hi, Lo: a.Lo + uint64(n)} }

// bench feeds records to a table and keeps the hits.
type bench struct {
	t      testing.TB
	policy *alert.Policy
	set    *intel.Set
	table  *Table
	hits   []*hit.Hit
	added  uint64
}

func newBench(t testing.TB, o Options) *bench {
	b := intel.NewBuilder("test")
	for _, i := range []intel.Indicator{
		{Prefix: netip.MustParsePrefix("203.0.113.0/25"), Category: intel.C2, Score: 90, Name: "Emotet", Ref: "https://list.example/c2", Tags: "a,b"},
		{Prefix: netip.MustParsePrefix("203.0.113.128/25"), Category: intel.Phishing, Score: 60},
		{Prefix: netip.MustParsePrefix("198.51.100.0/24"), Category: intel.Scanner, Score: 60},
		{Prefix: netip.MustParsePrefix("2001:db8:bad::/48"), Category: intel.Scanner, Score: 60},
	} {
		b.Add(&i)
	}
	x := &bench{t: t, set: intel.NewSet(b.Block())}
	x.policy = alert.NewPolicy([]netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("2001:db8:10::/48"),
	}, []uint16{22, 53, 443}, nil)
	x.table = NewTable(atOnce(o), x.take)
	return x
}

// atOnce is for tests of other things than that directions wait for each other.
func atOnce(o Options) Options {
	if o.Meet == 0 {
		o.Meet = -1
	}
	return o
}

func (x *bench) take(h *hit.Hit) { x.hits = append(x.hits, h) }

func record(at time.Duration, proto uint8, src flow.Addr, sport uint16, dst flow.Addr, dport uint16, bytes uint64, flags uint16) *flow.Record {
	r := start.Add(at).UnixNano()
	return &flow.Record{
		Src: src, Dst: dst, SrcPort: sport, DstPort: dport, Proto: proto, Bytes: bytes, Packets: 1 + bytes/1000, TCPFlags: flags,
		Received: r, Start: r - 2e9, End: r - 1e9, Sampling: 1, Exporter: addr("192.0.2.1"),
		Has: flow.HasPorts | flow.HasProto | flow.HasBytes | flow.HasPackets | flow.HasTCPFlags | flow.HasStart | flow.HasEnd,
	}
}

func (x *bench) event(r *flow.Record) *alert.Event {
	ev, ok := x.policy.Classify(&match.Raw{Record: *r, Sides: match.Sides(x.set, r), Set: x.set, Count: 1}, time.Unix(0, r.Received))
	if !ok {
		x.t.Fatalf("%v to %v does not match", r.Src, r.Dst)
	}
	return &ev
}

func (x *bench) add(r *flow.Record) {
	x.added++
	x.table.Add(x.event(r))
}

// probe is a SYN from outside.
func (x *bench) probe(at time.Duration, src, dst flow.Addr, port uint16) {
	x.add(record(at, tcp, src, 40000, dst, port, 44, syn))
}

// call is a whole conversation that host opened.
func (x *bench) call(at time.Duration, dst flow.Addr, port uint16, bytes uint64) {
	x.add(record(at, tcp, host, 50000, dst, port, bytes, talk))
}

func (x *bench) counts() (n uint64) {
	for _, h := range x.hits {
		n += h.Count
	}
	return n
}

// story prints the hits as "kind severity count" in order.
func (x *bench) story() []string {
	var s []string
	for _, h := range x.hits {
		s = append(s, fmt.Sprintf("%s %s %s %d", h.Kind, h.Severity, h.State, h.Count))
	}
	return s
}

func (x *bench) want(story ...string) {
	x.t.Helper()
	if got := x.story(); !reflect.DeepEqual(got, story) {
		x.t.Fatalf("hits:\n%q\nwant:\n%q", got, story)
	}
}

func (x *bench) advance(at time.Duration) { x.table.Advance(start.Add(at)) }

func TestFirstAtOnceThenSummed(t *testing.T) {
	x := newBench(t, Options{})
	x.call(0, c2, 443, 1000)
	x.want("new critical established 1")
	for i := 1; i <= 3; i++ {
		x.call(time.Duration(i)*time.Minute, c2, 443, 1000)
	}
	x.advance(4*time.Minute + 59*time.Second)
	x.want("new critical established 1")
	x.advance(5 * time.Minute)
	x.want("new critical established 1", "repeat critical established 3")
	// The window has doubled.
	x.call(6*time.Minute, c2, 443, 1000)
	x.advance(14*time.Minute + 59*time.Second)
	if len(x.hits) != 2 {
		t.Fatal("the second window lasted less than 10 minutes")
	}
	x.advance(15 * time.Minute)
	x.want("new critical established 1", "repeat critical established 3", "repeat critical established 1")
	if got := x.hits[2].Time; !got.Equal(start.Add(15 * time.Minute)) {
		t.Errorf("said at %v", got)
	}
}

func TestAfterAnEmptyWindowAtOnce(t *testing.T) {
	x := newBench(t, Options{})
	x.call(0, c2, 443, 1000)
	x.call(time.Hour, c2, 443, 1000)
	x.want("new critical established 1", "repeat critical established 1")
	x.call(time.Hour+time.Minute, c2, 443, 1000) // its window lasts 10 minutes
	x.advance(time.Hour + 9*time.Minute)
	if len(x.hits) != 2 {
		t.Fatalf("%q", x.story())
	}
	x.advance(time.Hour + 10*time.Minute)
	x.want("new critical established 1", "repeat critical established 1", "repeat critical established 1")
	if a, b := x.hits[0].ID, x.hits[2].ID; a[:13] != b[:13] || a[13:] != "-1" || b[13:] != "-3" {
		t.Errorf("ids %s, %s", a, b)
	}
}

func TestQuietKeyIsForgotten(t *testing.T) {
	x := newBench(t, Options{})
	x.call(0, c2, 443, 1000)
	x.advance(24*time.Hour - time.Second)
	if x.table.Stats().Keys != 1 {
		t.Fatal("forgotten too early")
	}
	x.advance(24 * time.Hour)
	if x.table.Stats().Keys != 0 {
		t.Fatal("never forgotten")
	}
	x.call(25*time.Hour, c2, 443, 1000)
	x.want("new critical established 1", "new critical established 1")
	if x.hits[0].ID == x.hits[1].ID {
		t.Error("two series have one id")
	}
}

func TestWorseIsSaidAtOnce(t *testing.T) {
	x := newBench(t, Options{})
	x.add(record(0, tcp, host, 50000, c2, 443, 60, syn))
	x.add(record(time.Second, tcp, host, 50000, c2, 443, 60, syn))
	x.call(2*time.Second, c2, 443, 1000)
	x.want("new high attempt 1", "new critical established 2")
	// What comes in is not over 10 MB; what is sent would be worse by itself.
	take := func(at time.Duration, bytes uint64) {
		x.add(record(at, tcp, c2, 443, host, 50000, bytes, talk))
	}
	take(3*time.Second, 9_999_000)
	x.want("new high attempt 1", "new critical established 2")
	take(4*time.Second, 1001)
	x.want("new high attempt 1", "new critical established 2", "new critical established 2")
	take(5*time.Second, 99_000_000) // not ten times what was said
	take(6*time.Second, 2_000_000)
	if got := x.story(); len(got) != 4 || got[3] != "new critical established 2" {
		t.Fatalf("%q", got)
	}
	for i, h := range x.hits {
		if want := fmt.Sprintf("%s-%d", x.hits[0].ID[:13], i+1); h.ID != want {
			t.Errorf("id %s, want %s", h.ID, want)
		}
	}
}

func TestBothDirectionsMeet(t *testing.T) {
	x := newBench(t, Options{})
	x.add(record(0, udp, host, 50000, c2, 53, 80, 0))
	x.add(record(time.Second, udp, c2, 53, host, 50000, 200, 0))
	x.want("new high attempt 1", "new critical established 1")
	h := x.hits[1]
	if h.Src != host.IP() || h.Dst != c2.IP() || h.DstPort != 53 || h.SrcBytes != 0 || h.DstBytes != 200 || h.Direction != hit.Outbound {
		t.Errorf("%+v", h)
	}

	// The answer first, then the question.
	x = newBench(t, Options{})
	x.add(record(0, udp, c2, 53, host, 50000, 200, 0))
	x.add(record(time.Second, udp, host, 50000, c2, 53, 80, 0))
	x.want("new high unknown 1", "new critical established 1")

	// An answer of another hour does not make an attempt a conversation.
	x = newBench(t, Options{})
	x.add(record(0, udp, c2, 53, host, 50000, 200, 0))
	x.add(record(time.Hour, udp, host, 50000, c2, 53, 80, 0))
	x.want("new high unknown 1", "repeat high attempt 1")

	// A refused connection is no conversation.
	x = newBench(t, Options{})
	x.add(record(0, tcp, host, 50000, c2, 443, 60, syn))
	x.add(record(time.Second, tcp, c2, 443, host, 50000, 40, flow.RST|flow.ACK))
	x.advance(time.Hour)
	x.want("new high attempt 1", "repeat high attempt 1")
}

func TestEqualPortsFirstSenderOpened(t *testing.T) {
	x := newBench(t, Options{})
	x.add(record(0, udp, host, 5000, c2, 5000, 80, 0))
	x.add(record(time.Second, udp, c2, 5000, host, 5000, 80, 0))
	x.want("new high attempt 1", "new critical established 1")
	if x.hits[1].Src != host.IP() || x.hits[1].Direction != hit.Outbound {
		t.Errorf("%+v", x.hits[1])
	}

	// Opened from outside, its first record is noise and has no entry of its own.
	x = newBench(t, Options{})
	x.add(record(0, udp, scanner, 5060, host, 5060, 80, 0))
	x.add(record(time.Second, udp, host, 5060, scanner, 5060, 300, 0))
	x.want("new info attempt 1", "new medium established 1")
	if x.hits[1].Src != scanner.IP() || x.hits[1].Direction != hit.Inbound {
		t.Errorf("%+v", x.hits[1])
	}
}

func TestServedBothWaysIsWorse(t *testing.T) {
	x := newBench(t, Options{})
	x.add(record(0, tcp, scanner, 50000, host, 22, 3000, talk))
	x.add(record(time.Second, tcp, host, 22, scanner, 50000, 15_000, talk))
	x.want("new medium established 1")
	x.add(record(time.Minute, tcp, host, 22, scanner, 50000, 15_000, talk&^syn)) // the same connection goes on
	x.want("new medium established 1", "new high established 2")
}

func TestMinSeverity(t *testing.T) {
	x := newBench(t, Options{MinSeverity: hit.Critical})
	x.add(record(0, tcp, host, 50000, c2, 443, 60, syn))
	x.add(record(time.Second, tcp, host, 50000, c2, 443, 60, syn))
	x.want()
	x.call(2*time.Second, c2, 443, 1000)
	x.want("new critical established 2")
	if s := x.table.Stats(); s.Muted != 1 || s.Lines != 1 || x.hits[0].ID[13:] != "-1" {
		t.Errorf("%+v, id %s", s, x.hits[0].ID)
	}
	// What a reload lets through begins a series that nobody has seen.
	x = newBench(t, Options{MinSeverity: hit.Critical})
	x.add(record(0, tcp, host, 50000, c2, 443, 60, syn))
	x.table.Configure(Options{})
	x.add(record(time.Second, tcp, host, 50000, c2, 443, 60, syn))
	x.advance(time.Hour)
	x.want("new high attempt 1")
}

func TestPushedOutSaysWhatItHolds(t *testing.T) {
	x := newBench(t, Options{MaxKeys: 3})
	for i := range 3 {
		x.call(0, plus(c2, i), 443, 1000)
	}
	x.call(time.Second, c2, 443, 1000)
	x.call(2*time.Second, plus(c2, 1), 443, 1000)
	x.call(3*time.Second, plus(c2, 8), 443, 1000) // pushes out c2+2, which holds nothing
	x.call(4*time.Second, plus(c2, 9), 443, 1000) // pushes out c2
	x.want("new critical established 1", "new critical established 1", "new critical established 1",
		"new critical established 1", "repeat critical established 1", "new critical established 1")
	if x.hits[4].Dst != c2.IP() {
		t.Errorf("pushed out %v", x.hits[4].Dst)
	}
	if s := x.table.Stats(); s.Keys != 3 || s.PushedOut != 2 {
		t.Errorf("%+v", s)
	}
	x.table.Flush(start.Add(5 * time.Second))
	if x.counts() != x.added {
		t.Errorf("said %d of %d", x.counts(), x.added)
	}
}

func TestFlushKeepsTheKeys(t *testing.T) {
	x := newBench(t, Options{})
	x.call(0, c2, 443, 1000)
	x.call(time.Second, c2, 443, 1000)
	x.table.Flush(start.Add(2 * time.Second))
	x.table.Flush(start.Add(3 * time.Second))
	x.want("new critical established 1", "repeat critical established 1")
	x.call(4*time.Second, c2, 443, 1000)
	x.table.Flush(start.Add(5 * time.Second))
	if h := x.hits[2]; h.ID[:13] != x.hits[0].ID[:13] || h.Kind != hit.Repeat {
		t.Errorf("%s %s", h.Kind, h.ID)
	}
}

// TestWindowsEndInOrder: at the same moment, the older key speaks first.
func TestWindowsEndInOrder(t *testing.T) {
	x := newBench(t, Options{})
	order := []int{5, 1, 14, 3, 2, 9, 4, 8, 7, 12, 6, 11, 10, 13}
	for _, n := range order {
		x.call(0, plus(c2, n), 443, 1000)
	}
	for _, n := range order {
		x.call(0, plus(c2, n), 443, 1000)
	}
	x.advance(time.Hour)
	for i, n := range order {
		if x.hits[len(order)+i].Dst != plus(c2, n).IP() {
			t.Errorf("line %d is about %v", i, x.hits[3+i].Dst)
		}
	}
}

func TestClockSetBack(t *testing.T) {
	x := newBench(t, Options{})
	x.call(10000*time.Hour, c2, 443, 1000)
	x.call(10000*time.Hour, c2, 443, 1000)
	x.advance(0)
	x.advance(5 * time.Minute)
	x.want("new critical established 1", "repeat critical established 1")
}

func TestHitOfAPair(t *testing.T) {
	x := newBench(t, Options{})
	r := record(time.Minute, tcp, c2, 443, host, 51234, 1000, talk)
	r.Sampling, r.Domain = 10, 7
	r.RevBytes, r.RevPackets, r.Has = 50, 3, r.Has|flow.HasReverse|flow.HasNATDst|flow.HasDirection
	r.Direction = flow.BiflowReverseInitiator
	r.NATDst = addr("10.5.5.5")
	r.SrcAS, r.DstAS = 64500, 23456 // which stands for another one
	x.add(r)
	got := *x.hits[0]
	at := start.Add(time.Minute)
	want := hit.Hit{
		Kind: hit.New, Severity: hit.Critical, Direction: hit.Outbound, State: hit.Established,
		Category: "c2", Feed: "test", IOC: netip.MustParsePrefix("203.0.113.0/25"), Score: 90,
		Src: host.IP(), Dst: c2.IP(), SrcPort: 51234, DstPort: 443, Proto: tcp,
		Count: 1, Bytes: 10500, Packets: 50, Exporter: netip.MustParseAddr("192.0.2.1"), Domain: 7, Sampling: 10,
		Start: at.Add(-2 * time.Second), End: at.Add(-time.Second), First: at, Last: at, Time: at,
		ID: got.ID, Ref: "https://list.example/c2", Name: "Emotet", Local: host.IP(), Remote: c2.IP(), Matched: hit.MatchedDst,
		SrcBytes: 500, DstBytes: 10000, SrcPackets: 30, DstPackets: 20, NATSrc: netip.MustParseAddr("10.5.5.5"),
		DstPlace: hit.Place{AS: 64500},
		Indicators: []hit.Indicator{{
			IOC: netip.MustParsePrefix("203.0.113.0/25"), Feed: "test", Category: "c2", Score: 90,
			Ref: "https://list.example/c2", Name: "Emotet", Tags: []string{"a", "b"},
		}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestClientPortsThatDiffer(t *testing.T) {
	x := newBench(t, Options{})
	for i := range 3 {
		x.add(record(0, tcp, host, uint16(50000+i), c2, 443, 1000, talk))
	}
	x.add(record(0, icmp, host, 0, c2, 0, 84, 0))
	x.table.Flush(start)
	if h := x.hits[0]; h.SrcPort != 50000 || h.DstPort != 443 {
		t.Errorf("one record: ports %d, %d", h.SrcPort, h.DstPort)
	}
	if h := x.hits[2]; h.SrcPort != hit.NoPort || h.DstPort != 443 {
		t.Errorf("two records: ports %d, %d", h.SrcPort, h.DstPort)
	}
	if h := x.hits[1]; h.SrcPort != hit.NoPort || h.DstPort != hit.NoPort {
		t.Errorf("ICMP without a type: ports %d, %d", h.SrcPort, h.DstPort)
	}
}

// A listing of a DNS blacklist is told from a feed's by its first line.
func TestBlacklistsHaveTheirKind(t *testing.T) {
	x := newBench(t, Options{})
	for i := range 3 {
		ev := x.event(record(time.Duration(i)*time.Second, tcp, host, 40000, c2, 443, 5000, talk))
		ev.DNSBL = true
		x.table.Add(ev)
	}
	x.table.Flush(start.Add(time.Minute))
	if len(x.hits) != 2 || x.hits[0].Kind != hit.DNSBL || x.hits[1].Kind != hit.Repeat || x.hits[1].Count != 2 {
		t.Errorf("%+v", x.hits)
	}
}
