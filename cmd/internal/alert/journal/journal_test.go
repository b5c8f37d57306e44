package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// open opens a journal in dir that is closed with the test, or by shut.
func open(t testing.TB, dir string, o Options) *Journal {
	t.Helper()
	o.Dir = dir
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func shut(t testing.TB, j *Journal) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := j.Close(ctx); err != nil {
		t.Error(err)
	}
}

// numbered is a record for the cursors to, with n as its hit's id.
func numbered(n int, to ...string) *Record {
	return &Record{To: to, Said: fmt.Append(nil, "said ", n), Hit: &hit.Hit{Kind: hit.New, ID: fmt.Sprint(n), Name: strings.Repeat("x", 150+n%300)}}
}

func add(t testing.TB, j *Journal, first, last int, to ...string) {
	t.Helper()
	for n := first; n <= last; n++ {
		if _, err := j.Append(numbered(n, to...)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// written waits until all that was appended is in segments: what is in memory still may
// begin one, and cost another.
func written(t testing.TB, j *Journal) {
	t.Helper()
	if err := j.Written(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// take returns the ids of what the cursor has still to give. ack acknowledges it.
func take(t testing.TB, c *Cursor, ack bool) (ids []string) {
	t.Helper()
	last := uint64(0)
	for {
		r, err := c.Next()
		if err != nil {
			t.Fatal(err)
		}
		if r == nil {
			break
		}
		switch {
		case r.Hit != nil:
			ids = append(ids, r.Hit.ID)
		case r.Status != nil:
			ids = append(ids, r.Status.Msg)
		default:
			ids = append(ids, "raw")
		}
		last = r.Seq
	}
	if ack && last > 0 {
		c.Ack(last)
	}
	return ids
}

func upTo(first, last int) (ids []string) {
	for n := first; n <= last; n++ {
		ids = append(ids, fmt.Sprint(n))
	}
	return ids
}

func wantIDs(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %d records %.80s, want %d %.80s", what, len(got), strings.Join(got, " "), len(want), strings.Join(want, " "))
	}
}

func segments(t testing.TB, dir string) (paths []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// Each consumer gets what is for it, once, in order, over a restart; what nobody
// needs any more goes.
func TestConsumers(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "journal")
	j := open(t, dir, Options{})
	log, siem := j.Cursor("log", 0), j.Cursor("siem", 1)
	add(t, j, 1, 3, "log", "siem")
	if _, err := j.Append(&Record{To: []string{"log"}, Status: &hit.Status{Part: hit.Agent, Status: "alive", Msg: "fine"}}); err != nil {
		t.Fatal(err)
	}
	add(t, j, 4, 5, "siem")
	wantIDs(t, "log", take(t, log, true), []string{"1", "2", "3", "fine"})
	if r, err := siem.Next(); err != nil || r.Hit.ID != "1" {
		t.Errorf("%+v, %v", r, err)
	}
	siem.Ack(1)
	wantIDs(t, "siem", take(t, siem, false), upTo(2, 5))
	if n, bytes, lost := j.Waiting("siem"); n != 4 || bytes == 0 || lost != (Lost{}) {
		t.Errorf("%d in hand, %d bytes, %+v", n, bytes, lost)
	}
	siem.Close()
	siem = j.Cursor("siem", 0)
	wantIDs(t, "siem, which had not acknowledged", take(t, siem, false), upTo(2, 5))
	shut(t, j)

	j = open(t, dir, Options{})
	if n, _, _ := j.Waiting("siem"); n != 4 {
		t.Errorf("after a restart %d wait", n)
	}
	log, siem = j.Cursor("log", 0), j.Cursor("siem", 1)
	other := j.Cursor("other", 0)
	add(t, j, 6, 4000, "siem", "log", "other")
	wantIDs(t, "siem, after a restart", take(t, siem, true), upTo(2, 4000))
	wantIDs(t, "log, after a restart", take(t, log, true), upTo(6, 4000))
	written(t, j)
	if n := len(segments(t, dir)); n < 5 {
		t.Errorf("%d segments", n)
	}
	j.Keep(j.Next())
	wantIDs(t, "a new one", take(t, other, true), upTo(6, 4000))
	if n := len(segments(t, dir)); n != 1 {
		t.Errorf("%d segments are left", n)
	}
	if s := j.Stats(); s.Damaged+s.Evicted+s.Errors != 0 || s.Write+j.unsyncable.Text() != "" {
		t.Errorf("%+v", s)
	}
	shut(t, j)
}

// What waits for an output that does not run any more stays, up to its limit, and
// costs the others nothing.
func TestLimit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir, Options{})
	log := j.Cursor("log", 0)
	j.Cursor("slow", 16*minSegment)
	j.Keep(1 << 60)
	const n = 20_000 // some 10 MB
	for first := 1; first <= n; first += 1000 {
		add(t, j, first, first+999, "log", "slow")
		take(t, log, true)
	}
	written(t, j)
	waiting, bytes, lost := j.Waiting("slow")
	if lost.Full == 0 || uint64(waiting)+lost.Full != n || bytes > 16*minSegment+maxWrite || lost.Sum() != lost.Full {
		t.Errorf("%d wait in %d bytes, %+v", waiting, bytes, lost)
	}
	shut(t, j)
	j = open(t, dir, Options{})
	if again, _, _ := j.Waiting("slow"); again != waiting {
		t.Errorf("%d wait after a restart, %d before", again, waiting)
	}
	slow := j.Cursor("slow", 16*minSegment)
	wantIDs(t, "the youngest", take(t, slow, true), upTo(int(lost.Full)+1, n))
	if _, _, lost := j.Waiting("slow"); lost.Sum() != 0 {
		t.Errorf("after a restart %+v", lost)
	}
	shut(t, j)
}

// Whatever byte flips, in whatever file: each record is given, or counted as lost.
func TestFlips(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "journal")
	o := Options{Sync: SyncNever}
	j := open(t, dir, o)
	c := j.Cursor("siem", 0)
	add(t, j, 1, 5, "siem")
	take(t, c, true)
	add(t, j, 6, 10, "siem")
	shut(t, j)
	kept := filepath.Join(t.TempDir(), "kept")
	if err := os.CopyFS(kept, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	flips := 0
	for _, path := range append(segments(t, kept), filepath.Join(kept, "siem"+cursorSuffix)) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		step := 3
		if testing.Short() {
			step = 17
		}
		for at := 0; at < len(b); at += step {
			if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(kept))); err != nil {
				t.Fatal(err)
			}
			bad := slices.Clone(b)
			bad[at] ^= 1 << (at % 8)
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), bad, 0o600); err != nil {
				t.Fatal(err)
			}
			j := open(t, dir, o)
			c := j.Cursor("siem", 0)
			add(t, j, 11, 11, "siem")
			written(t, j) // in another segment: then what lacks in the first one is counted
			got := take(t, c, true)
			_, _, lost := j.Waiting("siem")
			for n := 6; n <= 11; n++ {
				if !slices.Contains(got, fmt.Sprint(n)) {
					lost.Damaged--
				}
			}
			if int64(lost.Damaged) < 0 || lost.Damaged > 1 || len(got) < 5 {
				t.Fatalf("%s, byte %d: %d are lost and not counted, got %q; %+v", filepath.Base(path), at, -int64(lost.Damaged), got, j.Stats())
			}
			shut(t, j)
			flips++
		}
	}
	t.Logf("%d flips", flips)
}

