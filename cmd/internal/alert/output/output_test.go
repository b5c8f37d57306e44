package output

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/cmd/internal/alert/output/spool"
	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// numbered is a hit with n as its id.
func numbered(n int) *hit.Hit {
	return &hit.Hit{
		Kind: hit.New, Severity: hit.High, Direction: hit.Outbound, State: hit.Established, Category: "c2", Feed: "otx",
		IOC: netip.MustParsePrefix("198.51.100.7/32"), Score: 60,
		Src: netip.MustParseAddr("10.1.2.3"), SrcPort: 51234, Dst: netip.MustParseAddr("198.51.100.7"), DstPort: 443, Proto: 6,
		Count: 1, Bytes: 18412, Packets: 97, Exporter: netip.MustParseAddr("192.0.2.1"),
		Time: time.Unix(1800000000, 0).UTC(), ID: strconv.Itoa(n), Ref: "https://otx.alienvault.com/pulse/5f", Name: "Emotet wave 3",
		Indicators: []hit.Indicator{{IOC: netip.MustParsePrefix("198.51.100.7/32"), Feed: "otx", Category: "c2", Score: 60, Name: "Emotet wave 3"}},
	}
}

// sink is a Writer that keeps what it is given, unless outcome says otherwise.
type sink struct {
	mu      sync.Mutex
	outcome func(hits []hit.Hit) error // nil: delivered
	got     []string                   // ids
	batches []int
	gate    func(ctx context.Context) // nil: no wait
}

func (s *sink) Write(ctx context.Context, hits []hit.Hit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate != nil {
		s.gate(ctx)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.batches = append(s.batches, len(hits))
	var err error
	if s.outcome != nil {
		err = s.outcome(hits)
	}
	var partial *plugin.PartialError
	for i, h := range hits {
		if err == nil || errors.As(err, &partial) && partial.Errs[i] == nil {
			s.got = append(s.got, h.ID)
		}
	}
	return err
}

func (s *sink) set(outcome func(hits []hit.Hit) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcome = outcome
}

func (s *sink) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

var errDown = errors.New("connection refused")

func isDown([]hit.Hit) error { return errDown }

// said keeps output lines.
type said struct {
	mu    sync.Mutex
	lines []string
}

func (s *said) say(status, msg string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, status+" "+msg)
}

// words returns the statuses that were said.
func (s *said) words() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var words []string
	for _, l := range s.lines {
		word, _, _ := strings.Cut(l, " ")
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func (s *said) has(t *testing.T, text string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.lines, func(l string) bool { return strings.Contains(l, text) }) {
		t.Errorf("%q is not said in\n%s", text, strings.Join(s.lines, "\n"))
	}
}

// start starts an output on dir; change may alter its options.
func start(t testing.TB, dir string, w Writer, lines *said, change func(*Options)) *Output {
	t.Helper()
	o := Options{
		Name: "siem", Dir: dir, Size: 1 << 30, Batch: Batch{Max: 100, Every: 100 * time.Millisecond},
		Timeout: 10 * time.Second, MaxAttempts: 3, MaxAge: 24 * time.Hour, Writer: w,
	}
	if lines != nil {
		o.Say = lines.say
	}
	if change != nil {
		change(&o)
	}
	out := New(o)
	out.Start()
	return out
}

func stop(t testing.TB, out *Output) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := out.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// put puts the hits from first to last.
func put(out *Output, first, last int) {
	for n := first; n <= last; n++ {
		Put([]*Output{out}, numbered(n))
	}
}

func wantIDs(t *testing.T, what string, got []string, first, last int) {
	t.Helper()
	var want []string
	for n := first; n <= last; n++ {
		want = append(want, strconv.Itoa(n))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: %d hits %.300q, want %d to %d in order", what, len(got), got, first, last)
	}
}

// sortSuspects sorts the first hits after a target was down: they were tried alone,
// in turn.
func sortSuspects(ids []string) {
	slices.SortFunc(ids[:min(len(ids), suspects)], func(a, b string) int {
		m, _ := strconv.Atoi(a)
		n, _ := strconv.Atoi(b)
		return m - n
	})
}

