package throttle

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/plugin/hit"
)

// kept is what package emit keeps of a table: the last snapshot, and what lines have
// changed, each with its number.
type kept struct {
	snapshot []byte
	changes  [][]byte
}

// keep keeps the state of the bench's table in k from now on.
func (x *bench) keep(k *kept) {
	x.table.emit = func(h *hit.Hit) {
		k.changes = append(k.changes, bytes.Clone(x.table.change))
		x.take(h)
	}
}

// save takes a snapshot.
func (x *bench) save(k *kept) {
	if b := x.table.snapshot(uint64(len(k.changes))); b != nil {
		k.snapshot = b
	}
}

// restart makes a new table that goes on with what was kept. The hits that were said
// stay in the bench.
func (x *bench) restart(o Options, k *kept, at time.Duration) (err error) {
	x.table = NewTable(atOnce(o), nil)
	x.keep(k)
	record := uint64(0)
	if k.snapshot != nil {
		record, err = x.table.restore(k.snapshot)
	}
	for _, change := range k.changes[record:] {
		if !x.table.apply(change) {
			x.t.Error("a change cannot be read")
		}
	}
	x.table.settle(start.Add(at))
	return err
}

// random feeds n records of mixed traffic, and returns the time after them.
func (x *bench) random(rng *rand.Rand, at time.Duration, n int) time.Duration {
	for range n {
		at += time.Duration(rng.IntN(60)) * time.Second
		local, remote := plus(host, rng.IntN(4)), plus(c2, rng.IntN(60))
		switch rng.IntN(6) {
		case 0:
			x.probe(at, plus(scanner, rng.IntN(40)), plus(host, rng.IntN(200)), uint16(20+rng.IntN(30)))
		case 1:
			x.probe(at, plus(scanner, rng.IntN(40)), plus(outside, rng.IntN(100)), uint16(20+rng.IntN(30)))
		case 2:
			x.add(record(at, udp, local, 5000, remote, 5000, 100, 0))
		case 3:
			x.add(record(at, udp, remote, 5000, local, 5000, 100, 0))
		case 4:
			x.add(record(at, tcp, phish, uint16(443+rng.IntN(3)), local, 50000, 1000<<rng.IntN(20), talk))
		default:
			x.add(record(at, tcp, local, uint16(50000+rng.IntN(9)), remote, uint16(440+rng.IntN(5)), 1000, talk))
		}
		if rng.IntN(4) == 0 {
			x.advance(at)
		}
	}
	return at
}

// TestCountsAddUp is the promise: nothing is folded away, whatever is pushed out
// and however often the agent restarts.
func TestCountsAddUp(t *testing.T) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		o := Options{MaxKeys: 8 + rng.IntN(200), MinSeverity: hit.Severity(rng.IntN(3))}
		x, k := newBench(t, o), &kept{}
		x.keep(k)
		at, muted := time.Duration(0), uint64(0)
		for range 6 {
			at = x.random(rng, at, 500)
			if rng.IntN(2) == 0 {
				x.table.Flush(start.Add(at))
			}
			muted += x.table.Stats().Muted
			x.save(k)
			if err := x.restart(o, k, at); err != nil {
				t.Fatal(err)
			}
		}
		x.table.Flush(start.Add(at))
		muted += x.table.Stats().Muted
		if x.counts()+muted != x.added {
			t.Errorf("seed %d: said %d and muted %d of %d", seed, x.counts(), muted, x.added)
		}
		for _, h := range x.hits {
			if h.SrcBytes+h.DstBytes != h.Bytes || h.SrcPackets+h.DstPackets != h.Packets || h.First.After(h.Last) || h.Start.After(h.End) || h.Last.After(h.Time) {
				t.Fatalf("seed %d: %+v", seed, h)
			}
		}
		wantDistinctIDs(t, x.hits)
	}
}

func wantDistinctIDs(t *testing.T, hits []*hit.Hit) {
	t.Helper()
	seen := make(map[string]bool)
	for _, h := range hits {
		if seen[h.ID] {
			t.Fatalf("%s was said twice", h.ID)
		}
		seen[h.ID] = true
	}
}