// Wherever a kill tears the last record: it was never accepted, and all others are
// there.
func TestTorn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir, Options{})
	j.Cursor("siem", 0)
	add(t, j, 1, 2, "siem")
	written(t, j)
	info, err := os.Stat(segments(t, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	two := info.Size()
	add(t, j, 3, 3, "siem")
	shut(t, j)
	path := segments(t, dir)[0]
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cursor, err := os.ReadFile(filepath.Join(dir, "siem"+cursorSuffix))
	if err != nil {
		t.Fatal(err)
	}
	for at := two; at < int64(len(b)); at++ {
		if err := errors.Join(os.WriteFile(path, b[:at], 0o600), os.WriteFile(filepath.Join(dir, "siem"+cursorSuffix), cursor, 0o600)); err != nil {
			t.Fatal(err)
		}
		j := open(t, dir, Options{})
		c := j.Cursor("siem", 0)
		add(t, j, 4, 4, "siem")
		wantIDs(t, fmt.Sprintf("cut at %d", at), take(t, c, false), []string{"1", "2", "4"})
		if s := j.Stats(); s.Damaged != 0 || len(segments(t, dir)) != 1 {
			t.Fatalf("cut at %d: %+v", at, s)
		}
		shut(t, j)
	}
}

// While the disk is full, all is given from memory and what memory cannot hold is
// counted; when there is room again all that is left is written.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := t.TempDir()
	if err := syscall.Mount("flowhound-test", dir, "tmpfs", 0, "size=1M"); err != nil {
		t.Skipf("SKIPPED: a small file system of its own needs root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 900<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	var said []string
	j := open(t, filepath.Join(dir, "journal"), Options{Report: func(status, msg string) { said = append(said, status+" "+msg) }})
	healthy := j.Cursor("healthy", 0)
	j.Cursor("down", 0)
	const n = 60_000 // some 26 MB
	var got []string
	for first := 1; first <= n; first += 1000 {
		add(t, j, first, first+999, "healthy", "down")
		got = append(got, take(t, healthy, true)...)
	}
	wantIDs(t, "a healthy consumer", got, upTo(1, n))
	s := j.Stats()
	waiting, _, lost := j.Waiting("down")
	if lost.Memory == 0 || lost.Memory != s.Evicted || uint64(waiting)+lost.Memory != n || s.Write == "" || s.Waiting > maxMemory || s.Memory == 0 {
		t.Errorf("%d wait, %+v, %+v", waiting, lost, s)
	}
	if len(said) != 1 || !strings.HasPrefix(said[0], "error data_dir cannot be written: ") || !strings.Contains(said[0], "no space left on device") {
		t.Errorf("said %q", said)
	}
	if err := errors.Join(os.Remove(ballast), syscall.Mount("", dir, "", syscall.MS_REMOUNT, "size=64M")); err != nil {
		t.Fatal(err)
	}
	if j.Flush(t.Context()) == nil {
		t.Log("it has been written already")
	}
	for end := time.Now().Add(time.Minute); j.Stats().Write != "" && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
	}
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	shut(t, j)
	if len(said) != 2 || !strings.HasPrefix(said[1], "alive data_dir can be written again") {
		t.Errorf("said %q", said)
	}
	j = open(t, filepath.Join(dir, "journal"), Options{})
	down := j.Cursor("down", 0)
	again := take(t, down, true)
	// What was given up while it was being written may be there all the same.
	if len(again) < waiting || len(again) > waiting+maxWrite/16/400 || again[len(again)-1] != fmt.Sprint(n) {
		t.Errorf("%d are there after a restart, %d waited", len(again), waiting)
	}
	shut(t, j)
}

// A disk that is full of the journal alone makes room when all is delivered.
func TestDiskFullOfJournal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("flowhound-test", dir, "tmpfs", 0, "size=128k"); err != nil {
		t.Skipf("SKIPPED: a small file system of its own needs root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	j := open(t, filepath.Join(dir, "journal"), Options{})
	c := j.Cursor("siem", 0)
	add(t, j, 1, 1000, "siem")
	for end := time.Now().Add(time.Minute); j.Stats().Write == "" && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	j.Keep(1 << 60)
	wantIDs(t, "while it is full", take(t, c, true), upTo(1, 1000))
	add(t, j, 1001, 1010, "siem")
	for end := time.Now().Add(time.Minute); j.Stats().Write != "" && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
	}
	if err := j.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	wantIDs(t, "then", take(t, c, true), upTo(1001, 1010))
	shut(t, j)
}

// A disk that does not answer holds nobody up for longer than lateAfter, and what it
// takes in the end is not told twice.
func TestStuckDisk(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir(), Options{Sync: SyncNever})
	c := j.Cursor("log", 0)
	add(t, j, 1, 1, "log")
	wantIDs(t, "before", take(t, c, true), upTo(1, 1))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var filled int
	for buf := make([]byte, 4096); err == nil; { // to the last byte, without a wait
		if err = w.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)); err == nil {
			var n int
			n, err = w.Write(buf)
			filled += n
		}
	}
	if err := w.SetWriteDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	disk := j.active // the writer waits for records
	j.active = w
	began := time.Now()
	add(t, j, 2, 100, "log")
	if took := time.Since(began); took < lateAfter || took > time.Minute || !j.Stats().Late {
		t.Errorf("waited %s, %+v", took, j.Stats())
	}
	wantIDs(t, "from memory", take(t, c, true), upTo(2, 100))
	if _, err := r.Read(make([]byte, filled)); err != nil { // it answers again
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	if err := j.Written(t.Context()); err != nil {
		t.Error(err)
	}
	for end := time.Now().Add(time.Minute); j.Stats().Late && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	if s := j.Stats(); s.Late || s.Memory == 0 || s.Write != "" {
		t.Errorf("when it answers again: %+v", s)
	}
	j.active = disk
	_ = w.Close()
	add(t, j, 101, 101, "log")
	wantIDs(t, "after", take(t, c, true), upTo(101, 101))
	shut(t, j)
}

