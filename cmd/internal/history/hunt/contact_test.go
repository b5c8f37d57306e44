package hunt

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/query"
	"github.com/flowhound/flowhound/plugin/hit"
)

// found returns the one group that records of one pair make.
func found(t *testing.T, records []flow.Record) *Group {
	t.Helper()
	policy := alert.NewPolicy([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, []uint16{443}, nil)
	set := setOf("198.51.100.0/24")
	f := NewFinder(policy, set, time.Now())
	rand.New(rand.NewPCG(3, 3)).Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	for i := range records {
		if !f.Add(&records[i], Sides(&records[i], query.NewAddrSet([]flow.Range{flow.RangeOf(netip.MustParsePrefix("198.51.100.0/24"))}).Contains)) {
			t.Fatal("not found")
		}
	}
	groups, beyond := f.Groups()
	if len(groups) != 1 || beyond != 0 {
		t.Fatalf("%d groups", len(groups))
	}
	return groups[0]
}

// TestRegular: a beacon is told in whatever order its records come, also where it is
// regular for a part of the time only; browsing and what is sampled is not.
func TestRegular(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	every := func(period float64, jitter float64, n int, from time.Duration) (out []flow.Record) {
		for i := range n {
			r := talked("10.1.2.3", "198.51.100.7", from-time.Duration((float64(i)*period+jitter*(rng.Float64()-0.5))*1e9))
			r.SrcPort = uint16(30000 + rng.UintN(30000))
			out = append(out, r)
		}
		return out
	}
	browsing := func(n int, from time.Duration) (out []flow.Record) {
		at := from
		for range n {
			at -= time.Duration(rng.ExpFloat64() * 300e9)
			r := talked("10.1.2.3", "198.51.100.7", at)
			r.SrcPort = uint16(30000 + rng.UintN(30000))
			r.Bytes = uint64(rng.UintN(1e6))
			out = append(out, r)
		}
		return out
	}
	if r := found(t, every(300, 4, 278, 48*time.Hour)).Regular(); r == nil || r.Score < 0.8 || !strings.HasPrefix(r.String(), "every 5.0 min") && !strings.HasPrefix(r.String(), "every 5 min") || !strings.Contains(r.String(), "278 times, same size") {
		t.Errorf("a beacon: %v", r)
	}
	gaps := found(t, every(300, 4, 278, 48*time.Hour)).Gaps()
	if len(gaps) != 277 || slices.Min(gaps) < 295 || slices.Max(gaps) > 305 {
		t.Errorf("gaps of a beacon: %v", gaps)
	}
	if r := found(t, append(browsing(200, 20*24*time.Hour), every(600, 60, 60, 24*time.Hour)...)).Regular(); r == nil || r.Score < 0.5 {
		t.Errorf("a beacon that began late: %v", r)
	}
	if r := found(t, browsing(300, 48*time.Hour)).Regular(); r != nil && r.Score >= 0.5 {
		t.Errorf("browsing: %v %v", r, r.Score)
	}
	sampled := every(300, 4, 100, 48*time.Hour)
	for i := range sampled {
		sampled[i].Sampling = 100
	}
	if g := found(t, sampled); g.Regular() != nil || g.Gaps() != nil {
		t.Errorf("sampled: %v, %v", g.Regular(), g.Gaps())
	}
	var held []flow.Record // an active timeout of a minute cuts one connection of two hours
	for n := range 120 {
		r := talked("10.1.2.3", "198.51.100.7", time.Hour*3-time.Duration(n)*time.Minute)
		r.SrcPort, r.Start, r.TCPFlags, r.RevTCPFlags = 40000, r.End-59e9, flow.ACK|flow.PSH, flow.ACK|flow.PSH
		held = append(held, r)
	}
	if gaps := found(t, held).Gaps(); len(gaps) != 0 {
		t.Errorf("gaps of one connection: %v", gaps)
	}
	if r := found(t, held).Regular(); r == nil || !strings.Contains(r.String(), "held open 2.0 h") && !strings.Contains(r.String(), "held open 120 min") && !strings.Contains(r.String(), "held open 119 min") || strings.Contains(r.String(), "every") {
		t.Errorf("a connection held open: %v", r)
	}
}

// TestTwoExporters: what two exporters saw of the same flows counts once, and both are
// told.
func TestTwoExporters(t *testing.T) {
	var records []flow.Record
	for n := range 10 {
		r := talked("10.1.2.3", "198.51.100.7", time.Duration(n)*time.Hour)
		records = append(records, r)
		r.Exporter = addr("192.0.2.2")
		if n < 8 {
			records = append(records, r)
		}
	}
	h := found(t, records).Hit(1, time.Now())
	if h.Count != 10 || h.Duplicates != 8 || h.Bytes != 60000 || h.Exporter != netip.MustParseAddr("192.0.2.1") || len(h.Exporters) != 2 {
		t.Errorf("%+v", h)
	}
}

// TestHalves: the two directions of a conversation in records of their own tell together
// that it was established.
func TestHalves(t *testing.T) {
	out := talked("10.1.2.3", "198.51.100.7", time.Hour)
	out.Has &^= flow.HasReverse | flow.HasRevTCPFlags
	out.RevBytes, out.RevPackets, out.RevTCPFlags, out.TCPFlags = 0, 0, 0, flow.ACK
	back := out
	back.Src, back.Dst, back.SrcPort, back.DstPort = out.Dst, out.Src, out.DstPort, out.SrcPort
	back.Bytes = 9000
	h := found(t, []flow.Record{out, back}).Hit(1, time.Now())
	if h.State != hit.Established || h.Direction != hit.Outbound || h.Src != netip.MustParseAddr("10.1.2.3") || h.SrcBytes != 1000 || h.DstBytes != 9000 || h.Severity != hit.Critical {
		t.Errorf("%+v", h)
	}
}

// TestBound: beyond the pairs that there is room for, records are counted.
func TestBound(t *testing.T) {
	f := NewFinder(alert.NewPolicy([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, nil, nil), setOf("198.51.100.0/24"), time.Now())
	f.Bound(3, 4)
	holds := query.NewAddrSet([]flow.Range{flow.RangeOf(netip.MustParsePrefix("198.51.100.0/24"))}).Contains
	for i := range 20 {
		r := talked("10.1.2."+strconv.Itoa(i%5), "198.51.100.7", time.Duration(i)*time.Minute)
		f.Add(&r, Sides(&r, holds))
	}
	if groups, beyond := f.Groups(); len(groups) != 3 || beyond != 8 || f.contacts.count != 4 {
		t.Errorf("%d groups, %d beyond, %d contacts", len(groups), beyond, f.contacts.count)
	}
}
