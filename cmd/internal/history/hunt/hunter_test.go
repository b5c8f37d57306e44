package hunt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/alert/journal/journaltest"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/query"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/hit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func addr(s string) flow.Addr { return flow.AddrFrom(netip.MustParseAddr(s)) }

// setOf lists addresses; a name before a colon is the feed's.
func setOf(prefixes ...string) *intel.Set {
	var blocks []*intel.Block
	for _, p := range prefixes {
		feed, p, ok := strings.Cut(p, "=")
		if !ok {
			feed, p = "test", feed
		}
		b := intel.NewBuilder(feed)
		b.Add(&intel.Indicator{Prefix: netip.MustParsePrefix(p), Category: intel.C2, Score: 90, Ref: "https://example.org/pulse/1", Name: "A pulse"})
		blocks = append(blocks, b.Block())
	}
	return intel.NewSet(blocks...)
}

// talked is a conversation that was answered, both directions in one record, so long ago.
func talked(local, remote string, ago time.Duration) flow.Record {
	at := time.Now().Add(-ago).UnixNano()
	return flow.Record{
		Src: addr(local), Dst: addr(remote), SrcPort: uint16(40000 + ago/time.Second%20000), DstPort: 443, Proto: 6, Exporter: addr("192.0.2.1"),
		Received: at, Start: at - 2e9, End: at - 1e9, Bytes: 1000, Packets: 10, RevBytes: 5000, RevPackets: 9, TCPFlags: flow.SYN | flow.ACK | flow.PSH, RevTCPFlags: flow.SYN | flow.ACK | flow.PSH, Sampling: 1,
		Has: flow.HasStart | flow.HasEnd | flow.HasPorts | flow.HasProto | flow.HasBytes | flow.HasPackets | flow.HasReverse | flow.HasTCPFlags | flow.HasRevTCPFlags,
	}
}

// probed is a SYN from outside that nobody answered.
func probed(remote, local string, ago time.Duration) flow.Record {
	r := talked(remote, local, ago)
	r.Has &^= flow.HasReverse | flow.HasRevTCPFlags
	r.RevBytes, r.RevPackets, r.RevTCPFlags, r.TCPFlags, r.Bytes, r.Packets = 0, 0, 0, flow.SYN, 40, 1
	return r
}

// bench is a Hunter, its journal and the past.
type bench struct {
	*Hunter
	t   *testing.T
	dir string
	j   *journal.Journal
	log *journal.Cursor

	mu      sync.Mutex
	past    []flow.Record
	alerted []*hit.Hit
	said    []string
	failing error
	dieAt   int // this emission and those after it fail, as if the process had been killed; 0: none
	emitted int
}

func startBench(t *testing.T, dir string, past ...flow.Record) *bench {
	t.Helper()
	b := &bench{t: t, dir: dir, past: past}
	var err error
	if b.j, err = journal.Open(journal.Options{Dir: filepath.Join(dir, "journal"), Sync: journal.SyncNever}); err != nil {
		t.Fatal(err)
	}
	b.log = b.j.Cursor("log", 0)
	policy := alert.NewPolicy([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, []uint16{443}, nil)
	b.Hunter = New(Config{Back: 30 * 24 * time.Hour}, Dependencies{
		Path: filepath.Join(dir, "hunted"), Journal: b.j, Search: b.search,
		Policy: func() *alert.Policy { return policy }, MinSeverity: func() hit.Severity { return hit.Info },
		Emit: b.emit, Log: slog.New(slog.DiscardHandler),
		Report: func(status, msg string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.said = append(b.said, status+" "+msg)
		},
		Alerted: func(_ time.Time, each func(*hit.Hit)) error {
			for _, h := range b.alerted {
				each(h)
			}
			return nil
		},
	})
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) search(_ context.Context, listed *query.AddrSet, from time.Time, each func(*flow.Record) error) error {
	b.mu.Lock()
	past, failing := slices.Clone(b.past), b.failing
	b.mu.Unlock()
	if failing != nil {
		return failing
	}
	for i := range past {
		r := &past[i]
		if Sides(r, listed.Contains) != 0 && r.Received >= from.Add(-time.Hour).UnixNano() {
			if err := each(r); err != nil {
				return err
			}
		}
	}
	return nil
}

var errKilled = errors.New("killed")

func (b *bench) emit(h *hit.Hit) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.emitted++; b.dieAt > 0 && b.emitted >= b.dieAt {
		return errKilled
	}
	_, err := b.j.Append(&journal.Record{To: []string{"log", Cursor}, Hit: h})
	return err
}