// settle waits, in a bubble, until all is quiet.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		var lines said
		out := start(t, t.TempDir(), &s, &lines, nil)
		put(out, 1, 250)
		settle(time.Second)
		wantIDs(t, "at once", s.ids(), 1, 250)
		if fmt.Sprint(s.batches) != "[100 100 50]" {
			t.Errorf("batches %v", s.batches)
		}
		began := time.Now()
		put(out, 251, 251)
		settle(time.Second)
		if s := out.Stats(); s.Accepted != 251 || s.Delivered != 251 || s.Retried+s.Dropped+s.Dead+s.Depth != 0 || !s.Oldest.IsZero() || s.Status != OK {
			t.Errorf("stats %+v", s)
		}
		put(out, 252, 260) // and stop before the batch's time has come
		stop(t, out)
		wantIDs(t, "after the stop", s.ids(), 1, 260)
		if lines.words() != "" {
			t.Errorf("said %q after %v", lines.lines, time.Since(began))
		}
	})
}

// TestHourDown: a target that is down for an hour, at 100 hits a second; then all
// are delivered, none twice, in order.
func TestHourDown(t *testing.T) {
	hour := time.Hour
	if testing.Short() {
		hour = time.Minute
	}
	synctest.Test(t, func(t *testing.T) {
		s := sink{outcome: isDown}
		var lines said
		out := start(t, t.TempDir(), &s, &lines, func(o *Options) { o.Batch.Max = 500 })
		n := 0
		for range int(hour / (100 * time.Millisecond)) {
			put(out, n+1, n+10)
			n += 10
			time.Sleep(100 * time.Millisecond)
		}
		if stats := out.Stats(); stats.Depth != uint64(n) || stats.Status != Down || stats.Problem != errDown.Error() || stats.Dropped+stats.Dead != 0 || time.Since(stats.Oldest) < hour-time.Second {
			t.Errorf("stats while it is down: %+v", stats)
		}
		if lines.words() != "down" {
			t.Errorf("said %q", lines.lines)
		}
		s.set(nil)
		settle(3 * time.Minute)
		stop(t, out)
		got := s.ids()
		sortSuspects(got)
		wantIDs(t, "after an hour", got, 1, n)
		if stats := out.Stats(); stats.Delivered != uint64(n) || stats.Dropped+stats.Dead+stats.Depth != 0 {
			t.Errorf("stats: %+v", stats)
		}
		if lines.words() != "down ok" {
			t.Errorf("said %q", lines.lines)
		}
		t.Logf("%d hits", n)
	})
}

// TestRestart: what could not be delivered is delivered by the next one.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := sink{}
		out := start(t, dir, &s, nil, nil)
		put(out, 1, 10)
		settle(time.Second)
		s.set(isDown)
		put(out, 11, 500)
		settle(time.Minute)
		stop(t, out)
		s.set(nil)
		out = start(t, dir, &s, nil, nil)
		put(out, 501, 510)
		settle(time.Second)
		stop(t, out)
		wantIDs(t, "after a restart", s.ids(), 1, 510)
	})
}

