package series

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/plugin/hit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is a journal and a Store that reads it.
type lab struct {
	t   *testing.T
	dir string
	j   *journal.Journal
	s   *Store
}

func (l *lab) start(seed func(func(*hit.Hit))) {
	l.t.Helper()
	var err error
	l.j, err = journal.Open(journal.Options{Dir: filepath.Join(l.dir, "journal"), Sync: journal.SyncNever, Report: func(string, string) {}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		l.t.Fatal(err)
	}
	l.s = New(Dependencies{Journal: l.j, Path: filepath.Join(l.dir, "series"), Seed: seed, Log: slog.New(slog.DiscardHandler)})
	if err := l.s.Start(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
}

// stop ends the Store as a stop does, or as kill -9 would, without its last save.
func (l *lab) stop(save bool) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if !save {
		l.s.d.Path = filepath.Join(l.dir, "gone", "series") // nothing is saved, nothing acknowledged
	}
	if err := l.s.Stop(ctx); err != nil {
		l.t.Error(err)
	}
	var found finding.List
	if l.s.Findings(&found); len(found) == 0 == !save {
		l.t.Errorf("saved: %v, but said: %v", save, found)
	}
	if err := l.j.Close(ctx); err != nil {
		l.t.Error(err)
	}
}

func (l *lab) say(h *hit.Hit) {
	l.t.Helper()
	if _, err := l.j.Append(&journal.Record{To: []string{Cursor}, Hit: h}); err != nil {
		l.t.Fatal(err)
	}
}

// await waits until the Store has n lines.
func (l *lab) await(n int) {
	l.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		list, _ := l.s.List(Question{})
		lines := 0
		for _, x := range list {
			lines += x.Lines
		}
		if lines == n {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("%d lines, want %d", lines, n)
		}
	}
}

func line(series string, n int, sev hit.Severity, at time.Time, count uint64) *hit.Hit {
	src, dst := netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("198.51.100.7")
	kind := hit.Repeat
	if n == 1 {
		kind = hit.New
	}
	return &hit.Hit{
		Kind: kind, Severity: sev, Direction: hit.Outbound, State: hit.Established, Category: "c2", Feed: "ours", IOC: netip.PrefixFrom(dst, 32), Score: 60,
		Src: src, Dst: dst, Local: src, Remote: dst, SrcPort: 1, DstPort: 443, Proto: 6, Count: count, Bytes: 100 * count, Packets: count,
		First: at.Add(-time.Minute), Last: at, Time: at, Start: at, End: at, ID: fmt.Sprintf("%s-%d", series, n),
	}
}

func TestSeries(t *testing.T) {
	l := &lab{t: t, dir: t.TempDir()}
	now := time.Now().UTC().Truncate(time.Second)
	l.start(nil)
	_, before := l.s.List(Question{})
	l.say(line("aaa", 1, hit.High, now.Add(-3*time.Hour), 5))
	l.say(line("bbb", 1, hit.Info, now.Add(-2*time.Hour), 1000))
	l.say(line("aaa", 2, hit.Critical, now.Add(-time.Hour), 7))
	l.await(3)
	list, change := l.s.List(Question{From: now.Add(-24 * time.Hour), To: now})
	if len(list) != 2 || list[0].ID != "aaa" || list[0].Severity != hit.Critical || list[0].Count != 12 || list[0].Lines != 2 || len(list[0].Spans) != 2 {
		t.Fatalf("%+v", list)
	}
	if changed, next, _ := l.s.Changes(before, 10); len(changed) != 2 || next != change || changed[1].ID != "aaa" {
		t.Errorf("changes since %d: %+v, next %d of %d", before, changed, next, change)
	}
	if list, _ := l.s.List(Question{From: now.Add(-90 * time.Minute)}); len(list) != 1 {
		t.Errorf("of the last 90 minutes: %+v", list)
	}
	if list, _ := l.s.List(Question{Severity: hit.High}); len(list) != 1 {
		t.Errorf("high and worse: %+v", list)
	}
	if x, ok := l.s.Get("aaa-2"); !ok || x.ID != "aaa" {
		t.Errorf("by the id of a line: %+v", x)
	}
	if !list[0].Of(netip.MustParsePrefix("10.1.0.0/16")) || list[0].Of(netip.MustParsePrefix("10.2.0.0/16")) {
		t.Error("Of")
	}
	lanes := l.s.Lanes(now.Add(-24*time.Hour), now, 96)
	if lanes[0].Severity != hit.Critical || lanes[0].Total != 7 || lanes[1].Total != 5 || lanes[4].Total != 1000 {
		t.Errorf("lanes: %+v", lanes)
	}
	l.stop(true)

	// What was saved and what the journal has since are one.
	l.start(nil)
	l.await(3)
	l.say(line("ccc", 1, hit.Low, now, 3))
	l.await(4)
	l.stop(false) // killed before it saved
	l.start(nil)
	l.await(4)
	if again := l.s.Lanes(now.Add(-24*time.Hour), now.Add(time.Minute), 96); again[0].Total != 7 || again[3].Total != 3 {
		t.Errorf("lanes after the restart: %+v", again)
	}
	l.stop(true)
}

