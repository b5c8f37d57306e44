package throttle

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/plugin/hit"
)

// by is a record as another exporter tells it.
func by(r *flow.Record, exporter string) *flow.Record {
	r.Exporter = addr(exporter)
	return r
}

// TestHalvesMeetBeforeTheFirstLine: request and answer are one line, two seconds after
// the first of them.
func TestHalvesMeetBeforeTheFirstLine(t *testing.T) {
	x := newBench(t, Options{Meet: defaultMeet})
	x.add(record(0, udp, host, 50000, c2, 53, 80, 0))
	x.add(record(time.Second, udp, c2, 53, host, 50000, 200, 0))
	x.advance(1999 * time.Millisecond)
	x.want()
	x.advance(2 * time.Second)
	x.want("new critical established 2")
	if h := x.hits[0]; h.SrcBytes != 80 || h.DstBytes != 200 || !h.Time.Equal(start.Add(2*time.Second)) {
		t.Errorf("%+v", h)
	}
	// An inbound request waits for the answer and is no noise then.
	x = newBench(t, Options{Meet: defaultMeet})
	x.add(record(0, udp, scanner, 50000, host, 53, 80, 0))
	x.add(record(0, udp, host, 53, scanner, 50000, 300, 0))
	x.table.Flush(start)
	x.want("new medium established 2")
	// However many come at once, none is lost.
	x = newBench(t, Options{Meet: defaultMeet})
	for i := range maxWaiting + 500 {
		x.probe(0, plus(scanner, i%200), plus(host, i%5000), 22)
	}
	for range maxTogether + 9 {
		x.call(0, c2, 443, 1000)
	}
	x.table.Flush(start)
	if x.counts() != x.added {
		t.Errorf("said %d of %d", x.counts(), x.added)
	}
}

// TestSaidIsTheWorst: what is no worse than the worst line of its series is a repeat.
func TestSaidIsTheWorst(t *testing.T) {
	x := newBench(t, Options{})
	x.call(0, c2, 443, 1000)
	x.add(record(time.Hour, tcp, host, 50001, c2, 443, 60, syn))
	x.call(2*time.Hour, c2, 443, 1000)
	x.want("new critical established 1", "repeat high attempt 1", "repeat critical established 1")
}

// TestProbesOfAVisitorAreNoise: a scanner that was answered once goes on as noise.
func TestProbesOfAVisitorAreNoise(t *testing.T) {
	x := newBench(t, Options{})
	x.add(record(0, tcp, scanner, 50000, host, 443, 900, talk))
	for i := range 50 {
		x.probe(time.Duration(i)*20*time.Minute, scanner, host, 443)
	}
	x.table.Flush(start.Add(24 * time.Hour))
	if len(x.hits) > 12 || x.hits[0].Severity != hit.Medium || x.hits[len(x.hits)-1].Severity != hit.Info {
		t.Errorf("%q", x.story())
	}
}

// TestProbesOfVisitorsOfADay: what known visitors try and nobody answers is as few lines
// as what strangers try. With a key for each visitor it was 180 of them.
func TestProbesOfVisitorsOfADay(t *testing.T) {
	x := newBench(t, Options{})
	for i := range 20 {
		x.add(record(0, tcp, plus(scanner, i), 40000, plus(host, i), 443, 5000, talk))
	}
	visits := len(x.hits)
	for i := range 20_000 {
		at := time.Minute + time.Duration(i)*4*time.Second
		x.probe(at, plus(scanner, i%20), plus(host, i%20), 443)
	}
	x.table.Flush(start.Add(24 * time.Hour))
	if n := len(x.hits) - visits; n > 12 || x.counts() != x.added {
		t.Errorf("%d lines of probes, all say %d of %d", n, x.counts(), x.added)
	} else {
		t.Logf("%d lines", n)
	}
}

// TestPopularRemote: more than twenty hosts that talk to one service are one key, known
// ones too; more than ten if they come within an hour and it is not critical.
func TestPopularRemote(t *testing.T) {
	for _, c := range []struct {
		remote flow.Addr
		every  time.Duration
		lines  int
	}{{phish, 0, 12}, {phish, 10 * time.Minute, 22}, {c2, 0, 22}} {
		x := newBench(t, Options{})
		for i := range 100 {
			x.add(record(time.Duration(i)*c.every, tcp, plus(host, i), 50000, c.remote, 443, 1000, talk))
		}
		for i := range 100 {
			x.add(record(101*c.every, tcp, plus(host, i), 50000, c.remote, 443, 1000, talk))
		}
		var first []*hit.Hit
		for _, h := range x.hits {
			if h.Kind == hit.New {
				first = append(first, h)
			}
		}
		x.table.Flush(start.Add(24 * time.Hour))
		if len(first) != c.lines-1 || x.counts() != x.added {
			t.Errorf("%v every %v: %d first lines, all say %d of %d: %q", c.remote, c.every, len(first), x.counts(), x.added, x.story())
		}
		if h := x.hits[len(x.hits)-1]; h.Sources != 100 || h.Targets != 1 || h.DstPort != 443 {
			t.Errorf("%+v", h)
		}
	}
}