// TestPoison: a hit with which every batch fails holds the others up for a moment
// only; it is tried as often as configured, and becomes a dead letter, which can be
// replayed.
func TestPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		poison := func(hits []hit.Hit) error {
			if slices.ContainsFunc(hits, func(h hit.Hit) bool { return h.ID == "7" }) {
				if len(hits) == 1 {
					tries++
				}
				return errors.New("the plugin died")
			}
			return nil
		}
		s := sink{outcome: poison}
		out := start(t, t.TempDir(), &s, nil, nil)
		put(out, 1, 50)
		for n := 51; n < 80; n++ { // those behind which it is put
			settle(time.Minute)
			put(out, n, n)
		}
		settle(time.Hour)
		stats := out.Stats()
		if stats.Delivered != 78 || stats.Dead != 1 || stats.Depth != 0 || stats.Dropped != 0 {
			t.Errorf("stats: %+v", stats)
		}
		if tries < 3 || tries > 20 {
			t.Errorf("tried %d times alone", tries)
		}
		s.set(nil)
		replayed, err := out.ReplayDead(t.Context())
		if err != nil || replayed != (Replayed{1, 0}) {
			t.Errorf("replay: %+v, %v", replayed, err)
		}
		settle(time.Second)
		stop(t, out)
		if got := s.ids(); got[len(got)-1] != "7" || len(got) != 79 {
			t.Errorf("the dead letter was not delivered: %q", got)
		}
		if replayed, err = out.dead.files(); replayed.Replayed != 0 || err != nil {
			t.Errorf("letters stay: %+v, %v", replayed, err)
		}
	})
}

// TestPartial: of one batch, hits are delivered, refused for good, and refused for
// now.
func TestPartial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := true
		s := sink{outcome: func(hits []hit.Hit) error {
			errs := make([]error, len(hits))
			for i, h := range hits {
				switch n, _ := strconv.Atoi(h.ID); {
				case n%10 == 3:
					errs[i] = plugin.Permanent(errors.New("400 mapping"))
				case n%10 == 5 && busy:
					errs[i] = plugin.RetryAfter(errors.New("429"), 30*time.Second)
				}
			}
			return plugin.Partial(errs)
		}}
		dir := t.TempDir()
		out := start(t, dir, &s, nil, nil)
		put(out, 1, 20)
		settle(29 * time.Second)
		if stats := out.Stats(); stats.Delivered != 16 || stats.Dead != 2 || stats.Retried != 2 || stats.Depth != 2 || len(s.batches) != 1 {
			t.Errorf("stats: %+v, batches %v", stats, s.batches)
		}
		s.mu.Lock()
		busy = false
		s.mu.Unlock()
		settle(10 * time.Second)
		stop(t, out)
		if got := s.ids(); len(got) != 18 || got[16] != "5" || got[17] != "15" {
			t.Errorf("delivered %q", got)
		}
		letters, err := os.ReadFile(filepath.Join(dir, deadName))
		if lines := strings.Split(strings.TrimSpace(string(letters)), "\n"); err != nil || len(lines) != 2 ||
			!strings.Contains(lines[0], `"id":"3"`) || !strings.Contains(lines[0], `"dead":{"time":"`) || !strings.Contains(lines[0], `"why":"400 mapping"`) {
			t.Errorf("dead letters %s %v", letters, err)
		}
	})
}

// TestRetryAfter: a target that asks for a pause gets it.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{outcome: func([]hit.Hit) error { return plugin.RetryAfter(errors.New("429"), 2*time.Minute) }}
		out := start(t, t.TempDir(), &s, nil, nil)
		put(out, 1, 1)
		settle(119 * time.Second)
		if len(s.batches) != 1 {
			t.Errorf("%d attempts within two minutes", len(s.batches))
		}
		s.set(nil)
		settle(15 * time.Second)
		wantIDs(t, "after the pause", s.ids(), 1, 1)
		stop(t, out)
	})
}

// TestMaxAge: hits that nothing gets through with die of age.
func TestMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{outcome: isDown}
		out := start(t, t.TempDir(), &s, nil, func(o *Options) { o.MaxAge = time.Hour })
		put(out, 1, 1000)
		settle(30 * time.Minute)
		put(out, 1001, 1010)
		settle(45 * time.Minute)
		if stats := out.Stats(); stats.Dead != 1000 || stats.Depth != 10 || stats.Dropped != 0 {
			t.Errorf("stats: %+v", stats)
		}
		s.set(nil)
		settle(2 * time.Minute)
		stop(t, out)
		got := s.ids()
		sortSuspects(got)
		wantIDs(t, "those that are young enough", got, 1001, 1010)
	})
}

