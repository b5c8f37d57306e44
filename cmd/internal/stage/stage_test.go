package stage

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/flow/udp"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/match"
	"github.com/flowhound/flowhound/cmd/internal/site"
)

var (
	exporter = netip.MustParseAddrPort("192.0.2.1:2055")
	inside   = [4]byte{10, 1, 0, 7}
	listed   = [4]byte{198, 51, 100, 7}
	stranger = [4]byte{203, 0, 113, 9}
)

type pair struct{ src, dst [4]byte }

// v5 is a datagram of NetFlow v5 whose flows began so long before it was sent.
func v5(began time.Duration, pairs ...pair) []byte {
	be, now := binary.BigEndian, time.Now()
	b := be.AppendUint32(nil, 5<<16|uint32(len(pairs)))
	b = be.AppendUint32(b, uint32(time.Hour.Milliseconds())) // up for
	b = be.AppendUint32(b, uint32(now.Unix()))
	b = be.AppendUint32(b, uint32(now.Nanosecond()))
	b = append(b, make([]byte, 8)...)
	for _, p := range pairs {
		r := make([]byte, 48)
		copy(r, p.src[:])
		copy(r[4:], p.dst[:])
		be.PutUint32(r[16:], 10)
		be.PutUint32(r[20:], 1000)
		be.PutUint32(r[24:], uint32((time.Hour - began).Milliseconds()))
		be.PutUint32(r[28:], uint32(time.Hour.Milliseconds()))
		be.PutUint16(r[32:], 40000)
		be.PutUint16(r[34:], 443)
		r[37], r[38] = 0x1b, 6
		b = append(b, r...)
	}
	return b
}

// taken is a Sink and a Pass that keep what they are given.
type taken struct {
	flows   []flow.Record
	matches []match.Raw
}

func (x *taken) Flows(b *flow.Batch) { x.flows = append(x.flows, b.Records...) }
func (x *taken) pass(m *match.Raw)   { x.matches = append(x.matches, *m) }
func (x *taken) worker(s *Stage) *Worker {
	return s.NewWorker(Options{Pass: x.pass, Sinks: []Sink{x}})
}

