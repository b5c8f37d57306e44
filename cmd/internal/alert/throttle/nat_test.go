package throttle

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/plugin/hit"
)

// natBench is a bench behind an address translation, whose outside is 192.0.2.77 up to
// 192.0.2.79; with known, the configuration says so.
func natBench(t *testing.T, known bool, o Options) *bench {
	x := newBench(t, o)
	outside := netip.MustParsePrefix("192.0.2.64/26")
	x.policy = alert.NewPolicy([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), outside}, []uint16{443}, nil)
	if known {
		x.policy.WithNAT([]netip.Prefix{outside})
	}
	return x
}

var natAddr = addr("192.0.2.77")

// both is one conversation as exporters tell of it inside and, so much later, outside.
func (x *bench) both(at, later time.Duration, local, remote flow.Addr, sent uint64) {
	in := record(at+max(-later, 0), tcp, local, 50000, remote, 443, sent, talk)
	out := by(record(at+max(later, 0), tcp, natAddr, 61000, remote, 443, sent, talk), "192.0.2.3")
	out.Start, out.End = in.Start, in.End
	if later < 0 {
		in, out = out, in
	}
	x.add(in)
	x.add(out)
}

// TestOutsideIsSaidInTime: what is seen outside only waits no longer than anything else;
// when the view from inside comes, it is a duplicate of that, and counted once.
func TestOutsideIsSaidInTime(t *testing.T) {
	x := natBench(t, true, Options{Meet: defaultMeet})
	x.add(record(0, tcp, host, 50000, phish, 443, 1000, talk)) // exporters inside are heard
	x.add(by(record(10*time.Second, tcp, natAddr, 61000, c2, 443, 5000, talk), "192.0.2.3"))
	x.advance(12*time.Second + time.Millisecond)
	if len(x.hits) != 2 || x.hits[1].Local != natAddr.IP() || x.hits[1].Severity != hit.Critical || x.hits[1].Kind != hit.New ||
		x.hits[1].Count != 0 || !strings.Contains(x.hits[1].Name, "5000 bytes") {
		t.Fatalf("%q %+v", x.story(), x.hits[len(x.hits)-1])
	}
	x.add(record(30*time.Second, tcp, plus(host, 9), 50000, c2, 443, 5000, talk))
	x.advance(33 * time.Second)
	if h := x.hits[len(x.hits)-1]; len(x.hits) != 3 || h.Local != plus(host, 9).IP() || h.Kind != hit.New || h.Count != 1 || h.Duplicates != 1 || h.Bytes != 5000 {
		t.Fatalf("%q %+v", x.story(), h)
	}
	// And what has no view from inside is counted by its own next line.
	x.add(by(record(time.Minute, tcp, natAddr, 61001, plus(c2, 1), 443, 7000, talk), "192.0.2.3"))
	x.table.Flush(start.Add(time.Hour))
	var bytes uint64
	for _, h := range x.hits {
		bytes += h.Bytes
	}
	if x.counts() != 3 || bytes != 1000+5000+7000 {
		t.Errorf("count %d, %d bytes: %q", x.counts(), bytes, x.story())
	}
}

// TestTranslationIsLearned: an outside address that sends what private ones do, to the
// same service at the same time, is theirs, whoever tells of it first.
func TestTranslationIsLearned(t *testing.T) {
	for _, later := range []time.Duration{time.Second, 12 * time.Second, -12 * time.Second} {
		x := natBench(t, false, Options{})
		for i := range 40 {
			x.both(time.Duration(i)*time.Minute, later, plus(host, i%5), plus(c2, i), uint64(5000+i))
		}
		if !x.table.nat.isNAT(natAddr) {
			t.Fatalf("%v: not learned: %+v", later, x.table.nat.public[natAddr])
		}
		n := len(x.hits)
		x.both(time.Hour, later, plus(host, 30), plus(c2, 60), 9000)
		x.both(2*time.Hour, later, plus(host, 30), plus(c2, 60), 9000)
		x.table.Flush(start.Add(3 * time.Hour))
		var count, bytes, all uint64
		for i, h := range x.hits {
			all += h.Count + h.Duplicates
			if i >= n && h.Remote == plus(c2, 60).IP() {
				count, bytes = count+h.Count, bytes+h.Bytes
			}
		}
		if count != 2 || bytes != 18_000 || all != x.added {
			t.Errorf("%v: count %d, %d bytes; all say %d of %d", later, count, bytes, all, x.added)
		}
	}
}

// TestOutsideIsNoPeer: the outside view of a host that shares files names no further
// source, and its one translated port makes no worm of it.
func TestOutsideIsNoPeer(t *testing.T) {
	x := natBench(t, true, Options{})
	for i := range 100 {
		at, remote := time.Duration(i)*time.Minute, plus(scanner, i)
		x.add(record(at, udp, host, 51413, remote, uint16(20_000+100*i), 5000, 0))
		x.add(by(record(at+time.Second, udp, natAddr, 2000, remote, uint16(20_000+100*i), 5000, 0), "192.0.2.3"))
	}
	x.table.Flush(start.Add(24 * time.Hour))
	for _, h := range x.hits {
		if h.Severity >= hit.High || h.Count > 0 && h.Sources > 1 {
			t.Errorf("%+v", h)
		}
	}
}

// TestServersAreNotTranslated: an address that calls what private ones call, but for
// itself, is not theirs: neither by chance nor for who forges records that are no copies.
func TestServersAreNotTranslated(t *testing.T) {
	x := natBench(t, false, Options{})
	for i := range 300 {
		at := time.Duration(i) * time.Minute
		x.add(record(at, tcp, natAddr, 50000, plus(c2, i%9), 443, uint64(5000+i%50), talk))
		x.add(by(record(at+20*time.Second, tcp, plus(host, i%7), 50000, plus(c2, i%9), 443, uint64(5000+i%50), talk), "192.0.2.9"))
		x.add(by(record(at, tcp, plus(host, i%7), 50000, plus(c2, i%9), 443, uint64(9000+i%50), talk), "192.0.2.9"))
	}
	x.table.Flush(start.Add(10 * time.Hour))
	if x.table.nat.isNAT(natAddr) {
		t.Errorf("%+v", x.table.nat.public[natAddr])
	}
}

// TestForgedInsideHidesNothing: a forged record of a private address takes neither
// severity nor volume from what a translated one really sends.
func TestForgedInsideHidesNothing(t *testing.T) {
	x := natBench(t, true, Options{})
	x.add(by(record(0, tcp, host, 50000, scanner, 443, 100, talk), "192.0.2.9")) // forged
	for i := range 30 {
		x.add(by(record(time.Minute+time.Duration(i)*10*time.Minute, tcp, natAddr, 61000, scanner, 443, 5_000_000, talk), "192.0.2.3"))
	}
	x.table.Flush(start.Add(24 * time.Hour))
	var bytes uint64
	worst := hit.Info
	for _, h := range x.hits {
		bytes, worst = bytes+h.Bytes, max(worst, h.Severity)
	}
	if worst != hit.High || bytes < 140_000_000 || bytes > 151_000_000 {
		t.Errorf("%s, %d bytes of 150000000: %q", worst, bytes, x.story())
	}
}