// TestPermanent: a whole batch that is refused for good.
func TestPermanent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{outcome: func([]hit.Hit) error { return plugin.Permanent(errors.New("404 no such channel")) }}
		out := start(t, t.TempDir(), &s, nil, nil)
		put(out, 1, 5)
		settle(time.Second)
		if stats := out.Stats(); stats.Dead != 5 || stats.Depth != 0 || stats.Retried != 0 {
			t.Errorf("stats: %+v", stats)
		}
		stop(t, out)
	})
}

// TestNotReady: a writer that is not there yet costs no attempts; when it comes,
// hits go out at once.
func TestNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{outcome: func([]hit.Hit) error { return fmt.Errorf("siem: %w", ErrNotReady) }}
		var lines said
		problem, changed := "there is no flowhound-output-syslog", make(chan struct{}, 1)
		var mu sync.Mutex
		out := start(t, t.TempDir(), &s, &lines, func(o *Options) {
			o.Problem = func() string { mu.Lock(); defer mu.Unlock(); return problem }
			o.Changed = changed
		})
		settle(10 * time.Second)
		lines.has(t, "down there is no flowhound-output-syslog") // without any hit
		put(out, 1, 300)
		settle(10 * time.Minute)
		if stats := out.Stats(); stats.Retried+stats.Dead != 0 || stats.Depth != 300 || stats.Status != Down {
			t.Errorf("stats: %+v", stats)
		}
		s.set(nil)
		mu.Lock()
		problem = ""
		mu.Unlock()
		changed <- struct{}{}
		synctest.Wait()
		settle(100 * time.Millisecond)
		wantIDs(t, "when it is ready", s.ids(), 1, 300)
		settle(2 * time.Second)
		if lines.words() != "down ok" {
			t.Errorf("said %q", lines.lines)
		}
		stop(t, out)
	})
}

// TestHung: while a writer hangs, hits are taken at once, and a stop ends it.
func TestHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{gate: func(ctx context.Context) { <-ctx.Done() }}
		var lines said
		out := start(t, t.TempDir(), &s, &lines, func(o *Options) { o.Timeout = 30 * time.Second })
		began := time.Now()
		put(out, 1, 1000)
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited %s for a writer that hangs", waited)
		}
		settle(2 * time.Minute)
		if stats := out.Stats(); stats.Depth != 1000 || stats.Dropped != 0 || stats.Status != Down {
			t.Errorf("stats: %+v", stats)
		}
		lines.has(t, "down context deadline exceeded")
		began = time.Now()
		stop(t, out)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("the stop took %s", took)
		}
	})
}

// TestStuckDisk: a disk that does not answer holds one hit up for 50 ms, no other,
// and what it did not take is dropped and counted.
func TestStuckDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		healthy := start(t, t.TempDir(), &s, nil, nil)
		out := New(Options{Name: "slow", Dir: t.TempDir(), Batch: Batch{Max: 10}, Writer: &s})
		if !out.open() {
			t.Fatal("no spool")
		}
		began := time.Now() // nothing takes from out.puts: so looks a write that hangs
		for n := 1; n <= 10; n++ {
			Put([]*Output{out, healthy}, numbered(n))
		}
		if waited := time.Since(began); waited != putTime {
			t.Errorf("waited %s in all, want %s", waited, putTime)
		}
		if stats := out.Stats(); stats.Dropped != 10 || stats.Accepted != 0 {
			t.Errorf("stats: %+v", stats)
		}
		if stats := healthy.Stats(); stats.Dropped != 0 || stats.Accepted != 10 {
			t.Errorf("the other output's stats: %+v", stats)
		}
		out.running.Go(out.appendAll) // it answers again
		synctest.Wait()
		put(out, 11, 12)
		if stats := out.Stats(); stats.Dropped != 10 || stats.Accepted != 2 || stats.Depth != 2 {
			t.Errorf("stats: %+v", stats)
		}
		close(out.quit)
		out.running.Wait()
		_ = out.spool.Load().Close()
		stop(t, healthy)
	})
}