// TestDamagedTable: a table that cannot be read is kept aside; the log seeds another.
func TestDamagedTable(t *testing.T) {
	for name, content := range map[string][]byte{"empty": {}, "text": []byte("no table"), "cut": func() []byte {
		x := saved{Format: format, Seq: 3}
		b, _ := x.encode()
		return b[:len(b)-5]
	}()} {
		t.Run(name, func(t *testing.T) {
			l := &lab{t: t, dir: t.TempDir()}
			if err := os.WriteFile(filepath.Join(l.dir, "series"), content, 0o600); err != nil {
				t.Fatal(err)
			}
			l.start(func(each func(*hit.Hit)) { each(line("aaa", 1, hit.High, time.Now(), 5)) })
			l.await(1)
			if aside, err := os.ReadFile(filepath.Join(l.dir, "series.bad")); err != nil || !bytes.Equal(aside, content) {
				t.Errorf("set aside: %q, %v", aside, err)
			}
			l.stop(true)
		})
	}
}

// TestTableIsBounded: the least severe that are quiet for the longest time go.
func TestTableIsBounded(t *testing.T) {
	s := New(Dependencies{})
	now := time.Now()
	for i := range mostSeries + mostSeries/2 {
		sev := hit.Info
		if i%100 == 0 {
			sev = hit.High
		}
		s.add(line(fmt.Sprintf("s%d", i), 1, sev, now.Add(time.Duration(i)*time.Millisecond), 1))
	}
	if len(s.series) > mostSeries {
		t.Errorf("%d series", len(s.series))
	}
	high := 0
	for _, x := range s.series {
		if x.Severity == hit.High {
			high++
		}
	}
	if want := (mostSeries + mostSeries/2) / 100; high != want {
		t.Errorf("%d of %d severe series are left", high, want)
	}
	for i := range 3 * mostSpans {
		s.add(line("many", i+1, hit.Low, now, 1))
	}
	if x := s.series["many"]; len(x.Spans) != mostSpans || x.Lines != 3*mostSpans {
		t.Errorf("%d spans of %d lines", len(x.Spans), x.Lines)
	}
	s.expire(now.Add(Keep))
	if len(s.series) != 0 {
		t.Errorf("%d series are left", len(s.series))
	}
}

// TestTimes: a line that does not say when its flows were counts when it was said.
func TestTimes(t *testing.T) {
	s := New(Dependencies{})
	now := time.Now()
	h := line("aaa", 1, hit.High, now, 3)
	h.First, h.Last, h.Start, h.End = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	s.add(h)
	x, _ := s.Get("aaa")
	if !x.Began.Equal(now) || !x.Last().Equal(now) || !x.Spans[0].First.Equal(now) {
		t.Errorf("%+v", x)
	}
	if lanes := s.Lanes(now.Add(-time.Hour), now.Add(time.Minute), 4); lanes[1].Total != 3 {
		t.Errorf("%+v", lanes)
	}
}

// TestMinutes: what a line folded is spread over its time, and none is lost or made.
func TestMinutes(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		over  time.Duration
		count uint64
	}{{0, 1}, {0, 1000}, {time.Hour, 7}, {time.Hour, 61_000}, {24 * time.Hour, 5}, {59 * time.Second, 2}} {
		s := New(Dependencies{})
		s.minutes.add(hit.High, now.Add(-c.over), now, c.count)
		if got := s.Lanes(now.Add(-48*time.Hour), now.Add(time.Minute), 96)[1]; got.Total != c.count {
			t.Errorf("%d over %s: %d", c.count, c.over, got.Total)
		}
	}
	m := newMinutes()
	m.add(hit.Low, now, now.Add(-time.Hour), 3)                // ends before it begins
	m.add(hit.Low, time.Time{}, now.Add(100*24*time.Hour), 5)  // a clock that is wrong
	m.add(hit.Low, now.Add(-400*24*time.Hour), now, 400*24*60) // begins before what is kept
	m.add(hit.Low, now.Add(-500*24*time.Hour), now.Add(-400*24*time.Hour), 9)
	sum := uint64(0)
	for i := range m.count[hit.Low] {
		sum += uint64(m.count[hit.Low][i])
	}
	if sum < keptMinutes || sum > keptMinutes+10 {
		t.Errorf("%d", sum)
	}
}

func FuzzDecode(f *testing.F) {
	x := saved{Format: format, Seq: 1, Series: []Series{{ID: "a"}}, Minutes: [][3]int64{{29_000_000, 1, 3}}}
	b, err := x.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(_ *testing.T, b []byte) {
		if x, err := decode(b); err == nil {
			newMinutes().load(x.Minutes)
		}
	})
}
