package history

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
)

// A clock that is set is said, and one that is set forward does not make all flows old at
// once.
func TestClock(t *testing.T) {
	noon := time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC)
	type look struct {
		at   time.Duration // after noon, by the system's clock
		up   time.Duration
		said string // "": nothing
		held bool
	}
	none := dataset.Quiet{}
	for _, c := range []struct {
		name  string
		quiet dataset.Quiet
		looks []look
	}{
		{"an empty history", none, []look{{0, 0, "", false}, {time.Minute, time.Minute, "", false}}},
		{"a start with old flows", dataset.Quiet{From: noon.Add(-60 * day), Until: noon}, []look{
			{0, 0, "no flow arrived for 1440h:", true}, {25 * time.Hour, 25 * time.Hour, "", false},
		}},
		{"a start with old flows, and some of an hour ago", dataset.Quiet{From: noon.Add(-60 * day), Until: noon.Add(-time.Hour)}, []look{
			{0, 0, "no flow arrived for 1439h:", true}, {22 * time.Hour, 22 * time.Hour, "", true}, {24 * time.Hour, 24 * time.Hour, "", false},
		}},
		{"a start with old flows, and some of two days ago", dataset.Quiet{From: noon.Add(-60 * day), Until: noon.Add(-2 * day)}, []look{{0, 0, "", false}}},
		{"forward by a day, and back", none, []look{
			{0, 0, "", false}, {day + time.Minute, time.Minute, "set forward by 24h;", true}, {day + time.Hour, time.Hour, "", true},
			{2 * time.Hour, 2 * time.Hour, "set back by 24h;", true}, {27 * time.Hour, 27 * time.Hour, "", false},
		}},
		{"forward for good", none, []look{
			{0, 0, "", false}, {day + time.Minute, time.Minute, "set forward by 24h;", true}, {49 * time.Hour, 25 * time.Hour, "", false},
		}},
		{"back by a day, and forward", none, []look{
			{0, 0, "", false}, {-day + time.Minute, time.Minute, "set back by 24h;", false}, {2 * time.Minute, 2 * time.Minute, "set forward by 24h;", true},
		}},
		{"to 2090", none, []look{{0, 0, "", false}, {64 * 365 * day, time.Minute, "set forward by", true}}},
		{"a few seconds", none, []look{{0, 0, "", false}, {70 * time.Second, time.Minute, "", false}, {50 * time.Second, 2 * time.Minute, "", false}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var k clock
			for i, l := range c.looks {
				heard := &said{}
				k.look(noon.Add(l.at), l.up, c.quiet, heard.say)
				if s := heard.all(); (s == "") != (l.said == "") || !strings.Contains(s, l.said) {
					t.Errorf("look %d: said %q, want %q", i, s, l.said)
				}
				if held := k.held(noon.Add(l.at)); (held != nil) != l.held {
					t.Errorf("look %d: held is %v, want %v", i, held, l.held)
				}
			}
		})
	}
}

// What was said of a clock that was set holds for the next run, too.
func TestClockRestarts(t *testing.T) {
	noon := time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC)
	path := filepath.Join(t.TempDir(), "hold")
	run := func(at time.Duration) *clock {
		k := &clock{file: path}
		k.look(noon.Add(at), 0, dataset.Quiet{}, func(_, s string) { t.Errorf("said %q", s) })
		return k
	}
	k := run(0)
	k.look(noon.Add(30*day), time.Minute, dataset.Quiet{}, func(string, string) {})
	for _, c := range []struct {
		at   time.Duration
		held bool
	}{{30*day + 23*time.Hour, true}, {30*day + 25*time.Hour, false}, {time.Hour, true}, {26 * time.Hour, false}} {
		if held := run(c.at).held(noon.Add(c.at)); (held != nil) != c.held {
			t.Errorf("after %s: held is %v", c.at, held)
		}
	}
}

// A clock that is decades ahead, and a process that is killed before it noticed, remove
// nothing; nor does the next one. Flows of 2090 neither keep nor remove those of today.
func TestClockAheadOverRestarts(t *testing.T) {
	dir := t.TempDir()
	c := config(dir)
	c.Keep = 48 * time.Hour
	var set time.Duration
	run := func(first int) {
		h, err := New(c, Dependencies{})
		if err != nil {
			t.Fatal(err)
		}
		h.now = func() time.Time { return time.Now().Add(set) }
		if err := h.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer stop(t, h)
		b := numbered(first, 500)
		for i := range b.Records {
			b.Records[i].Received += int64(set)
		}
		if err := h.Add(t.Context(), b.Records); err != nil {
			t.Fatal(err)
		}
		for range 2 { // it has been tidied up before the second is answered
			if err := h.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			h.running.tidySoon()
		}
		check(t, "with the clock at "+set.String(), numbers(t, dir), first+500)
		var l finding.List
		h.Findings(&l)
		if ahead := strings.Contains(fmt.Sprint(l), "by a clock that was wrong"); ahead != (first == 2000) {
			t.Errorf("doctor says %v", l)
		}
	}
	run(0)
	set = 64 * 365 * day
	for first := 500; first < 2000; first += 500 {
		run(first)
	}
	set = 0
	run(2000)
	w, err := dataset.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if gone, err := w.Expire(dataset.Limits{Now: time.Now().Add(49 * time.Hour), Keep: c.Keep, MaxSize: 1 << 40}); err != nil || gone.Flows != 1000 {
		t.Errorf("%+v, %v", gone, err)
	}
}

// The clock is set forward and back by a day under a running history that keeps two hours:
// it says so, keeps all flows, and expires as before afterwards.
func TestClockIsSet(t *testing.T) {
	dir := t.TempDir()
	c := config(dir)
	c.Keep = 2 * time.Hour
	heard := &said{}
	h, err := New(c, Dependencies{Report: heard.say})
	if err != nil {
		t.Fatal(err)
	}
	var set atomic.Int64
	h.now = func() time.Time { return time.Now().Add(time.Duration(set.Load())) }
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, h) })
	next, changes := 0, 0
	for _, by := range []time.Duration{0, day, 0, -day, 0} {
		if time.Duration(set.Swap(int64(by))) != by {
			changes++
		}
		b := numbered(next, 500)
		for i := range b.Records {
			b.Records[i].Received += int64(by)
		}
		next += 500
		if err := h.Add(t.Context(), b.Records); err != nil {
			t.Fatal(err)
		}
		if err := h.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.running.tidySoon()
		await(t, "the new time to be noticed", func() bool { return strings.Count(heard.all(), "system clock") == changes })
		if err := h.Flush(t.Context()); err != nil { // it has been tidied up before this is answered
			t.Fatal(err)
		}
		check(t, "with the clock at "+by.String(), numbers(t, dir), next)
	}
	lines := strings.Split(heard.all(), "\n")
	for i, want := range []string{"set forward by 24h", "set back by 24h", "set back by 24h", "set forward by 24h"} {
		if len(lines) != 4 || !strings.Contains(lines[i], want) {
			t.Fatalf("said %q", lines)
		}
	}
	var l finding.List
	if h.Findings(&l); l.Worst() != finding.Warn || !strings.Contains(l[0].What, "no flow is removed for its age until") {
		t.Errorf("doctor says %v", l)
	}
}