// TestReplayIsDeterministic: how often the clock is told of changes nothing.
func TestReplayIsDeterministic(t *testing.T) {
	run := func(every time.Duration) []*hit.Hit {
		x := newBench(t, Options{})
		rng := rand.New(rand.NewPCG(7, 7))
		for at, i := time.Duration(0), 0; i < 4000; i++ {
			next := at + time.Duration(rng.IntN(60))*time.Second
			for ; every > 0 && at < next; at += every {
				x.advance(at)
			}
			at = next
			x.add(record(at, tcp, plus(host, rng.IntN(9)), 50000, plus(c2, rng.IntN(9)), 443, 1000, talk))
			x.probe(at, plus(scanner, rng.IntN(40)), plus(host, rng.IntN(200)), uint16(20+rng.IntN(30)))
		}
		x.table.Flush(start.Add(48 * time.Hour))
		return x.hits
	}
	never, often := run(0), run(time.Second)
	if len(never) < 100 || !reflect.DeepEqual(never, often) {
		t.Errorf("%d lines without a clock, %d with one, or other ones", len(never), len(often))
	}
}

// TestRestartChangesNothing: with a snapshot at the moment of the restart the
// lines are those of a table that ran on.
func TestRestartChangesNothing(t *testing.T) {
	run := func(restarts bool) []*hit.Hit {
		x, k := newBench(t, Options{}), &kept{}
		x.keep(k)
		rng := rand.New(rand.NewPCG(3, 3))
		at := time.Duration(0)
		for range 5 {
			for range 400 {
				at += time.Duration(rng.IntN(60)) * time.Second
				x.add(record(at, tcp, plus(host, rng.IntN(3)), 50000, plus(c2, rng.IntN(30)), 443, 1000, talk))
				x.probe(at, plus(scanner, rng.IntN(40)), plus(host, rng.IntN(200)), uint16(20+rng.IntN(30)))
			}
			if restarts {
				x.save(k)
				if err := x.restart(Options{}, k, at); err != nil {
					t.Fatal(err)
				}
			}
		}
		x.table.Flush(start.Add(at))
		return x.hits
	}
	with, without := run(true), run(false)
	if len(with) != len(without) {
		t.Fatalf("%d lines with restarts, %d without", len(with), len(without))
	}
	for i := range with {
		if !reflect.DeepEqual(with[i], without[i]) {
			t.Fatalf("line %d:\n%+v\n%+v", i, with[i], without[i])
		}
	}
}

// TestKill: the table is lost at random moments, as by kill -9, and goes on with the
// last snapshot and what its lines have changed since.
func TestKill(t *testing.T) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 2))
		x, k := newBench(t, Options{MaxKeys: 30}), &kept{}
		x.keep(k)
		at, since, lost := time.Duration(0), uint64(0), uint64(0)
		for range 200 {
			before := x.added
			at = x.random(rng, at, rng.IntN(10))
			since += x.added - before
			switch rng.IntN(8) {
			case 0:
				lost += since
				since = 0
				if err := x.restart(Options{MaxKeys: 30}, k, at); err != nil {
					t.Fatal(err)
				}
			case 1, 2, 3:
				since = 0
				x.save(k)
			}
		}
		x.table.Flush(start.Add(at))
		wantDistinctIDs(t, x.hits)
		if said := x.counts(); said > x.added || said+lost < x.added {
			t.Errorf("seed %d: said %d of %d, %d came after a snapshot", seed, said, x.added, lost)
		}
	}
}

func TestDamagedState(t *testing.T) {
	x, k := newBench(t, Options{}), &kept{}
	x.keep(k)
	x.call(0, c2, 443, 1000)
	x.call(0, c2, 443, 1000)
	x.save(k)
	good := k.snapshot
	for name, bad := range map[string][]byte{
		"empty":      {},
		"cut short":  good[:len(good)-1],
		"beginning":  good[:len(magic)],
		"bit flip":   append(bytes.Clone(good[:60]), append([]byte{good[60] ^ 4}, good[61:]...)...),
		"other file": []byte("listen: udp://:2055\n"),
	} {
		x.table = NewTable(Options{}, x.take)
		if _, err := x.table.restore(bad); !errors.Is(err, errDamaged) || x.table.Stats().Keys != 0 {
			t.Errorf("%s: %v, %d keys", name, err, x.table.Stats().Keys)
		}
	}
	x.table = NewTable(Options{}, x.take)
	for _, change := range [][]byte{nil, {1, 2, 3}, k.changes[0][1:], append(bytes.Clone(k.changes[0]), 0)} {
		if x.table.apply(change) || x.table.Stats().Keys != 0 {
			t.Errorf("%x was taken for a change", change)
		}
	}
}

