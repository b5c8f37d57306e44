package throttle

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/alert/journal/journaltest"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/match"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is an Emitter, its journal, and what it says.
type running struct {
	*Emitter
	t    *testing.T
	dir  string
	j    *journal.Journal
	log  *journal.Cursor
	in   *Intake
	set  *intel.Set
	mu   sync.Mutex
	said []string
}

// startEmitter starts an Emitter on dir.
func startEmitter(t *testing.T, dir string) *running {
	t.Helper()
	b := intel.NewBuilder("test")
	b.Add(&intel.Indicator{Prefix: netip.MustParsePrefix("198.51.0.0/16"), Category: intel.C2, Score: 90})
	x := &running{t: t, dir: dir, set: intel.NewSet(b.Block())}
	say := func(status, msg string) {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.said = append(x.said, status+" "+msg)
	}
	var err error
	if x.j, err = journal.Open(journal.Options{Dir: filepath.Join(dir, "journal"), Sync: journal.SyncNever, Report: say}); err != nil {
		t.Fatal(err)
	}
	x.log = x.j.Cursor("log", 0)
	policy := alert.NewPolicy([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, []uint16{443}, nil)
	var c Config
	c.SetDefaults()
	x.Emitter = New(c, Dependencies{
		Journal: x.j, Folds: filepath.Join(dir, "folds"), Policy: func() *alert.Policy { return policy },
		Wants: func(*hit.Hit) []string { return []string{"log"} }, Report: say, Log: slog.New(slog.DiscardHandler),
	})
	x.in = x.Intake()
	if err := x.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return x
}

// calls passes a flow to each of n listed addresses, as often as times.
func (x *running) calls(n, times int) {
	for i := range n * times {
		now := time.Now().UnixNano()
		r := flow.Record{
			Received: now, Start: now, End: now, Proto: 6, Src: flow.AddrFrom(netip.AddrFrom4([4]byte{10, 1, byte(i % n >> 8), byte(i % n)})), SrcPort: 50000,
			Dst: flow.AddrFrom(netip.AddrFrom4([4]byte{198, 51, byte(i % n >> 8), byte(i % n)})), DstPort: 443, Bytes: 1000, Packets: 10, TCPFlags: uint16(flow.ACK | flow.PSH), Sampling: 1,
		}
		x.in.Pass(&match.Raw{Record: r, Sides: match.Sides(x.set, &r), Set: x.set, Count: 1})
	}
}

// hits returns the hits that are in the journal by now, and were not returned yet.
func (x *running) hits() []*hit.Hit {
	x.t.Helper()
	return journaltest.Hits(x.t, x.log)
}

// await returns n hits, and those that come with them.
func (x *running) await(n int) (hits []*hit.Hit) {
	x.t.Helper()
	for end := time.Now().Add(time.Minute); len(hits) < n; time.Sleep(10 * time.Millisecond) {
		if hits = append(hits, x.hits()...); time.Now().After(end) {
			x.t.Fatalf("%d hits of %d", len(hits), n)
		}
	}
	return hits
}

// end stops all in order.
func (x *running) end() []*hit.Hit {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := x.Stop(ctx); err != nil {
		x.t.Error(err)
	}
	if err := x.j.Settle(ctx); err != nil {
		x.t.Error(err)
	}
	hits := x.hits()
	x.log.Close()
	if err := x.j.Close(ctx); err != nil {
		x.t.Error(err)
	}
	return hits
}

func (x *running) says(text string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.ContainsFunc(x.said, func(s string) bool { return strings.Contains(s, text) })
}

func (x *running) finds(text string) bool {
	var l finding.List
	x.Findings(&l)
	return slices.ContainsFunc(l, func(f finding.Finding) bool {
		return f.Level == finding.Bad && strings.Contains(f.What, text) && f.Fix != ""
	})
}

func kinds(hits []*hit.Hit) string {
	n := map[hit.Kind]int{}
	flows := uint64(0)
	for _, h := range hits {
		n[h.Kind]++
		flows += h.Count
	}
	return fmt.Sprintf("%d new, %d repeat, %d flows", n[hit.New], n[hit.Repeat], flows)
}

// A stop says all that is held, and the next start goes on where it ended.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x := startEmitter(t, dir)
	x.calls(10, 1)
	all := x.await(10)
	x.calls(10, 2)
	all = append(all, x.end()...)
	if got := kinds(all); got != "10 new, 10 repeat, 30 flows" {
		t.Error(got)
	}
	x = startEmitter(t, dir)
	x.calls(10, 1)
	all = append(all, x.end()...)
	if got := kinds(all); got != "10 new, 20 repeat, 40 flows" {
		t.Error(got)
	}
	wantDistinctIDs(t, all)
	if len(x.said) > 0 {
		t.Errorf("said %q", x.said)
	}
}