// TestSpoolInUse: an output whose spool another process has is down, counts what it
// cannot keep, and works when the spool is free.
func TestSpoolInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		other, err := spool.Open(dir, 0)
		if err != nil {
			t.Fatal(err)
		}
		var s sink
		var lines said
		out := start(t, dir, &s, &lines, nil)
		put(out, 1, 3)
		settle(2 * time.Second)
		lines.has(t, "in use by another flowhound")
		lines.has(t, "dropping 3 hits are lost: the spool cannot be opened")
		_ = other.Close()
		settle(openEvery)
		put(out, 4, 5)
		settle(time.Second)
		wantIDs(t, "when the spool is free", s.ids(), 4, 5)
		settle(2 * time.Minute)
		if out.Stats().Status != OK || !strings.HasSuffix(lines.words(), "ok") {
			t.Errorf("said %q, %+v", lines.lines, out.Stats())
		}
		stop(t, out)
	})
}

// TestDiskFull: hits for which a real file system has no room are dropped, counted
// and said; those that were in the spool are delivered.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("flowhound-test", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("SKIPPED: a small file system of its own needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := sink{outcome: isDown}
		var lines said
		out := start(t, filepath.Join(dir, "spool"), &s, &lines, nil)
		put(out, 1, 1000)
		settle(2 * time.Second)
		stats := out.Stats()
		if stats.Dropped == 0 || stats.Depth == 0 || stats.Accepted+stats.Dropped != 1000 {
			t.Errorf("stats: %+v", stats)
		}
		lines.has(t, "no space left on device")
		s.set(nil)
		settle(2 * time.Minute)
		if got := len(s.ids()); got != int(stats.Accepted) {
			t.Errorf("%d hits delivered, %d were accepted", got, stats.Accepted)
		}
		stop(t, out)
	})
}

// TestSpoolFull: the oldest hits make room, are counted and said.
func TestSpoolFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{outcome: isDown}
		var lines said
		out := start(t, t.TempDir(), &s, &lines, func(o *Options) { o.Size = 0 })
		const n = 10000 // some 8 MB
		put(out, 1, n)
		settle(2 * time.Second)
		stats := out.Stats()
		if stats.Dropped == 0 || stats.Bytes > spool.MinSize {
			t.Errorf("stats: %+v", stats)
		}
		lines.has(t, "the spool is full: the oldest hits made room for new ones")
		s.set(nil)
		settle(2 * time.Minute)
		stop(t, out)
		if got := s.ids(); len(got)+int(stats.Dropped) != n || got[len(got)-1] != strconv.Itoa(n) {
			t.Errorf("%d delivered and %d dropped of %d", len(got), stats.Dropped, n)
		}
	})
}

func TestTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{outcome: isDown}
		out := start(t, t.TempDir(), &s, nil, func(o *Options) { o.Filter.MinSeverity = hit.Critical })
		if err := out.Test(t.Context(), numbered(1)); !errors.Is(err, errDown) {
			t.Errorf("a target that is down: %v", err)
		}
		s.set(nil)
		if err := out.Test(t.Context(), numbered(2)); err != nil || len(s.ids()) != 1 || out.Stats().Accepted != 0 {
			t.Errorf("past filter and spool: %v %q", err, s.ids())
		}
		stop(t, out)
		if err := out.Test(t.Context(), numbered(3)); err == nil {
			t.Error("after the stop")
		}
	})
}

// TestConfigure: other settings in mid-stream lose no hit, and hold for the next
// batch.
func TestConfigure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, next := sink{outcome: isDown}, sink{}
		dir := t.TempDir()
		out := start(t, dir, &old, nil, nil)
		put(out, 1, 50)
		settle(10 * time.Minute)
		o := *out.opts()
		o.Writer, o.Batch.Max, o.Filter, o.Size = &next, 7, Filter{Kinds: []hit.Kind{hit.New}}, 64<<20
		out.Configure(o)
		put(out, 51, 60)
		other := numbered(61)
		other.Kind = hit.Repeat
		Put([]*Output{out}, other)
		settle(time.Second)
		stop(t, out)
		wantIDs(t, "after other settings", next.ids(), 1, 60)
		if m := slices.Max(next.batches); m != 7 {
			t.Errorf("batches %v", next.batches)
		}
	})
}