// TestFormerState: the state of another version is none, and not damaged.
func TestFormerState(t *testing.T) {
	x := newBench(t, Options{})
	if _, err := x.table.restore([]byte("flowhound fold 3\nwhatever")); !errors.Is(err, errVersion) {
		t.Error(err)
	}
}

// TestDowntime: what was held over a stop is said when the agent is back, and
// quiet keys are forgotten on time.
func TestDowntime(t *testing.T) {
	x, k := newBench(t, Options{}), &kept{}
	x.keep(k)
	x.call(0, c2, 443, 1000)
	x.call(0, c2, 443, 1000)
	x.call(0, plus(c2, 1), 443, 1000)
	x.save(k)
	if err := x.restart(Options{}, k, 30*time.Hour); err != nil {
		t.Fatal(err)
	}
	x.advance(30 * time.Hour)
	x.want("new critical established 1", "new critical established 1", "repeat critical established 1")
	if !x.hits[2].Time.Equal(start.Add(30 * time.Hour)) {
		t.Errorf("said at %v", x.hits[2].Time)
	}
	if n := x.table.Stats().Keys; n != 1 {
		t.Errorf("%d keys", n)
	}
}

// FuzzState gives bytes to the reader of snapshots, with a checksum that fits, and to
// that of changes. What is read must work on like any table.
func FuzzState(f *testing.F) {
	x := newBench(f, Options{})
	rng := rand.New(rand.NewPCG(1, 1))
	x.random(rng, 0, 6)
	b := x.table.encode(7)
	f.Add(b[len(magic) : len(b)-4])
	f.Add([]byte{0, 0})
	c := coder{}
	for e := range x.table.entries {
		x.table.code(&c, x.table.entries[e])
		f.Add(bytes.Clone(c.b))
		break
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		sum := func(b []byte) []byte {
			n := crc32.Checksum(b, castagnoli)
			return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
		}
		snapshot := append([]byte(magic), b...)
		snapshot = append(snapshot, sum(snapshot)...)
		var hits int
		table := NewTable(Options{MaxKeys: 64}, func(h *hit.Hit) {
			hits++
			_ = fmt.Sprint(*h)
		})
		if _, err := table.restore(snapshot); err != nil && len(table.entries) > 0 {
			t.Fatal("an error left entries behind")
		}
		table.apply(b)
		table.settle(start)
		if again := table.encode(7); len(table.entries) > 0 {
			other := NewTable(Options{}, func(*hit.Hit) {})
			if record, err := other.restore(again); err != nil || record != 7 {
				t.Fatalf("what was read and written cannot be read: %v", err)
			}
		}
		table.Flush(start.Add(time.Hour))
		table.Advance(start.Add(1000 * time.Hour))
		if table.Stats().Keys != 0 {
			t.Fatalf("%d keys never end", table.Stats().Keys)
		}
	})
}

func BenchmarkAddFolded(b *testing.B) {
	x := newBench(b, Options{Window: 1000 * time.Hour, MaxWindow: 1000 * time.Hour})
	ev := x.event(record(0, tcp, host, 50000, c2, 443, 100, talk))
	ev.LocalBytes, ev.RemoteBytes = 0, 0 // never worse
	x.table.Add(ev)
	x.table.Add(ev)
	b.ReportAllocs()
	for b.Loop() {
		x.table.Add(ev)
	}
}

func BenchmarkAddFoldedNoise(b *testing.B) {
	x := newBench(b, Options{Window: 1000 * time.Hour, MaxWindow: 1000 * time.Hour})
	ev := x.event(record(0, tcp, scanner, 50000, host, 22, 44, syn))
	ev.RemoteBytes = 0
	x.table.Add(ev)
	x.table.Add(ev)
	b.ReportAllocs()
	for b.Loop() {
		x.table.Add(ev)
	}
}

// BenchmarkSnapshot writes a full table of which every key holds something.
func BenchmarkSnapshot(b *testing.B) {
	x := newBench(b, Options{MaxKeys: DefaultMaxKeys})
	ev := x.event(record(0, tcp, host, 50000, c2, 443, 100, talk))
	for i := range DefaultMaxKeys {
		ev.Local = flow.Addr4(0x0a000000 + uint32(i))
		x.table.Add(ev)
		x.table.Add(ev)
	}
	b.ReportAllocs()
	for b.Loop() {
		x.table.changed = true
		x.table.snapshot(1)
	}
}