func newStage() *Stage {
	s := New(site.DefaultExporters(), alert.NewPolicy([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, []uint16{443}, nil))
	s.Change(func(st *State) { st.Set = setOf("198.51.100.7/32") })
	return s
}

func setOf(prefix string) *intel.Set {
	b := intel.NewBuilder("test")
	b.Add(&intel.Indicator{Prefix: netip.MustParsePrefix(prefix), Category: intel.C2, Score: 90})
	return intel.NewSet(b.Block())
}

// Each flow reaches the sinks, and those that match reach Pass, in order, whichever
// way they come.
func TestFlowsAndMatches(t *testing.T) {
	t.Parallel()
	s := newStage()
	var x taken
	w := x.worker(s)
	datagram := v5(time.Minute, pair{inside, listed}, pair{inside, stranger}, pair{listed, inside})
	if n := w.Datagram(datagram, exporter, time.Now().UnixNano()); n != 3 {
		t.Errorf("%d flows", n)
	}
	w.Receive(time.Now().UnixNano(), []udp.Datagram{{Data: datagram, From: exporter}, {Data: []byte("nonsense"), From: exporter}})
	decoded := flow.Batch{Records: append([]flow.Record(nil), x.flows[:3]...)}
	w.Flows(&decoded)
	if len(x.flows) != 9 || len(x.matches) != 6 {
		t.Fatalf("%d flows and %d matches", len(x.flows), len(x.matches))
	}
	for i, m := range x.matches {
		want := match.Dst
		if i%2 == 1 {
			want = match.Src
		}
		if m.Sides != want || m.Count != 1 || m.DNSBL || m.Set != s.State().Set {
			t.Errorf("match %d: %+v, want side %v", i, m.Sides, want)
		}
	}
	if c := s.Counts(); c.Lookups != 18 || c.Sampled != 3 || c.Rejected != 0 {
		t.Errorf("%+v", c)
	}
	stats := s.Stats()
	malformed := uint64(0)
	for _, n := range stats[0].Total.Malformed {
		malformed += n
	}
	if len(stats) != 1 || malformed != 1 {
		t.Errorf("%d decoders, %d malformed datagrams", len(stats), malformed)
	}
}

// A new set and other settings hold from the next datagram on.
func TestChange(t *testing.T) {
	t.Parallel()
	s := newStage()
	var x taken
	w := x.worker(s)
	send := func() (matches int) {
		before := len(x.matches)
		w.Datagram(v5(0, pair{inside, listed}), exporter, time.Now().UnixNano())
		return len(x.matches) - before
	}
	if n := send(); n != 1 {
		t.Errorf("%d matches", n)
	}
	s.Change(func(st *State) { st.Set = setOf("203.0.113.0/24") })
	if n := send(); n != 0 {
		t.Errorf("%d matches of a list that is gone", n)
	}
	s.Change(func(st *State) { st.Set = setOf("198.51.100.0/24") })
	e := site.DefaultExporters()
	e.Sampling = site.Sampling{exporter.Addr(): 100}
	s.Apply(e, s.State().Policy)
	if n := send(); n != 1 || x.matches[len(x.matches)-1].Record.Sampling != 100 {
		t.Errorf("%d matches, sampling %d", n, x.matches[len(x.matches)-1].Record.Sampling)
	}
	e.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.128/25")}
	s.Apply(e, s.State().Policy)
	if n := send(); n != 0 || s.Counts().Rejected != 1 || s.State().Allows(exporter.Addr()) || !s.State().Allows(netip.MustParseAddr("192.0.2.200")) {
		t.Errorf("%d matches of an exporter that is not allowed, %+v", n, s.Counts())
	}
	e.Allow = nil
	s.Apply(e, s.State().Policy)
	if n := send(); n != 1 {
		t.Errorf("%d matches after everybody is allowed again", n)
	}
}

// Flows that come late, or that are nobody's own, are worth a word once there are
// enough of them.
func TestFindings(t *testing.T) {
	t.Parallel()
	s := newStage()
	var x taken
	w := x.worker(s)
	found := func() string {
		var l finding.List
		s.Findings(&l)
		var texts []string
		for _, f := range l {
			texts = append(texts, f.What)
		}
		return strings.Join(texts, "\n")
	}
	for range sample - 1 {
		w.Datagram(v5(10*time.Minute, pair{stranger, stranger}), exporter, time.Now().UnixNano())
	}
	if text := found(); text != "" || s.MostlyTransit() != "" {
		t.Errorf("after %d flows: %s", sample-1, text)
	}
	w.Datagram(v5(10*time.Minute, pair{stranger, stranger}), exporter, time.Now().UnixNano())
	if text := found(); !strings.Contains(text, "100% of flows come more than 5m0s after they began") || !strings.Contains(text, "100% of flows have neither side in networks.local") {
		t.Error(text)
	}
	if text := s.MostlyTransit(); !strings.HasPrefix(text, "100% of flows") {
		t.Error(text)
	}
	for range 10 * sample {
		w.Datagram(v5(0, pair{inside, stranger}), exporter, time.Now().UnixNano())
	}
	if text := found(); text != "" {
		t.Errorf("when most are well: %s", text)
	}
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(s); err != nil {
		t.Fatal(err)
	}
	all, err := registry.Gather()
	if err != nil || len(all) != 2 { // no mute, no series of mutes
		t.Errorf("%d families, %v", len(all), err)
	}
}

// TestNothingIsAllocated: the way of a flow that matches nothing.
func TestNothingIsAllocated(t *testing.T) {
	s := newStage()
	w := s.NewWorker(Options{Pass: func(*match.Raw) {}})
	datagrams := []udp.Datagram{{Data: v5(0, pair{inside, stranger}, pair{stranger, inside}), From: exporter}}
	w.Receive(1, datagrams)
	if n := testing.AllocsPerRun(1000, func() { w.Receive(1, datagrams) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