// TestHostOfManyCategories: what a host that shares files does is one key a direction,
// whatever the lists call its peers; another kind of listing is said at once, and no
// visitor decides how much is said of what goes out.
func TestHostOfManyCategories(t *testing.T) {
	x := newBench(t, Options{})
	for i := range 120 {
		x.add(record(time.Duration(i)*time.Minute, []uint8{tcp, udp}[i%2], host, uint16(50000+i), plus(scanner, i), uint16(10000+37*i), 5000, talk))
	}
	high := 0
	for _, h := range x.hits {
		if h.Severity >= hit.High {
			high++
		}
	}
	if len(x.hits) > 24 || high > 0 {
		t.Errorf("%d lines, %d high: %q", len(x.hits), high, x.story())
	}
	n := len(x.hits)
	// Phishing that was merely tried is medium.
	x.add(record(2*time.Hour, tcp, host, 61000, phish, 443, 60, syn))
	if len(x.hits) != n+1 || x.hits[n].Kind != hit.New || x.hits[n].Category != "phishing" {
		t.Errorf("phishing among the peers: %q", x.story()[n:])
	}
	x.table.Flush(start.Add(24 * time.Hour))
	if x.counts() != x.added {
		t.Errorf("said %d of %d", x.counts(), x.added)
	}

	x = newBench(t, Options{})
	for i := range 30 {
		x.add(record(0, tcp, plus(scanner, i), 40000, host, uint16(9000+i), 5000, talk))
	}
	n = len(x.hits)
	for i := range 15 {
		x.add(record(time.Minute, tcp, host, 50000, plus(scanner, i), 7000, 5000, talk))
	}
	if len(x.hits) != n+15 {
		t.Errorf("%d lines of what a host that is visited calls, want 15", len(x.hits)-n)
	}
}

// TestVisitorsOfOneService: who guesses passwords at twenty servers is no more lines than
// at one.
func TestVisitorsOfOneService(t *testing.T) {
	x := newBench(t, Options{})
	for i := range 200 {
		for range 3 {
			x.add(record(time.Duration(i)*time.Minute, tcp, plus(scanner, i), 40000, plus(host, i%20), 22, 5000, talk))
		}
	}
	x.table.Flush(start.Add(24 * time.Hour))
	if len(x.hits) > 48 || x.counts() != x.added {
		t.Errorf("%d lines say %d of %d: %q", len(x.hits), x.counts(), x.added, x.story())
	}
}

// TestWormIsHigh: one host that calls many listed addresses, whatever it is told of each.
func TestWormIsHigh(t *testing.T) {
	x := newBench(t, Options{})
	for i := range 60 {
		x.add(record(time.Duration(i)*time.Second, tcp, host, uint16(50000+i), plus(scanner, i), 445, 60, syn))
	}
	x.table.Flush(start.Add(time.Hour))
	high := 0
	for _, h := range x.hits {
		if h.Severity == hit.High {
			high++
			if h.Kind != hit.New || h.Local != host.IP() {
				t.Errorf("%+v", h)
			}
		}
	}
	if high != 1 || len(x.hits) != 22 || x.counts() != x.added {
		t.Errorf("%d high of %d lines: %q", high, len(x.hits), x.story())
	}
}

// TestVolumeIsASeverity: what is sent counts, acknowledgements of what comes do not.
func TestVolumeIsASeverity(t *testing.T) {
	x := newBench(t, Options{})
	send := func(at time.Duration, bytes uint64) { x.add(record(at, tcp, host, 50000, scanner, 443, bytes, talk)) }
	send(0, 1000)
	send(time.Minute, 9_000_000)
	x.want("new medium established 1")
	send(2*time.Minute, 2_000_000)
	x.want("new medium established 1", "new high established 2")
	x = newBench(t, Options{})
	r := record(0, tcp, host, 50000, scanner, 443, 12_000_000, talk)
	r.Packets = 230_000
	x.add(r)
	x.add(record(0, tcp, scanner, 443, host, 50000, 900_000_000, talk))
	if x.hits[0].Severity != hit.Medium {
		t.Errorf("a download: %q", x.story())
	}
}