// swap makes a set the one that the match uses, and waits until it was hunted.
func (b *bench) swap(set *intel.Set) {
	b.t.Helper()
	b.Swapped(set)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		l := b.ledger()
		if slices.Equal(flow.Merge(l.since(0)), RangesOf(set, time.Now(), nil)) && len(l.pending) == 0 {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatal("no end of the hunt")
		}
	}
}

func (b *bench) ledger() ledger {
	b.Hunter.mu.Lock()
	defer b.Hunter.mu.Unlock()
	l, _, err := readLedger(b.d.Path)
	if err != nil {
		b.t.Fatal(err)
	}
	return l
}

// hits returns what was said and not returned yet, as "local remote count kind".
func (b *bench) hits() []*hit.Hit {
	b.t.Helper()
	if err := b.j.Settle(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	return journaltest.Hits(b.t, b.log)
}

func brief(hits []*hit.Hit) string {
	var out []string
	for _, h := range hits {
		s := fmt.Sprintf("%s %s %s->%s %s %d", h.Kind, h.Direction, h.Src, h.Dst, h.State, h.Count)
		if h.Sources > 1 || h.Targets > 1 {
			s += fmt.Sprintf(" +%d/%d", h.Sources, h.Targets)
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

func (b *bench) want(want string) {
	b.t.Helper()
	if got := brief(b.hits()); got != want {
		b.t.Errorf("said %q\nwant %q", got, want)
	}
}

func (b *bench) end() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := b.Stop(ctx); err != nil {
		b.t.Error(err)
	}
	b.log.Close()
	if err := b.j.Close(ctx); err != nil {
		b.t.Error(err)
	}
}

// TestNewIndicators: what was received before an indicator came is said once: not again
// when the set is swapped again, after a restart, or when the indicator goes and comes.
func TestNewIndicators(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := startBench(t, dir, talked("10.1.2.3", "198.51.100.7", 24*time.Hour), talked("10.1.2.3", "198.51.100.7", 23*time.Hour), talked("10.1.2.4", "203.0.113.9", time.Hour),
		talked("10.1.2.5", "198.51.100.7", 40*24*time.Hour))
	b.swap(setOf("192.0.2.0/24"))
	b.want("")
	b.swap(setOf("192.0.2.0/24", "198.51.100.7/32"))
	b.want("retro outbound 10.1.2.3->198.51.100.7 established 2")
	b.swap(setOf("192.0.2.0/24", "198.51.100.7/32", "other=198.51.100.7/32"))
	b.want("")
	b.end()
	b = startBench(t, dir, b.past...)
	b.swap(setOf("198.51.100.7/32"))
	b.want("")
	b.swap(setOf("203.0.113.0/24"))
	b.want("retro outbound 10.1.2.4->203.0.113.9 established 1")
	b.mu.Lock()
	b.past = append(b.past, talked("10.1.2.6", "198.51.100.7", 0)) // while it is not listed
	b.mu.Unlock()
	time.Sleep(time.Millisecond) // received before the swap, not at its time
	b.swap(setOf("203.0.113.0/24", "198.51.100.7/32"))
	b.want("retro outbound 10.1.2.6->198.51.100.7 established 1")
	b.end()
	if len(b.said) > 0 {
		t.Errorf("said %q", b.said)
	}
}

// TestKilledHunt: what a killed process has said of a hunt is not said again, and the
// rest is said.
func TestKilledHunt(t *testing.T) {
	t.Parallel()
	var past []flow.Record
	for n := range 20 {
		past = append(past, talked(fmt.Sprintf("10.1.2.%d", n), "198.51.100.7", time.Hour+time.Duration(n)*time.Minute))
	}
	dir := t.TempDir()
	b := startBench(t, dir, past...)
	b.dieAt = 8
	b.Swapped(setOf("198.51.100.7/32"))
	for end := time.Now().Add(time.Minute); b.Hunter.failing.Load() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing failed")
		}
	}
	if err := b.j.Written(t.Context()); err != nil {
		t.Fatal(err)
	}
	left := t.TempDir()
	if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	all := b.hits()
	b.end()
	if len(all) != 7 {
		t.Fatalf("%d were said before", len(all))
	}
	b = startBench(t, left, past...)
	b.hits() // those before, as this consumer was killed too
	b.swap(setOf("198.51.100.7/32"))
	all = append(all, b.hits()...)
	ids := map[string]bool{}
	for _, h := range all {
		ids[h.ID] = true
	}
	if len(all) != 20 || len(ids) != 20 {
		t.Errorf("%d hits with %d ids: %s", len(all), len(ids), brief(all))
	}
	b.end()
}

// TestClockSetBack: flows with times that are still to come were received before the clock
// was set back, so a hunt finds them; what arrives later was held against the set.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	b := startBench(t, t.TempDir(), talked("10.1.2.3", "198.51.100.7", -23*time.Hour), talked("10.1.2.4", "198.51.100.7", time.Hour))
	b.swap(setOf("198.51.100.7/32"))
	b.want("retro outbound 10.1.2.3->198.51.100.7 established 1; retro outbound 10.1.2.4->198.51.100.7 established 1")
	b.swap(setOf("198.51.100.7/32", "198.51.100.8/32"))
	b.want("")
	b.end()
}