// A segment that cannot be read is tried a few times and then given up: what is behind
// it comes, and what is lost is counted.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := Options{Sync: SyncNever}
	j := open(t, dir, o)
	j.Cursor("siem", 1)
	for first := 1; first <= 3000; first += 500 {
		add(t, j, first, first+499, "siem")
	}
	shut(t, j)
	all := segments(t, dir)
	if len(all) < 3 {
		t.Fatalf("%d segments", len(all))
	}
	j = open(t, dir, o)
	// What was a file can be opened, and every read of it is an error.
	if err := errors.Join(os.Remove(all[1]), os.Mkdir(all[1], 0o700)); err != nil {
		t.Fatal(err)
	}
	add(t, j, 3001, 3001, "siem")
	c := j.Cursor("siem", 1)
	var got []string
	failed := 0
	for len(got) == 0 || got[len(got)-1] != "3001" {
		r, err := c.Next()
		switch {
		case err != nil:
			if failed++; failed > readTries {
				t.Fatal(err)
			}
		case r == nil:
			t.Fatalf("%d came, then nothing", len(got))
		default:
			got = append(got, r.Hit.ID)
			c.Ack(r.Seq)
		}
	}
	_, _, lost := j.Waiting("siem")
	if failed != readTries-1 || lost.Damaged == 0 || len(got)+int(lost.Damaged) != 3001 {
		t.Errorf("%d errors, %d came, %+v", failed, len(got), lost)
	}
	shut(t, j)
}

