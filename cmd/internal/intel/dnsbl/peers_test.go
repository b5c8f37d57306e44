package dnsbl_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/dnsbl"
	"github.com/flowhound/flowhound/cmd/internal/intel/dnstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func blacklist(t testing.TB, ip4 string) string {
	t.Helper()
	return dnstest.Blacklist(t, "bl.example", ":127.0.0.2:Listed, see https://bl.example/why?ip=$\n127.0.0.2\n"+ip4,
		":127.0.0.3:Listed too\n::ffff:7f00:2\n2001:db8:bad::/48\n").Address()
}

// running is Lookups with what they have said.
type running struct {
	*dnsbl.Lookups
	t      testing.TB
	mu     sync.Mutex
	news   map[netip.Addr]*intel.Set // by the address of the record
	states map[string]dnsbl.State
}

func run(t testing.TB, o dnsbl.Options) *running {
	t.Helper()
	r := &running{t: t, news: map[netip.Addr]*intel.Set{}, states: map[string]dnsbl.State{}}
	o.OnListed = func(set *intel.Set, news []flow.Record) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for i := range news {
			r.news[news[i].Dst.IP()] = set
		}
	}
	o.OnState = func(s dnsbl.State) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.states[s.Name] = s
	}
	var err error
	if r.Lookups, err = dnsbl.NewLookups(o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return r
}

func (r *running) ask(ips ...string) {
	for _, ip := range ips {
		a := netip.MustParseAddr(ip)
		r.Ask(&dnsbl.Question{Remote: a, Record: flow.Record{Dst: flow.AddrFrom(a)}})
	}
}

func (r *running) await(what string, is func() bool) {
	r.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		r.mu.Lock()
		ok := is()
		r.mu.Unlock()
		if ok {
			return
		}
	}
	r.t.Fatalf("waited in vain for %s; states %+v", what, r.States())
}

func (r *running) counts(zone int) dnsbl.Counts { return r.States()[zone].Counts }

func zone(name string) dnsbl.Zone {
	return dnsbl.Zone{Name: strings.TrimSuffix(name, ".example"), Zone: name, Category: intel.Spam, Score: 60, Rate: 1000, Daily: 100000,
		Reference: "https://pages.example/{ip}"}
}

func TestRealBlacklist(t *testing.T) {
	t.Parallel()
	z := zone("bl.example")
	z.Codes = map[netip.Addr]dnsbl.Code{
		netip.MustParseAddr("127.0.0.4"):  {Category: intel.Botnet},
		netip.MustParseAddr("127.0.0.10"): {Ignore: true},
	}
	address := blacklist(t, "198.51.100.0/25\n198.51.100.200 :4:Bot\n198.51.100.210 :10:Dial-up\n")
	r := run(t, dnsbl.Options{Zones: []dnsbl.Zone{z}, Resolvers: []string{address}, Refuse: func(ip netip.Addr) bool { return ip.IsPrivate() }})
	r.await("the self-test", func() bool {
		return r.states["bl"].Status == dnsbl.OK && strings.Contains(r.states["bl"].Message, "IPv6")
	})
	tests := r.counts(0).Asked

	r.ask("198.51.100.7", "198.51.100.200", "198.51.100.210", "203.0.113.1", "10.1.2.3", "2001:db8:bad::1", "2001:db8:900d::1")
	r.await("three listings", func() bool { return len(r.news) == 3 })
	r.await("all answers", func() bool { c := r.counts(0); return c.Listed == 4 && c.Clean == 2 })
	for ip, want := range map[string]string{
		"198.51.100.7":    "spam https://bl.example/why?ip=198.51.100.7 Listed, see https://bl.example/why?ip=198.51.100.7",
		"198.51.100.200":  "botnet https://pages.example/198.51.100.200 Bot",
		"2001:db8:bad::1": "spam https://pages.example/2001:db8:bad::1 Listed too",
	} {
		a := netip.MustParseAddr(ip)
		set := r.news[a]
		got := set.Lookup(a, time.Now())
		if len(got) != 1 || fmt.Sprintf("%s %s %s", got[0].Category, got[0].Ref, got[0].Name) != want || got[0].Feed != "bl" {
			t.Errorf("%s: %+v", ip, got)
		}
	}
	asked := r.counts(0).Asked - tests
	if asked != 6+3 { // and an explanation of each listing
		t.Errorf("%d look-ups", asked)
	}

	// Everything is known now, for as long as the answers hold.
	r.ask("198.51.100.7", "198.51.100.200", "198.51.100.210", "203.0.113.1", "2001:db8:900d::1", "203.0.113.2")
	r.await("the one new answer", func() bool { return r.counts(0).Clean == 3 })
	if again := r.counts(0).Asked - tests - asked; again != 1 {
		t.Errorf("%d look-ups again", again)
	}
	if s := r.States()[0]; s.Listed != 3 || s.Status != dnsbl.OK {
		t.Errorf("%+v", s)
	}
}

