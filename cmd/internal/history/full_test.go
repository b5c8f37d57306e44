package history

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// onDisk starts a History on a small disk.
func onDisk(t *testing.T, size int) (peer.Disk, *History, *said) {
	t.Helper()
	peer.Long(t)
	disk := peer.SmallDisk(t, size)
	c := config(disk.Dir + "/flows")
	c.MaxSize = settings.MB
	h, _, heard := started(t, c, 0)
	return disk, h, heard
}

// await waits for what a running History does by itself.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// healthy reports whether /healthz has nothing to say.
func healthy(h *History) bool {
	var l finding.List
	h.Health(&l)
	return len(l) == 0
}

// add adds numbered records until the disk takes them.
func add(t *testing.T, h *History, from, n int) {
	t.Helper()
	await(t, "the disk to take flows", func() bool { return h.Add(t.Context(), numbered(from, n).Records) == nil })
}

// A full disk is said once, flows are kept again when there is room, and what was
// accepted is found.
func TestFullDisk(t *testing.T) {
	disk, h, heard := onDisk(t, 4<<20)
	add(t, h, 0, 5000)
	if err := h.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	add(t, h, 5000, 10)
	disk.Fill(0)
	await(t, "the disk to be full", func() bool { return h.Add(t.Context(), numbered(1_000_000, 3000).Records) != nil })
	for range 20 {
		_ = h.Add(t.Context(), numbered(1_000_000, 3000).Records)
	}
	if n := strings.Count(heard.all(), "error: history: no flows are kept, because the disk of "+disk.Dir+"/flows is full; make room"); n != 1 || healthy(h) {
		t.Errorf("said %d times: %q; healthy: %v", n, heard.all(), healthy(h))
	}
	if _, dropped := h.Queue(); dropped < 3000 {
		t.Errorf("%d are counted as dropped", dropped)
	}
	disk.Free()
	add(t, h, 5010, 10)
	if s := heard.all(); !strings.HasSuffix(s, "alive: history: flows are kept again; those that arrived in between are counted as dropped") || !healthy(h) {
		t.Errorf("said %q", s)
	}
	if err := h.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := numbers(t, disk.Dir+"/flows")
	for i := range got {
		if i >= 1_000_000 { // of the last block before the disk was full
			delete(got, i)
		}
	}
	check(t, "with room again", got, 5020)
}

// When only the files do not fit, the log takes flows, and the trouble ends with the room.
func TestNoRoomForFiles(t *testing.T) {
	disk, h, heard := onDisk(t, 4<<20)
	add(t, h, 0, 40_000)
	disk.Fill(24 << 10)
	if err := h.Flush(t.Context()); err == nil {
		t.Fatal("the files fit")
	}
	add(t, h, 40_000, 10)
	if s := heard.all(); !strings.Contains(s, "error: history: files cannot be written, because the disk of ") || strings.Contains(s, "no flows are kept") || healthy(h) {
		t.Errorf("said %q; healthy: %v", s, healthy(h))
	}
	disk.Free()
	await(t, "the files", func() bool {
		return healthy(h) && strings.HasSuffix(heard.all(), "alive: history: files are written again")
	})
	if s, err := dataset.Summarize(disk.Dir + "/flows"); err != nil || s.Flows != 40_000 {
		t.Errorf("%+v, %v", s, err)
	}
	check(t, "with room again", numbers(t, disk.Dir+"/flows"), 40_010)
}

// A disk that is too small at the start keeps history off; it begins when there is room.
func TestTooSmallAtFirst(t *testing.T) {
	disk := peer.SmallDisk(t, 4<<20)
	disk.Fill(0)
	c := config(disk.Dir + "/flows")
	c.MaxSize = 2 * settings.MB
	h, sinks, heard := started(t, c, 1)
	if s := heard.all(); !strings.Contains(s, "error: history is off: the disk of "+disk.Dir+"/flows has 0 MB free, and 2 MB are needed") {
		t.Errorf("said %q", s)
	}
	sinks[0].Flows(numbered(1_000_000, 10))
	h.startAgain() // a minute later
	var l finding.List
	if h.Findings(&l); l.Worst() != finding.Warn {
		t.Errorf("doctor says %v", l)
	}
	disk.Free()
	h.startAgain()
	h.startAgain()
	sinks[0].Flows(numbered(0, 10))
	if err := h.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(t, "with room", numbers(t, c.Dir), 10)
	if s := heard.all(); strings.Count(s, "history is off") != 1 || !strings.HasSuffix(s, "history: there is room now: flows are kept") {
		t.Errorf("said %q", s)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := h.Stop(ctx); err != nil {
		t.Error(err)
	}
	h.startAgain()
	if err := h.Sync(ctx); err == nil {
		t.Error("it runs after Stop")
	}
}

// On a full disk old flows go, which makes room; lowering max_size is a way out.
func TestLimitsOnFullDisk(t *testing.T) {
	disk, h, _ := onDisk(t, 4<<20)
	for i := range 4 {
		add(t, h, 20_000*i, 20_000)
		if err := h.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	before, err := dataset.Summarize(disk.Dir + "/flows")
	if err != nil || before.Files < 4 {
		t.Fatalf("%+v, %v", before, err)
	}
	add(t, h, 80_000, 20_000)
	disk.Fill(0)
	if err := h.Flush(t.Context()); err == nil {
		t.Fatal("the files fit")
	}
	c := *h.config.Load()
	c.MaxSize = settings.Size(before.Bytes / 2)
	if err := h.Apply(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	await(t, "files", func() bool { return healthy(h) })
	after, err := dataset.Summarize(disk.Dir + "/flows")
	if err != nil || after.LogBytes != 0 || after.Flows < 20_000 {
		t.Errorf("%+v, %v", after, err)
	}
	for i, n := range numbers(t, disk.Dir+"/flows") { // the oldest have gone
		if n != 1 {
			t.Fatalf("record %d is there %d times", i, n)
		}
	}
}

// A folder that may not be written is said, and taken when it may.
func TestReadOnly(t *testing.T) {
	peer.Long(t)
	disk := peer.SmallDisk(t, 4<<20)
	disk.SetReadOnly(true)
	c := config(disk.Dir + "/flows")
	c.MaxSize = settings.MB
	h, _, heard := started(t, c, 0)
	if s := heard.all(); !strings.HasPrefix(s, "error: history: no flows are kept, because "+c.Dir+" may not be written: ") || healthy(h) {
		t.Errorf("said %q", s)
	}
	disk.SetReadOnly(false)
	add(t, h, 0, 10)
	if err := h.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(t, "once it may be written", numbers(t, c.Dir), 10)
	if !healthy(h) {
		t.Error(heard.all())
	}
}
