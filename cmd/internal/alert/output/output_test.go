package output

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
)

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
		out := start(t, t.TempDir(), &s, &lines, func(c *Config, _ *Dependencies) { c.Batch.Max = 500 })
		n := 0
		for range int(hour / time.Second) {
			put(out, n+1, n+100)
			n += 100
			time.Sleep(time.Second)
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
		letters, err := os.ReadFile(filepath.Join(dir, "dead", deadName))
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
		out := start(t, t.TempDir(), &s, nil, func(c *Config, _ *Dependencies) { c.MaxAge = time.Hour })
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

// TestPermanent: a whole batch that is refused for good is said, for a minute.
func TestPermanent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{outcome: func([]hit.Hit) error { return plugin.Permanent(errors.New("404 no such channel")) }}
		var lines said
		out := start(t, t.TempDir(), &s, &lines, nil)
		put(out, 1, 5)
		settle(2 * time.Second)
		if stats := out.Stats(); stats.Status != Dropping || stats.Problem != "404 no such channel" {
			t.Errorf("stats: %+v", stats)
		}
		lines.has(t, "dropping 5 hits are dead letters, which output replay-dead sends again: 404 no such channel")
		if stats := out.Stats(); stats.Dead != 5 || stats.Depth != 0 || stats.Retried != 0 {
			t.Errorf("stats: %+v", stats)
		}
		settle(2 * time.Minute)
		if lines.words() != "dropping ok" || out.Stats().Status != OK {
			t.Errorf("said %q, %+v", lines.lines, out.Stats())
		}
		stop(t, out)
	})
}

func TestTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{outcome: isDown}
		out := start(t, t.TempDir(), &s, nil, func(c *Config, _ *Dependencies) { c.MinSeverity = hit.Critical })
		if err := out.Test(t.Context(), numbered(1)); !errors.Is(err, errDown) {
			t.Errorf("a target that is down: %v", err)
		}
		s.set(nil)
		if err := out.Test(t.Context(), numbered(2)); err != nil || len(s.ids()) != 1 || out.Stats().Accepted != 0 {
			t.Errorf("past filter and journal: %v %q", err, s.ids())
		}
		stop(t, out)
		if err := out.Test(t.Context(), numbered(3)); err == nil {
			t.Error("after the stop")
		}
	})
}

// TestApply: other settings in mid-stream lose no hit, and hold for the next
// batch.
func TestApply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, next := sink{outcome: isDown}, sink{}
		dir := t.TempDir()
		out := start(t, dir, &old, nil, nil)
		put(out, 1, 50)
		settle(10 * time.Minute)
		c, d := out.opts().Config, out.opts().Dependencies
		d.Writer, c.Batch.Max, c.Kinds, c.Spool = &next, 7, []string{"new"}, 64<<20
		out.Apply(c, d)
		put(out, 51, 60)
		other := numbered(61)
		other.Kind = hit.Repeat
		out.put(other)
		settle(time.Second)
		stop(t, out)
		wantIDs(t, "after other settings", next.ids(), 1, 60)
		if m := slices.Max(next.batches); m != 7 {
			t.Errorf("batches %v", next.batches)
		}
	})
}

func TestWants(t *testing.T) {
	t.Parallel()
	h := numbered(1)
	h.Indicators = append(h.Indicators, hit.Indicator{Feed: "dshield"})
	for _, c := range []struct {
		f    Config
		want bool
	}{
		{Config{}, true},
		{Config{MinSeverity: hit.High}, true},
		{Config{MinSeverity: hit.Critical}, false},
		{Config{Kinds: []string{"repeat", "new"}}, true},
		{Config{Kinds: []string{"repeat"}}, false},
		{Config{Directions: []string{"inbound"}}, false},
		{Config{Categories: []intel.Category{intel.C2}, Directions: []string{"outbound"}}, true},
		{Config{Categories: []intel.Category{intel.Spam}}, false},
		{Config{Feeds: []string{"otx"}}, true},
		{Config{Feeds: []string{"dshield"}}, true},
		{Config{Feeds: []string{"ours"}}, false},
	} {
		if got := c.f.wants(h); got != c.want {
			t.Errorf("%+v: %v", c.f, got)
		}
	}
}