// A segment that cannot be opened does not keep the journal from starting.
func TestSegmentGone(t *testing.T) {
	t.Parallel()
	for at := range 3 {
		dir := t.TempDir()
		o := Options{Sync: SyncNever}
		j := open(t, dir, o)
		j.Cursor("siem", 1)
		for first := 1; first <= 2000; first += 500 {
			add(t, j, first, first+499, "siem")
		}
		shut(t, j)
		all := segments(t, dir)
		if len(all) != 3 {
			t.Fatalf("%d segments", len(all))
		}
		if err := errors.Join(os.Remove(all[at]), os.Symlink("nowhere", all[at])); err != nil {
			t.Fatal(err)
		}
		j = open(t, dir, o)
		add(t, j, 2001, 2001, "siem")
		got := take(t, j.Cursor("siem", 1), true)
		_, _, lost := j.Waiting("siem")
		if s := j.Stats(); len(s.Damage) != 2 || lost.Damaged == 0 || at < 2 && len(got)+int(lost.Damaged) != 2001 || got[len(got)-1] != "2001" {
			t.Errorf("segment %d: %d came, %+v, %q", at, len(got), lost, s.Damage)
		}
		shut(t, j)
	}
}

// SyncAlways: nobody is told before it is on the disk, and all are told.
func TestSyncAlways(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir(), Options{Sync: SyncAlways})
	c := j.Cursor("log", 0)
	for n := 1; n <= 20; n++ {
		if _, err := j.Append(numbered(n, "log")); err != nil {
			t.Fatal(err)
		}
		<-c.Wait()
		j.mu.Lock()
		if j.visible > j.written && !j.stats.Late { // so it is where a sync takes seconds
			t.Error("told before it was written")
		}
		j.mu.Unlock()
		wantIDs(t, "each", take(t, c, true), upTo(n, n))
	}
	j.SetSync(SyncNever)
	add(t, j, 21, 21, "log")
	wantIDs(t, "never", take(t, c, true), upTo(21, 21))
	shut(t, j)
}