// TestSeenTwice: an exporter adds only what exceeds the most already told, and one that
// lies makes no number smaller.
func TestSeenTwice(t *testing.T) {
	x := newBench(t, Options{})
	conversation := func(exporter string, at time.Duration, sent, got uint64) {
		x.add(by(record(at, tcp, host, 50000, c2, 443, sent, talk), exporter))
		x.add(by(record(at, tcp, c2, 443, host, 50000, got, talk), exporter))
	}
	conversation("192.0.2.9", 0, 1, 1) // a forged one is first
	conversation("192.0.2.1", time.Second, 1000, 5000)
	conversation("192.0.2.2", 2*time.Second, 1000, 5000)
	conversation("192.0.2.2", 3*time.Second, 500, 100) // goes on, as one of them saw
	x.table.Flush(start.Add(time.Hour))
	var count, duplicates, bytes uint64
	for _, h := range x.hits {
		count, duplicates, bytes = count+h.Count, duplicates+h.Duplicates, bytes+h.Bytes
	}
	if bytes != 6600 || count != 4 || count+duplicates != x.added {
		t.Errorf("%d bytes, count %d, %d duplicates of %d", bytes, count, duplicates, x.added)
	}
	named := 0
	for _, h := range x.hits {
		named = max(named, len(h.Exporters))
	}
	if named < 2 || len(x.hits) != 2 {
		t.Errorf("%d exporters named at most: %q", named, x.story())
	}
}

// TestNATYieldsToTheInside: the outside view of a conversation is a duplicate.
func TestNATYieldsToTheInside(t *testing.T) {
	x := newBench(t, Options{})
	nat := addr("192.0.2.77")
	x.policy = alert.NewPolicy([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.77/32")}, []uint16{443}, nil).WithNAT([]netip.Prefix{netip.MustParsePrefix("192.0.2.77/32")})
	x.add(record(0, tcp, host, 50000, c2, 443, 1000, talk))
	x.add(by(record(time.Second, tcp, nat, 61000, c2, 443, 1000, talk), "192.0.2.3"))
	x.table.Flush(start.Add(time.Hour))
	for _, h := range x.hits {
		if h.Local == nat.IP() && h.Count > 0 || h.Bytes > 1000 {
			t.Errorf("%+v", h)
		}
	}
	if n := x.counts(); n != 1 {
		t.Errorf("count %d", n)
	}
}

// TestNewcomersPushOutNewcomers: a flood of forged pairs does not forget a beacon.
func TestNewcomersPushOutNewcomers(t *testing.T) {
	x := newBench(t, Options{MaxKeys: 200})
	for i := range 5 {
		x.call(time.Duration(i)*10*time.Minute, c2, 443, 1000)
	}
	for i := range 5000 {
		x.add(record(time.Hour, tcp, plus(host, 1+i), 50000, plus(c2, 1+i%100), uint16(1000+i%7), 900, talk))
	}
	x.call(time.Hour+time.Minute, c2, 443, 1000)
	x.table.Flush(start.Add(2 * time.Hour))
	series := map[string]bool{}
	for _, h := range x.hits {
		if h.Local == host.IP() && h.Remote == c2.IP() {
			series[h.ID[:13]] = true
		}
	}
	if len(series) != 1 || x.counts() != x.added {
		t.Errorf("%d series, said %d of %d", len(series), x.counts(), x.added)
	}
}

// TestMemoryOfAKey: what a key takes that holds something. Before pairs had a clock it
// was 927 bytes, measured in this way; see DefaultMaxKeys.
func TestMemoryOfAKey(t *testing.T) {
	const keys = 20_000
	x := newBench(t, Options{})
	ev := x.event(record(0, tcp, host, 50000, c2, 443, 1000, talk))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	x.table.emit = func(*hit.Hit) {}
	for i := range keys {
		e := *ev
		e.Local, e.LocalPort, e.RemotePort = plus(host, i/10), 50000, 1000+i%10*100+i%7
		e.Remote = plus(c2, i)
		x.table.Add(&e)
		x.table.Add(&e)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	n := x.table.Stats().Keys
	each := int64(after.HeapAlloc-before.HeapAlloc-uint64(connSets*connWays*240)) / int64(n)
	t.Logf("%d keys of %d bytes each", n, each)
	if n < keys/2 || each > 1400 {
		t.Errorf("%d keys of %d bytes each", n, each)
	}
	runtime.KeepAlive(x)
}
