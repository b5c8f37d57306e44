package dnsbl

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

var (
	start = time.Date(2026, 6, 7, 12, 0, 0, 0, time.UTC)
	bad4  = netip.MustParseAddr("198.51.100.1")
	bad6  = netip.MustParseAddr("2001:db8::1")
)

func tested(z Zone) *zone {
	x := newZone(z, 0)
	x.noteTest(&testResult{asked: 4, ipv6: true}, start)
	return x
}

func TestRateAndBudget(t *testing.T) {
	t.Parallel()
	z := tested(Zone{Name: "bl", Rate: 10, Daily: 25})
	now := start
	asked := 0
	for range 100 {
		if z.takes(bad4, now) {
			asked++
		}
	}
	if asked != 10 || z.counts.OverRate != 90 {
		t.Fatalf("%d asked in one moment, %+v", asked, z.counts)
	}
	for range 10 {
		now = now.Add(time.Second)
		for range 10 {
			if z.takes(bad4, now) {
				asked++
			}
		}
	}
	if s := z.state(); asked != 25 || z.counts.OverBudget != 85 || s.Status != Error || !strings.Contains(s.Message, "25 look-ups") {
		t.Fatalf("%d asked in a day, %+v, %+v", asked, z.counts, s)
	}
	if now = now.Add(12 * time.Hour); !z.takes(bad4, now) || z.state().Status != OK {
		t.Fatalf("the next day: %+v", z.state())
	}
}

func TestSelfTestDecides(t *testing.T) {
	t.Parallel()
	z := newZone(Zone{Name: "bl", Rate: 10, Daily: 1000}, 0)
	if z.takes(bad4, start) {
		t.Error("asked before the test")
	}
	z.noteTest(&testResult{asked: 4}, start)
	if !z.takes(bad4, start) || z.takes(bad6, start) {
		t.Error("a zone of IPv4 alone")
	}
	z.noteTest(&testResult{asked: 2, why: "it lists everything"}, start)
	if z.takes(bad4, start) || !z.next.Equal(start.Add(time.Hour)) || !strings.Contains(z.state().Message, "it lists everything") {
		t.Errorf("failed: %+v", z.state())
	}
	for _, wait := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute, 10 * time.Minute} {
		z.noteTest(&testResult{unanswered: true, why: "no answer"}, start)
		if !z.next.Equal(start.Add(wait)) {
			t.Errorf("unanswered: next in %s, want %s", z.next.Sub(start), wait)
		}
	}
	z.noteTest(&testResult{asked: 4, ipv6: true}, start)
	if !z.takes(bad6, start) || z.state().Status != OK {
		t.Errorf("recovered: %+v", z.state())
	}
}

func TestErrorsAreNoListings(t *testing.T) {
	t.Parallel()
	z := tested(Zone{Name: "bl", Rate: 1000, Daily: 1000})
	for range manyFailed - 1 {
		z.note(&outcome{kind: failed, why: "SERVFAIL"}, start)
	}
	if z.state().Status != OK {
		t.Error("said too soon")
	}
	z.note(&outcome{kind: failed, why: "SERVFAIL"}, start)
	if s := z.state(); s.Status != Error || !strings.Contains(s.Message, "SERVFAIL") {
		t.Errorf("not said: %+v", s)
	}
	z.note(&outcome{kind: clean}, start)
	if z.state().Status != OK {
		t.Error("not recovered")
	}
	z.note(&outcome{kind: refused, why: "public resolver"}, start)
	if s := z.state(); s.Status != Error || z.takes(bad4, start.Add(59*time.Minute)) || !z.next.Equal(start.Add(time.Hour)) {
		t.Errorf("asked again within the hour: %+v", s)
	}
	if c := z.counts; c.Failed != manyFailed || c.Clean != 1 || c.Refused != 1 || c.Listed != 0 {
		t.Errorf("%+v", c)
	}
}

// What has expired leaves the Set, so that it is asked about again.
func TestListingsExpire(t *testing.T) {
	t.Parallel()
	zones := []*zone{tested(Zone{Name: "one", Score: 60}), tested(Zone{Name: "two", Score: 60})}
	zones[1].at = 1
	var l listings
	code := []netip.Addr{netip.MustParseAddr("127.0.0.2")}
	l.add(zones[0], &result{job{ip: bad4, at: 0}, outcome{codes: code, ttl: time.Hour}}, start)
	l.add(zones[1], &result{job{ip: bad4, at: 1}, outcome{codes: code, ttl: 2 * time.Hour}}, start)
	l.add(zones[1], &result{job{ip: bad6, at: 1}, outcome{codes: code, ttl: 2 * time.Hour}}, start)
	set := l.build(zones)
	if got := set.Lookup(bad4, start); len(got) != 2 || len(set.Lookup(bad6, start)) != 1 || zones[1].listed != 2 {
		t.Fatalf("%+v", got)
	}
	if l.prune(start.Add(59*time.Minute), zones); l.changed {
		t.Error("gone too soon")
	}
	if l.prune(start.Add(time.Hour), zones); !l.changed || l.has(bad4) || !l.has(bad6) || zones[0].listed != 0 || zones[1].listed != 1 {
		t.Errorf("after an hour: %+v", l.of)
	}
	if set = l.build(zones); len(set.LookupAll(bad4, start)) != 0 {
		t.Error("still in the Set")
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	f := new(Filter)
	at := start.UnixNano()
	a, b := flow.AddrFrom(bad4), flow.AddrFrom(bad6)
	if !f.New(a, at) || !f.New(b, at) || f.New(a, at+1) || f.New(b, at+30e9) {
		t.Error("within a minute")
	}
	if !f.New(a, at+60e9) || f.New(a, at+61e9) {
		t.Error("the next minute")
	}
	fresh := 0
	for i := range uint32(1 << 16) {
		if f.New(flow.Addr4(i), at) {
			fresh++
		}
	}
	if fresh != 1<<16 {
		t.Errorf("%d of %d addresses were offered once", fresh, 1<<16)
	}
}

func BenchmarkFilter(b *testing.B) {
	f := new(Filter)
	for i := 0; b.Loop(); i++ {
		f.New(flow.Addr4(uint32(i)&4095), 1)
	}
}