// Replay gives what the fold table has said since its snapshot, and nothing that
// Keep has given up is held for it.
func TestReplay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir, Options{})
	log := j.Cursor("log", 1)
	add(t, j, 1, 3000, "log")
	take(t, log, true)
	written(t, j)
	if len(segments(t, dir)) < 3 {
		t.Error("what Replay needs is gone")
	}
	shut(t, j)
	j = open(t, dir, Options{})
	var said []string
	if err := j.Replay(2990, func(r *Record) { said = append(said, string(r.Said)) }); err != nil {
		t.Fatal(err)
	}
	if len(said) != 11 || said[0] != "said 2990" || said[10] != "said 3000" {
		t.Errorf("%q", said)
	}
	j.Keep(2990)
	if n := len(segments(t, dir)); n != 1 {
		t.Errorf("%d segments are kept", n)
	}
	shut(t, j)
}

// A power failure can take the end of the journal though a consumer has had it: the
// numbers go on behind that, and the others count what they miss.
func TestPowerFailure(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir, Options{})
	fast := j.Cursor("fast", 0)
	j.Cursor("slow", 0)
	add(t, j, 1, 20, "fast", "slow")
	take(t, fast, true)
	shut(t, j)
	path := segments(t, dir)[0]
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b[:len(b)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir, Options{})
	if j.Next() != 21 {
		t.Errorf("the next record is %d", j.Next())
	}
	add(t, j, 21, 21, "fast", "slow")
	wantIDs(t, "fast", take(t, j.Cursor("fast", 0), true), upTo(21, 21))
	got := take(t, j.Cursor("slow", 0), true)
	if _, _, lost := j.Waiting("slow"); len(got)+int(lost.Damaged) != 21 || len(got) < 5 || lost.Damaged < 5 {
		t.Errorf("slow got %d and lost %+v", len(got), lost)
	}
	shut(t, j)
}

// A cursor that cannot be read starts at the oldest record, and it is said.
func TestCursorGone(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(path string) error{
		"removed":   os.Remove,
		"emptied":   func(path string) error { return os.Truncate(path, 0) },
		"other":     func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("x", 48)), 0o600) },
		"directory": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		dir := t.TempDir()
		j := open(t, dir, Options{})
		c := j.Cursor("siem", 0)
		add(t, j, 1, 10, "siem")
		take(t, c, true)
		add(t, j, 11, 12, "siem")
		shut(t, j)
		if err := harm(filepath.Join(dir, "siem"+cursorSuffix)); err != nil {
			t.Fatal(err)
		}
		j = open(t, dir, Options{})
		if s := j.Stats(); len(s.Damage) != 1 && name != "removed" {
			t.Errorf("%s: %+v", name, s)
		}
		c = j.Cursor("siem", 0)
		wantIDs(t, name, take(t, c, true), upTo(1, 12))
		shut(t, j)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, s := range []Sync{SyncNever, SyncSecond, SyncAlways} {
		b.Run(string(s), func(b *testing.B) {
			j := open(b, b.TempDir(), Options{Sync: s})
			c := j.Cursor("log", 0)
			j.Keep(1 << 60)
			r := numbered(299, "log")
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				copied := *r
				if _, err := j.Append(&copied); err != nil {
					b.Fatal(err)
				}
				if n++; n%1000 == 0 {
					for waiting, _, _ := j.Waiting("log"); waiting > 0; waiting, _, _ = j.Waiting("log") {
						<-c.Wait()
						take(b, c, true)
					}
				}
			}
			take(b, c, true)
			if _, _, lost := j.Waiting("log"); lost.Sum() > 0 {
				b.Errorf("%+v", lost)
			}
			shut(b, j)
		})
	}
}

func TestMain(m *testing.M) {
	if dir := os.Getenv("JOURNAL_CHILD"); dir != "" {
		child(dir)
		return
	}
	goleak.VerifyTestMain(m)
}
