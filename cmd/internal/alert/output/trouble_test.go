package output

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
)

// TestNotReady: a writer that is not there yet costs no attempts; when it comes,
// hits go out at once.
func TestNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{outcome: func([]hit.Hit) error { return fmt.Errorf("siem: %w", ErrNotReady) }}
		var lines said
		problem, changed := "there is no flowhound-output-syslog", make(chan struct{}, 1)
		var mu sync.Mutex
		out := start(t, t.TempDir(), &s, &lines, func(_ *Config, d *Dependencies) {
			d.Problem = func() string { mu.Lock(); defer mu.Unlock(); return problem }
			d.Changed = changed
		})
		settle(time.Second)
		if stats := out.Stats(); stats.Status != Trying || stats.Problem != problem || lines.words() != "" {
			t.Errorf("stats: %+v; said %q", stats, lines.words())
		}
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
		if why := out.Stats().Problem; why != "there is no flowhound-output-syslog" {
			t.Errorf("until it is tried again the problem is %q", why)
		}
		changed <- struct{}{}
		synctest.Wait()
		settle(100 * time.Millisecond)
		wantIDs(t, "when it is ready", s.ids(), 1, 300)
		if stats := out.Stats(); stats.Status != OK || stats.Problem != "" {
			t.Errorf("stats: %+v", stats)
		}
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
		out := start(t, t.TempDir(), &s, &lines, func(c *Config, _ *Dependencies) { c.Timeout = 30 * time.Second })
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

// TestDiskFull: while a real file system is full, a healthy target gets all, and what
// waits for one that is down waits in memory.
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
		out := start(t, dir, &s, &lines, nil)
		put(out, 1, 1000)
		settle(2 * time.Second)
		if stats := out.Stats(); stats.Dropped != 0 || stats.Depth != 1000 || out.j.Stats().Write == "" {
			t.Errorf("stats: %+v, journal %+v", stats, out.j.Stats())
		}
		s.set(nil)
		settle(2 * time.Minute)
		if got := s.ids(); len(got) != 1000 {
			t.Errorf("%d hits delivered", len(got))
		}
		put(out, 1001, 1100)
		settle(2 * time.Second)
		if now := out.Stats(); now.Dropped != 0 || now.Delivered != 1100 || out.j.Stats().Write != "" {
			t.Errorf("after the outage: %+v, journal %+v", now, out.j.Stats())
		}
		stop(t, out)
	})
}

// TestSpoolFull: the oldest hits make room, are counted and said.
func TestSpoolFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{outcome: isDown}
		var lines said
		out := start(t, t.TempDir(), &s, &lines, func(c *Config, _ *Dependencies) { c.Spool = 4 << 20 })
		const n = 10000 // some 8 MB
		put(out, 1, n)
		settle(2 * time.Second)
		stats := out.Stats()
		if stats.Dropped == 0 || stats.Bytes > 5<<20 {
			t.Errorf("stats: %+v", stats)
		}
		lines.has(t, "more waits than spool allows: the oldest hits made room for new ones")
		s.set(nil)
		settle(2 * time.Minute)
		stop(t, out)
		if got := s.ids(); len(got)+int(stats.Dropped) != n || got[len(got)-1] != strconv.Itoa(n) {
			t.Errorf("%d delivered and %d dropped of %d", len(got), stats.Dropped, n)
		}
	})
}

// TestSpoolFullAtTheEnd: hits that were being tried when they had to make room, and
// cannot be delivered, are counted.
func TestSpoolFullAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		out := start(t, dir, &sink{outcome: isDown}, nil, func(c *Config, _ *Dependencies) { c.Spool = 4 << 20 })
		const n = 10000
		put(out, 1, 100)
		settle(2 * time.Second)
		put(out, 101, n)
		settle(2 * time.Second)
		stop(t, out)
		j, err := journal.Open(journal.Options{Dir: filepath.Join(dir, "journal")})
		if err != nil {
			t.Fatal(err)
		}
		left := Inspect(j, "siem", "")
		if err := j.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if dropped := out.Stats().Dropped; left.Depth+dropped != n {
			t.Errorf("%d hits are left and %d dropped of %d", left.Depth, dropped, n)
		}
	})
}

// TestDeadLetters: they stay within their bound, and what is no hit does not keep
// the others from being replayed.
func TestDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := sink{outcome: func([]hit.Hit) error { return plugin.Permanent(errors.New("400")) }}
		var lines said
		out := start(t, dir, &s, &lines, func(c *Config, _ *Dependencies) { c.Spool = 4 << 20 })
		for n := 1; n <= 6000; n += 1000 { // some 5 MB in all, but never more waits than the spool allows
			put(out, n, n+999)
			settle(10 * time.Second)
		}
		settle(2 * time.Minute) // losses are said once a minute
		stats := out.Stats()
		kept, err := out.dead.files()
		if err != nil || kept.Replayed+int(stats.Dropped) != 6000 || stats.Dropped == 0 {
			t.Errorf("%+v kept of %+v, %v", kept, stats, err)
		}
		lines.has(t, "too many dead letters")
		f, err := os.OpenFile(filepath.Join(dir, "dead", deadName), os.O_APPEND|os.O_WRONLY, 0)
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
			} else if !strings.Contains(err.Error(), "more than 90 percent of the spool is in use already") || replayed.Replayed == 0 {
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
		r.Replayed += countLines(filepath.Join(d.out.opts().Dir, name))
	}
	return r, nil
}