// TestNoise: inbound attempts are one line a feed, and what is beyond 200 lines is one
// line that names the command.
func TestNoise(t *testing.T) {
	t.Parallel()
	var past []flow.Record
	for n := range 250 {
		past = append(past, probed(fmt.Sprintf("198.51.100.%d", n%50), fmt.Sprintf("10.1.2.%d", n), time.Duration(n)*time.Minute))
		past = append(past, probed(fmt.Sprintf("203.0.113.%d", n%9), "10.1.2.3", time.Duration(n)*time.Minute))
		past = append(past, talked(fmt.Sprintf("10.1.3.%d", n), "192.0.2.7", time.Duration(n)*time.Minute))
	}
	b := startBench(t, t.TempDir(), past...)
	b.swap(setOf("a=198.51.100.0/24", "b=203.0.113.0/24", "c=192.0.2.7/32"))
	hits := b.hits()
	if len(hits) != 203 {
		t.Fatalf("%d lines", len(hits))
	}
	got := brief(hits[200:])
	for _, want := range []string{"attempt 250 +50/250;", "attempt 250 +9/1;", "established 50 +50/1"} {
		if !strings.Contains(got+";", want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	if h := hits[202]; !strings.HasPrefix(h.Name, "50 more conversations") {
		t.Errorf("the rest: %q", h.Name)
	}
	// The command is what a shell runs of the line from there to its end.
	line := string(hit.AppendLine(nil, hits[202]))
	_, command, _ := strings.Cut(line, ": flowhound ")
	out, err := exec.Command("sh", "-c", "echo "+command).Output()
	if !regexp.MustCompile(`^hunt --listed-since 20\S+Z --last 720h\n$`).Match(out) {
		t.Errorf("%v: %q of %s", err, out, line)
	}
	ids := map[string]bool{}
	for _, h := range hits {
		ids[h.ID] = true
	}
	if len(ids) != len(hits) {
		t.Errorf("%d ids", len(ids))
	}
	b.end()
}

// TestAlerted: what the alert log tells of is not said; what it does not tell of is.
func TestAlerted(t *testing.T) {
	t.Parallel()
	b := startBench(t, t.TempDir(), talked("10.1.2.3", "198.51.100.7", 24*time.Hour), talked("10.1.2.4", "198.51.100.7", 24*time.Hour), talked("10.1.2.5", "198.51.100.7", 24*time.Hour))
	told := func(src string, dport int, from, to time.Duration) {
		b.alerted = append(b.alerted, &hit.Hit{Kind: hit.New, Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr("198.51.100.7"), Proto: 6, DstPort: dport,
			Start: time.Now().Add(-from).Truncate(time.Second), End: time.Now().Add(-to).Truncate(time.Second)})
	}
	told("10.1.2.3", 443, 25*time.Hour, 23*time.Hour)
	told("10.1.2.4", 443, 2*time.Hour, time.Hour)
	told("10.1.2.5", 80, 25*time.Hour, 23*time.Hour)
	b.swap(setOf("198.51.100.7/32"))
	b.want("retro outbound 10.1.2.5->198.51.100.7 established 1; retro outbound 10.1.2.4->198.51.100.7 established 1")
	b.end()
}

// TestTrouble: a history that cannot be read is said and tried again; a damaged file of
// what was hunted is set aside and nothing is said twice.
func TestTrouble(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := startBench(t, dir, talked("10.1.2.3", "198.51.100.7", 24*time.Hour))
	b.mu.Lock()
	b.failing = errors.New("no such disk")
	b.mu.Unlock()
	b.Swapped(setOf("198.51.100.7/32"))
	for end := time.Now().Add(time.Minute); b.Hunter.failing.Load() == nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	var found finding.List
	if b.Findings(&found); len(found) != 1 || !strings.Contains(found[0].What, "no such disk") {
		t.Errorf("findings %v", found)
	}
	b.mu.Lock()
	b.failing = nil
	b.mu.Unlock()
	b.swap(setOf("198.51.100.7/32", "192.0.2.0/24")) // does not wait for the next try
	b.want("retro outbound 10.1.2.3->198.51.100.7 established 1")
	for end := time.Now().Add(time.Minute); b.Hunter.failing.Load() != nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	b.end()
	if want := []string{"error a hunt for new indicators failed: no such disk; it is tried again", "alive hunts for new indicators work again"}; !slices.Equal(b.said, want) {
		t.Errorf("said %q", b.said)
	}
	if err := os.WriteFile(b.d.Path, []byte("flowhound-hunted 1\nrubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	b = startBench(t, dir, b.past...)
	b.Swapped(setOf("198.51.100.7/32"))
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if l, fresh, err := readLedger(b.d.Path); err == nil && !fresh && len(l.segments) > 0 && len(l.pending) == 0 {
			break
		}
	}
	b.want("")
	b.end()
	if len(b.said) != 1 || !strings.Contains(b.said[0], "error the file of what was hunted cannot be read: it is damaged") {
		t.Errorf("said %q", b.said)
	}
	if _, err := os.Stat(b.d.Path + ".bad"); err != nil {
		t.Error(err)
	}
}

// TestOff: without history.hunt nothing is hunted, and nothing is noted.
func TestOff(t *testing.T) {
	t.Parallel()
	b := startBench(t, t.TempDir(), talked("10.1.2.3", "198.51.100.7", 24*time.Hour))
	if err := b.Apply(t.Context(), Config{}); err != nil {
		t.Fatal(err)
	}
	b.Swapped(setOf("198.51.100.7/32"))
	for b.set.Load() == nil {
		time.Sleep(time.Millisecond)
	}
	b.end()
	if _, err := os.Stat(b.d.Path); !errors.Is(err, os.ErrNotExist) {
		t.Error("noted all the same", err)
	}
}
