package hunt

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// TestEachFlowOnce: with lists that come and go at random, each flow of each address
// that is listed at its time or later is held against it once, by the match or by one
// hunt, whatever was saved and read again in between.
func TestEachFlowOnce(t *testing.T) {
	const addresses, steps = 48, 30
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		base := flow.Addr{Hi: 7, Lo: ^uint64(0) - addresses/2} // the sum of the halves runs over
		if seed%2 == 0 {
			base = flow.Addr4(0x0a000000)
		}
		at := func(n int) flow.Addr {
			a := base
			for range n {
				a = a.Next()
			}
			return a
		}
		var l ledger
		var tasks []Task
		listed := [addresses][steps]bool{}
		now := [addresses]bool{}
		for step := range steps {
			for n := range now {
				if rng.IntN(8) == 0 {
					now[n] = !now[n]
				}
				listed[n][step] = now[n]
			}
			var ranges []flow.Range
			for n := range now {
				if now[n] {
					ranges = append(ranges, flow.Range{First: at(n), Last: at(n)})
				}
			}
			before := l.next
			l.swap(int64(step+1)*10, 0, flow.Merge(ranges))
			if l.next > before {
				tasks = append(tasks, l.pending[len(l.pending)-1])
			}
			if rng.IntN(3) == 0 {
				var back ledger
				if err := back.decode(l.encode()); err != nil || !same(&back, &l) {
					t.Fatalf("%v\n%+v\n%+v", err, back, l)
				}
				l = back
			}
			if rng.IntN(3) == 0 && len(l.pending) > 0 {
				l.done(l.pending[0].ID)
			}
		}
		for n := range addresses {
			for step := range steps {
				later, seen := false, 0
				for s := step; s < steps; s++ {
					later = later || listed[n][s]
				}
				if listed[n][step] {
					seen++
				}
				received := int64(step+1)*10 + 5
				for _, task := range tasks {
					for _, s := range task.Spans {
						if received < task.To && received >= s.From && s.First.Compare(at(n)) <= 0 && at(n).Compare(s.Last) <= 0 {
							seen++
						}
					}
				}
				if want := map[bool]int{true: 1}[later]; seen != want {
					t.Fatalf("seed %d: address %d at step %d was seen %d times, want %d", seed, n, step, seen, want)
				}
			}
		}
	}
}

func same(a, b *ledger) bool {
	return a.next == b.next && len(a.pending) == len(b.pending) && len(a.segments) == len(b.segments) &&
		(len(a.segments) == 0 || reflect.DeepEqual(a.segments, b.segments)) && (len(a.pending) == 0 || reflect.DeepEqual(a.pending, b.pending))
}

func TestHorizon(t *testing.T) {
	r := []flow.Range{flow.RangeOf(netip.MustParsePrefix("198.51.100.0/24"))}
	var l ledger
	l.swap(100, 0, r)
	l.swap(200, 0, nil)
	if l.swap(250, 0, nil) {
		t.Error("nothing changed")
	}
	if !l.swap(900, 300, nil) || len(l.segments) != 0 {
		t.Errorf("what went long ago is kept: %v", l.segments)
	}
	l.swap(1000, 400, r)
	if n := len(l.pending); n != 2 || l.pending[1].Spans[0].From != 0 {
		t.Errorf("%+v", l.pending)
	}
	if got := l.since(1000); len(got) != 1 || got[0] != r[0] {
		t.Errorf("listed since: %v", got)
	}
	if got := l.since(1001); got != nil {
		t.Errorf("listed since later: %v", got)
	}
}

func TestRanges(t *testing.T) {
	b := intel.NewBuilder("test")
	for _, p := range []string{"198.51.100.0/25", "198.51.100.128/25", "198.51.100.7/32", "203.0.113.9/32", "2001:db8::/32", "2001:db8:1::1/128", "::/0"} {
		b.Add(&intel.Indicator{Prefix: netip.MustParsePrefix(p), Category: intel.C2, Score: 60})
	}
	b.Add(&intel.Indicator{Domain: "bad.example", Category: intel.C2, Score: 60})
	set := intel.NewSet(b.Block())
	got := RangesOf(set, time.Now(), func(i *intel.Indicator) bool { return i.Prefix.Bits() > 0 })
	want := []flow.Range{
		{First: flow.Addr4(0xc6336400), Last: flow.Addr4(0xc63364ff)}, {First: flow.Addr4(0xcb007109), Last: flow.Addr4(0xcb007109)},
		{First: flow.Addr{Hi: 0x20010db800000000}, Last: flow.Addr{Hi: 0x20010db8ffffffff, Lo: ^uint64(0)}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%x\nwant %x", got, want)
	}
	if all := RangesOf(set, time.Now(), nil); len(all) != 1 || all[0] != (flow.Range{First: flow.Addr{}, Last: flow.Addr{Hi: ^uint64(0), Lo: ^uint64(0)}}) {
		t.Errorf("all addresses: %x", all)
	}
}

func TestLedgerFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hunted")
	l, fresh, err := readLedger(path)
	if err != nil || !fresh {
		t.Fatal(fresh, err)
	}
	l.swap(100, 0, []flow.Range{flow.RangeOf(netip.MustParsePrefix("198.51.100.7/32")), flow.RangeOf(netip.MustParsePrefix("2001:db8::/32"))})
	if err := l.write(path); err != nil {
		t.Fatal(err)
	}
	if back, fresh, err := readLedger(path); err != nil || fresh || !same(&back, &l) {
		t.Errorf("%v %v\n%+v\n%+v", fresh, err, back, l)
	}
	whole := l.encode()
	for n := range whole {
		b := bytes.Clone(whole)
		b[n] ^= 0x10
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if back, _, err := readLedger(path); err == nil || len(back.segments) > 0 {
			t.Fatalf("a flipped bit in byte %d is not seen", n)
		}
		if err := l.decode(whole[:n]); err == nil {
			t.Fatalf("%d bytes of it are read", n)
		}
	}
	if err := l.decode(append([]byte("flowhound-hunted 2\n"), whole...)); !errors.Is(err, errVersion) {
		t.Error(err)
	}
}

func FuzzLedger(f *testing.F) {
	var l ledger
	l.swap(100, 0, []flow.Range{flow.RangeOf(netip.MustParsePrefix("198.51.100.7/32")), flow.RangeOf(netip.MustParsePrefix("203.0.113.0/24")), flow.RangeOf(netip.MustParsePrefix("2001:db8::/32"))})
	f.Add(l.encode()[len(ledgerMagic)+4:])
	f.Fuzz(func(t *testing.T, payload []byte) {
		e := append([]byte(ledgerMagic+"\x00\x00\x00\x00"), payload...)
		seal(e)
		var l, back ledger
		if l.decode(e) != nil {
			return
		}
		if err := back.decode(l.encode()); err != nil || !same(&back, &l) {
			t.Fatalf("%v\n%+v\n%+v", err, l, back)
		}
	})
}

func BenchmarkSwap(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	var ranges []flow.Range
	for range 100_000 {
		a := flow.Addr4(rng.Uint32())
		ranges = append(ranges, flow.Range{First: a, Last: a})
	}
	ranges = flow.Merge(ranges)
	var l ledger
	l.swap(1, 0, ranges)
	b.ReportAllocs()
	for b.Loop() {
		l.swap(2, 0, ranges)
	}
}
