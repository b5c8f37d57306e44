package history

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/flow/lane"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
	"github.com/flowhound/flowhound/cmd/internal/settings"
)

// said collects what is said.
type said struct {
	mu    sync.Mutex
	lines []string
}

func (s *said) say(status, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, status+": "+message)
}

func (s *said) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

func config(dir string) Config {
	var c Config
	c.SetDefaults()
	c.Dir = dir
	return c
}

func started(t *testing.T, c Config, lanes int) (*History, []Sink, *said) {
	t.Helper()
	heard := &said{}
	h, err := New(c, Dependencies{Report: heard.say})
	if err != nil {
		t.Fatal(err)
	}
	var sinks []Sink
	for range lanes {
		sinks = append(sinks, h.Lane(false))
	}
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, h) })
	return h, sinks, heard
}

func stop(t *testing.T, h *History) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := h.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// numbered makes n records from a number on, which stands in Bytes.
func numbered(from, n int) *flow.Batch {
	b := &flow.Batch{}
	now := time.Now().UnixNano()
	for i := range n {
		b.Records = append(b.Records, flow.Record{
			Src: flow.Addr4(uint32(from + i)), Dst: flow.Addr4(7), Received: now, Start: now - 1e9, End: now, Bytes: uint64(from + i), Packets: 1,
			Has: flow.HasStart | flow.HasEnd | flow.HasBytes | flow.HasPackets, Sampling: 1,
		})
	}
	return b
}

// numbers returns how often each number stands in a data set.
func numbers(t *testing.T, dir string) map[uint64]int {
	t.Helper()
	set, err := dataset.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	snap, err := set.Snapshot(time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	got := map[uint64]int{}
	for _, file := range snap.Files {
		f, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		var records []flow.Record
		for g := range f.Groups {
			if records, err = f.Records(g, records); err != nil {
				t.Fatal(err)
			}
		}
		_ = f.Close()
		for i := range records {
			got[records[i].Bytes]++
		}
	}
	err = snap.Recent(t.Context(), func(records []flow.Record) error {
		for i := range records {
			got[records[i].Bytes]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func check(t *testing.T, what string, got map[uint64]int, n int) {
	t.Helper()
	for i := range n {
		if got[uint64(i)] != 1 {
			t.Fatalf("%s: record %d is there %d times, of %d records", what, i, got[uint64(i)], n)
		}
	}
	if len(got) != n {
		t.Errorf("%s: %d records, want %d", what, len(got), n)
	}
}

// What workers hand over is seen after Sync, in files after Flush, and once, also over
// restarts.
func TestFlowsAreKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "flows")
	h, sinks, heard := started(t, config(dir), 2)
	sinks[0].Flows(numbered(0, 3000))
	sinks[1].Flows(numbered(3000, 10))
	if err := h.Add(t.Context(), numbered(3010, 90_000).Records); err != nil {
		t.Fatal(err)
	}
	if err := h.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(t, "after Sync", numbers(t, dir), 93_010)
	if err := h.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s, err := dataset.Summarize(dir); err != nil || s.Flows != 93_010 || s.LogBytes != 0 {
		t.Errorf("after Flush: %+v, %v", s, err)
	}
	check(t, "after Flush", numbers(t, dir), 93_010)
	sinks[0].Flows(numbered(93_010, 5))
	stop(t, h)
	check(t, "after Stop", numbers(t, dir), 93_015)
	again, sinks, _ := started(t, config(dir), 1)
	sinks[0].Flows(numbered(93_015, 5))
	if err := again.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(t, "after a restart", numbers(t, dir), 93_020)
	if depth, dropped := h.Queue(); depth != 0 || dropped != 0 {
		t.Errorf("%d wait, %d dropped", depth, dropped)
	}
	if s := heard.all(); s != "" {
		t.Errorf("said %q", s)
	}
}

// A second process waits until the first one has gone, and says so; alerting goes on.
func TestSecondWriter(t *testing.T) {
	dir := t.TempDir()
	first, _, _ := started(t, config(dir), 0)
	second, sinks, heard := started(t, config(dir), 1)
	if s := heard.all(); !strings.Contains(s, "another process writes "+dir) {
		t.Errorf("said %q", s)
	}
	var l finding.List
	second.Findings(&l)
	if l.Worst() != finding.Bad {
		t.Errorf("doctor says %v", l)
	}
	sinks[0].Flows(numbered(0, 10)) // lost, and counted
	stop(t, first)
	deadline := time.Now().Add(2 * time.Minute)
	for second.trouble[notKept].Text() != "" || !strings.Contains(heard.all(), "kept again") {
		if time.Now().After(deadline) {
			t.Fatal("the second one never took over")
		}
		sinks[0].Flows(numbered(0, 1))
		time.Sleep(10 * time.Millisecond)
	}
	if !strings.Contains(heard.all(), "kept again") {
		t.Errorf("said %q", heard.all())
	}
	if _, dropped := second.Queue(); dropped < 10 {
		t.Errorf("%d are counted as dropped", dropped)
	}
}

func TestOff(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "flows")
	c := config(dir)
	c.Enabled = false
	h, sinks, _ := started(t, c, 1)
	sinks[0].Flows(numbered(0, 10))
	if _, err := os.Stat(dir); err == nil {
		t.Error("there is a folder")
	}
	if err := h.Sync(t.Context()); err == nil {
		t.Error("Sync says that flows are kept")
	}
	c.Enabled = true
	if err := h.Apply(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	sinks[0].Flows(numbered(0, 10))
	if err := h.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(t, "after it was turned on", numbers(t, dir), 10)
	c.Enabled = false
	if err := h.Apply(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	sinks[0].Flows(numbered(10, 10))
	check(t, "after it was turned off", numbers(t, dir), 10)
}

// A disk that is too small for history keeps none, and says so.
func TestSmallDisk(t *testing.T) {
	if why := (&Config{Dir: t.TempDir(), MaxSize: 100 * settings.GB}); tooSmall(why, 900_000_000) == "" || tooSmall(why, 2_000_000_000) != "" {
		t.Error("the limit is not 1 GB")
	}
}

// What the lanes dropped is a line, at once and then every ten minutes, and a finding.
func TestDroppedIsSaid(t *testing.T) {
	heard := &said{}
	h, err := New(config(t.TempDir()), Dependencies{Report: heard.say})
	if err != nil {
		t.Fatal(err)
	}
	sink := h.Lane(false).(*entrance)
	sink.open.Store(true) // and nobody takes
	now := time.Now()
	h.sayDropped(now)
	if got := heard.all(); got != "" {
		t.Errorf("nothing was dropped, and it says %q", got)
	}
	room := laneBlocks() * lane.BlockSize
	sink.Flows(numbered(0, room+5))
	for at := now; at.Before(now.Add(finding.RepeatAfter)); at = at.Add(time.Minute) {
		h.sayDropped(at)
	}
	sink.Flows(numbered(room, 1))
	h.sayDropped(now.Add(finding.RepeatAfter))
	want := "dropping: history: 5 flows were not kept: " + whyTooFast + "; " + fixTooFast +
		"\ndropping: history: 1 flow was not kept: " + whyTooFast + "; " + fixTooFast
	if got := heard.all(); got != want {
		t.Errorf("it says\n%s\nwant\n%s", got, want)
	}
	var found finding.List
	h.Findings(&found)
	if got := fmt.Sprint(found); !strings.Contains(got, "6 flows were not kept since the start") {
		t.Errorf("the findings are %s", got)
	}
	if depth, dropped := h.Queue(); depth != room || dropped != 6 {
		t.Errorf("%d wait and %d were dropped", depth, dropped)
	}
}