// TestZonesThatFail: SERVFAIL, error codes and lists that list everything, of a
// real name server, list nothing and are said.
func TestZonesThatFail(t *testing.T) {
	t.Parallel()
	records := map[string]string{
		"public.example": "* A 127.255.255.254\n",
		"all.example":    "* A 127.0.0.2\n",
		"empty.example":  "x A 127.0.0.2\n",
		"seller.example": "* A 203.0.113.80\n",
		"later.example":  "2.0.0.127 A 127.0.0.2\n*.51.198 A 127.255.255.255\n",
		"broken.example": "",
	}
	address := dnstest.Zones(t, records).Address()
	o := dnsbl.Options{Resolvers: []string{address}}
	for _, name := range []string{"public", "all", "empty", "seller", "later", "broken"} {
		o.Zones = append(o.Zones, zone(name+".example"))
	}
	r := run(t, o)
	for name, says := range map[string]string{
		"public": "public resolvers", "all": "lists everything", "empty": "does not list 127.0.0.2",
		"seller": "shut down", "broken": "SERVFAIL",
	} {
		r.await(name, func() bool { s := r.states[name]; return s.Status == dnsbl.Error && strings.Contains(s.Message, says) })
	}
	r.await("later", func() bool { return r.states["later"].Status == dnsbl.OK })
	r.ask("198.51.100.1")
	r.await("the complaint", func() bool {
		s := r.states["later"]
		return s.Status == dnsbl.Error && strings.Contains(s.Message, "too many look-ups")
	})
	if r.Set() != nil || len(r.news) != 0 {
		t.Errorf("listed: %v", r.news)
	}
	if c := r.counts(4); c.Refused != 1 || c.Listed != 0 {
		t.Errorf("%+v", c)
	}
}

// TestSilence: a resolver that never answers costs a time-out and a line, the
// next one answers in its place, and a zone that no resolver answers for is
// tested again soon.
func TestSilence(t *testing.T) {
	t.Parallel()
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	r := run(t, dnsbl.Options{Zones: []dnsbl.Zone{zone("bl.example")}, Resolvers: []string{silent.LocalAddr().String()}})
	r.await("a line", func() bool {
		s := r.states["bl"]
		return s.Status == dnsbl.Error && strings.Contains(s.Message, "no answer in time") && strings.Contains(s.Message, "again soon")
	})

	second := run(t, dnsbl.Options{Zones: []dnsbl.Zone{zone("bl.example")}, Resolvers: []string{silent.LocalAddr().String(), blacklist(t, "198.51.100.1\n")}})
	second.await("the self-test", func() bool { return second.states["bl"].Status == dnsbl.OK })
	second.ask("198.51.100.1")
	second.await("the listing", func() bool { return len(second.news) == 1 })
}

// A full queue drops and counts; asking allocates nothing.
func TestAskNeverWaits(t *testing.T) {
	l, err := dnsbl.NewLookups(dnsbl.Options{Zones: []dnsbl.Zone{zone("bl.example")}, Resolvers: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	q := dnsbl.Question{Remote: netip.MustParseAddr("198.51.100.1")}
	allocs := testing.AllocsPerRun(10_000, func() { l.Ask(&q) })
	waiting, dropped := l.Queue()
	if allocs != 0 || waiting == 0 || dropped == 0 || uint64(waiting)+dropped != 10_001 {
		t.Errorf("%v allocations, %d wait, %d dropped", allocs, waiting, dropped)
	}
}

// BenchmarkLookups asks a real rbldnsd about a new address each time.
func BenchmarkLookups(b *testing.B) {
	z := zone("bl.example")
	z.Rate, z.Daily = 1<<20, 1<<30
	r := run(b, dnsbl.Options{Zones: []dnsbl.Zone{z}, Resolvers: []string{blacklist(b, "198.51.100.1\n")}})
	r.await("the self-test", func() bool { return r.states["bl"].Status == dnsbl.OK })
	b.ResetTimer()
	for i := range b.N {
		for {
			if waiting, _ := r.Queue(); waiting < 1000 {
				break
			}
			time.Sleep(100 * time.Microsecond)
		}
		a := netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)})
		r.Ask(&dnsbl.Question{Remote: a})
	}
	r.await("the last answer", func() bool { w, _ := r.Queue(); return w == 0 })
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lookups/s")
}

// TestForgedFlowsLeaveRoomForQuestions fills the queue with the questions of exporters
// that may be forged, before anybody answers: those of the others still have a place.
func TestForgedFlowsLeaveRoomForQuestions(t *testing.T) {
	t.Parallel()
	l, err := dnsbl.NewLookups(dnsbl.Options{Zones: []dnsbl.Zone{zone("bl.example")}, Resolvers: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	q := dnsbl.Question{Remote: netip.MustParseAddr("198.51.100.1"), Newcomer: true}
	for range 10_000 {
		l.Ask(&q)
	}
	taken, dropped := l.Queue()
	if taken == 0 || taken > 1024 || dropped != uint64(10_000-taken) {
		t.Errorf("of newcomers %d wait, %d were dropped", taken, dropped)
	}
	q.Newcomer = false
	l.Ask(&q)
	if waiting, _ := l.Queue(); waiting != taken+1 {
		t.Error("there was no room for a question of a proven exporter")
	}
}
