package history

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/finding"
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
	for _, c := range []struct {
		name   string
		newest time.Time
		looks  []look
	}{
		{"an empty history", time.Time{}, []look{{0, 0, "", false}, {time.Minute, time.Minute, "", false}}},
		{"a start after a day", noon.Add(-day), []look{{0, 0, "", false}}},
		{"a start with old flows", noon.Add(-60 * day), []look{
			{0, 0, "the newest flow is 1440h old", true}, {25 * time.Hour, 25 * time.Hour, "", false},
		}},
		{"forward by a day, and back", noon, []look{
			{0, 0, "", false}, {day + time.Minute, time.Minute, "set forward by 24h;", true}, {day + time.Hour, time.Hour, "", true},
			{2 * time.Hour, 2 * time.Hour, "set back by 24h;", true}, {27 * time.Hour, 27 * time.Hour, "", false},
		}},
		{"forward for good", noon, []look{
			{0, 0, "", false}, {day + time.Minute, time.Minute, "set forward by 24h;", true}, {49 * time.Hour, 25 * time.Hour, "", false},
		}},
		{"back by a day, and forward", noon, []look{
			{0, 0, "", false}, {-day + time.Minute, time.Minute, "set back by 24h;", false}, {2 * time.Minute, 2 * time.Minute, "set forward by 24h;", true},
		}},
		{"to 2090", noon, []look{{0, 0, "", false}, {64 * 365 * day, time.Minute, "set forward by", true}}},
		{"a few seconds", noon, []look{{0, 0, "", false}, {70 * time.Second, time.Minute, "", false}, {50 * time.Second, 2 * time.Minute, "", false}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var k clock
			for i, l := range c.looks {
				heard := &said{}
				k.look(noon.Add(l.at), l.up, c.newest, 90*day, heard.say)
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