// What status calls alert lines are those of the table, of hunts and of blacklists.
func TestLinesAreCounted(t *testing.T) {
	t.Parallel()
	x := startEmitter(t, t.TempDir())
	x.calls(2, 1)
	x.await(2)
	for _, h := range []*hit.Hit{{Kind: hit.Retro, ID: "a-1"}, {Kind: hit.DNSBL, ID: "b-1"}} {
		if err := x.Emit(h); err != nil {
			t.Error(err)
		}
	}
	x.end()
	if n := x.Lines(); n != 4 {
		t.Errorf("%d lines, want 4", n)
	}
}

// What a kill leaves behind is the journal, and a snapshot of up to ten seconds ago, or
// none: no line is said again, and ids go on.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, snapshot := range []string{"as it was", "gone", "damaged"} {
		t.Run(snapshot, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			x := startEmitter(t, dir)
			x.calls(10, 1)
			all := x.await(10)
			left := t.TempDir()
			if err := x.j.Written(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			x.end()
			folds := filepath.Join(left, "folds")
			switch snapshot {
			case "gone":
				if err := os.Remove(folds); err != nil {
					t.Fatal(err)
				}
			case "damaged":
				b, err := os.ReadFile(folds)
				if err != nil {
					t.Fatal(err)
				}
				b[len(b)/2] ^= 1
				if err := os.WriteFile(folds, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			x = startEmitter(t, left)
			if damaged := snapshot == "damaged"; x.says("the fold state is damaged") != damaged || x.finds("the fold state is damaged") != damaged {
				t.Errorf("said %q", x.said)
			}
			if _, err := os.Stat(folds + ".bad"); (err == nil) != (snapshot == "damaged") {
				t.Error("what cannot be read is not set aside")
			}
			x.calls(10, 1)
			all = append(all, x.end()...)
			if got := kinds(all); got != "10 new, 10 repeat, 20 flows" {
				t.Error(got)
			}
			wantDistinctIDs(t, all)
		})
	}
}

// A snapshot is never ahead of the journal: while that cannot be written, none is kept.
func TestNoSnapshotWithoutJournal(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := t.TempDir()
	full := filepath.Join(dir, "journal")
	if err := os.Mkdir(full, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("flowhound-test", full, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("SKIPPED: a small file system of its own needs root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(full, syscall.MNT_DETACH) })
	x := startEmitter(t, dir)
	var before []byte
	for end := time.Now().Add(time.Minute); len(before) == 0; time.Sleep(time.Millisecond) {
		if before, _ = os.ReadFile(filepath.Join(dir, "folds")); time.Now().After(end) {
			t.Fatal("no snapshot")
		}
	}
	ballast := filepath.Join(full, "ballast")
	_ = os.WriteFile(ballast, make([]byte, 1<<20), 0o600) // to the last byte
	x.calls(50, 1)
	x.await(50) // from memory
	if err := x.save(t.Context(), []byte("a later one"), 50); err == nil {
		t.Error("kept a snapshot that the journal is behind")
	}
	if after, err := os.ReadFile(filepath.Join(dir, "folds")); err != nil || !bytes.Equal(before, after) {
		t.Error("the snapshot has changed", err)
	}
	if !x.says("error data_dir cannot be written: ") || !x.says("error the fold state cannot be saved: ") || !x.finds("the fold state cannot be saved: ") || x.saveErrors.Load() == 0 {
		t.Errorf("said %q", x.said)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); x.j.Written(t.Context()) != nil && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
	}
	if err := x.save(t.Context(), before, 0); err != nil || !x.says("alive the fold state is saved again") || x.finds("fold state") {
		t.Errorf("%v, said %q", err, x.said)
	}
	x.end()
}