func TestFilter(t *testing.T) {
	h := numbered(1)
	h.Indicators = append(h.Indicators, hit.Indicator{Feed: "dshield"})
	for _, c := range []struct {
		f    Filter
		want bool
	}{
		{Filter{}, true},
		{Filter{MinSeverity: hit.High}, true},
		{Filter{MinSeverity: hit.Critical}, false},
		{Filter{Kinds: []hit.Kind{hit.Repeat, hit.New}}, true},
		{Filter{Kinds: []hit.Kind{hit.Repeat}}, false},
		{Filter{Directions: []hit.Direction{hit.Inbound}}, false},
		{Filter{Categories: []string{"c2"}, Directions: []hit.Direction{hit.Outbound}}, true},
		{Filter{Categories: []string{"spam"}}, false},
		{Filter{Feeds: []string{"otx"}}, true},
		{Filter{Feeds: []string{"dshield"}}, true},
		{Filter{Feeds: []string{"ours"}}, false},
	} {
		if got := c.f.Wants(h); got != c.want {
			t.Errorf("%+v: %v", c.f, got)
		}
	}
}

// TestDeadLetters: they stay within their bound, and what is no hit does not keep
// the others from being replayed.
func TestDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := sink{outcome: func([]hit.Hit) error { return plugin.Permanent(errors.New("400")) }}
		var lines said
		out := start(t, dir, &s, &lines, func(o *Options) { o.Size = 0 })
		put(out, 1, 6000) // some 5 MB
		settle(10 * time.Second)
		stats := out.Stats()
		kept, err := out.dead.files()
		if err != nil || kept.Replayed+int(stats.Dropped) != 6000 || stats.Dropped == 0 {
			t.Errorf("%+v kept of %+v, %v", kept, stats, err)
		}
		lines.has(t, "too many dead letters")
		f, err := os.OpenFile(filepath.Join(dir, deadName), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(f, "{\"v\":2}\nnonsense\n%s\n{\"v\":1", strings.Repeat("x", 10<<20))
		_ = f.Close()
		s.set(nil)
		total := 0
		for {
			replayed, err := out.ReplayDead(t.Context())
			total += replayed.Replayed
			settle(10 * time.Second)
			if err == nil {
				if replayed.Broken != 4 {
					t.Errorf("%+v", replayed)
				}
				break
			} else if !strings.Contains(err.Error(), "the spool is nearly full") || replayed.Replayed == 0 {
				t.Fatal(err)
			}
		}
		if total != kept.Replayed || len(s.ids()) != total {
			t.Errorf("%d replayed, %d delivered of %d", total, len(s.ids()), kept.Replayed)
		}
		stop(t, out)
	})
}

// files counts the letters that wait for a replay.
func (d *dead) files() (r Replayed, err error) {
	for _, name := range []string{replayName, deadName + ".1", deadName} {
		r.Replayed += countLines(filepath.Join(d.dir, name))
	}
	return r, nil
}

func BenchmarkPut(b *testing.B) {
	out := start(b, b.TempDir(), &sink{}, nil, func(o *Options) { o.Batch.Max = 500 })
	defer stop(b, out)
	h := numbered(1)
	b.ReportAllocs()
	for b.Loop() {
		Put([]*Output{out}, h)
	}
}

// BenchmarkDeliver takes hits from the disk to a writer that is not slow.
func BenchmarkDeliver(b *testing.B) {
	dir := b.TempDir()
	out := start(b, dir, &sink{outcome: isDown}, nil, nil)
	put(out, 1, b.N)
	stop(b, out)
	var s sink
	b.ReportAllocs()
	b.ResetTimer()
	out = start(b, dir, &s, nil, func(o *Options) { o.Batch.Max = 500 })
	for out.Stats().Depth > 0 {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	stop(b, out)
}
