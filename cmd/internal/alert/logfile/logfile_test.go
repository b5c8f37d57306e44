package logfile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// log collects what is said on stderr.
type log struct{ peer.Log }

func (l *log) count(s string) int { return strings.Count(l.String(), s) }

// bench is a log, the journal that it reads, and what was said.
type bench struct {
	*File
	t    *testing.T
	dir  string // of the journal
	j    *journal.Journal
	said *log
}

// open starts a log with a journal of its own, or goes on with that of dir.
func open(t *testing.T, c Config, dir ...string) *bench {
	t.Helper()
	x := &bench{t: t, said: &log{}}
	if x.dir = t.TempDir(); len(dir) > 0 {
		x.dir = dir[0]
	}
	var err error
	if x.j, err = journal.Open(journal.Options{Dir: x.dir}); err != nil {
		t.Fatal(err)
	}
	c.Hostname = "gw"
	if x.File, err = New(c, Dependencies{Journal: x.j, Log: slog.New(slog.NewTextHandler(x.said, nil))}); err != nil {
		t.Fatal(err)
	}
	if err := x.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return x
}

func (x *bench) append(r *journal.Record) {
	x.t.Helper()
	r.To = []string{Cursor}
	if _, err := x.j.Append(r); err != nil {
		x.t.Error(err)
	}
}

func (x *bench) Hit(h *hit.Hit)       { x.append(&journal.Record{Hit: h}) }
func (x *bench) Status(s *hit.Status) { x.append(&journal.Record{Status: s}) }

// shut ends the log and the journal.
func (x *bench) shut() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return errors.Join(x.j.Settle(ctx), x.Stop(ctx), x.j.Close(ctx))
}

func shut(t *testing.T, x *bench) {
	t.Helper()
	if err := x.shut(); err != nil {
		t.Error(err)
	}
}

func numbered(n int) *hit.Hit {
	return &hit.Hit{
		Kind: hit.New, Severity: hit.High, Direction: hit.Outbound, State: hit.Established, Category: "c2",
		Src: netip.MustParseAddr("192.0.2.1"), SrcPort: n, Dst: netip.MustParseAddr("198.51.100.7"), DstPort: 443, Proto: 6,
		Count: 1, Time: time.Date(2026, 6, 7, 10, 38, 20, 0, time.UTC), ID: fmt.Sprintf("s-%d", n),
	}
}

// ids returns the ids of the whole lines of hits in the files, in order.
func ids(t *testing.T, files ...string) []string {
	t.Helper()
	var all []string
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.SplitAfter(string(b), "\n") {
			if _, id, ok := strings.Cut(line, " id="); ok && strings.Contains(line, "]: hit kind=") && strings.HasSuffix(line, "name=\"-\"\n") {
				id, _, _ = strings.Cut(id, " ")
				all = append(all, id)
			}
		}
	}
	return all
}

func series(from, to int) string {
	var all []string
	for n := from; n <= to; n++ {
		all = append(all, fmt.Sprintf("s-%d", n))
	}
	return fmt.Sprint(all)
}

func TestFormats(t *testing.T) {
	at := numbered(0).Time
	for format, want := range map[string]string{
		"syslog": at.Local().Format(time.Stamp) + fmt.Sprintf(" gw flowhound[%d]: hit kind=new sev=high dir=outbound state=established cat=c2 ", os.Getpid()),
		"json":   `{"v":1,"kind":"new","sev":"high","dir":"outbound","state":"established","cat":"c2","score":0,"src":"192.0.2.1","sport":1,`,
	} {
		path := filepath.Join(t.TempDir(), "a", "b", "alerts.log")
		f := open(t, Config{Path: path, Format: format})
		f.Hit(numbered(1))
		f.Status(&hit.Status{Part: hit.Agent, Status: "stopped"})
		shut(t, f)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(string(b), "\n")
		if len(lines) != 3 || !strings.HasPrefix(lines[0], want) || !strings.Contains(lines[1], "stopped") {
			t.Errorf("%s: %q", format, lines)
		}
		if s := f.Stats(); s.Lines != 2 || s.Errors+s.Lost != 0 {
			t.Errorf("%s: %+v", format, s)
		}
	}
}

func TestRefuses(t *testing.T) {
	for _, o := range []Config{{}, {Path: "x", Format: "xml"}} {
		if _, err := New(o, Dependencies{}); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

// TestFileIsThereAtOnce: readers that start after Open see the file, and may read
// it through its group whatever the umask.
func TestFileIsThereAtOnce(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	path := filepath.Join(t.TempDir(), "alerts.log")
	f := open(t, Config{Path: path})
	defer shut(t, f)
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("after Open: %v, %v", info, err)
	}
}

func TestLinesStayWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alerts.log")
	f := open(t, Config{Path: path})
	for n := range 1600 {
		f.Hit(numbered(n))
	}
	shut(t, f)
	if n := len(ids(t, path)); n != 1600 {
		t.Errorf("%d whole lines of 1600", n)
	}
}

func TestTornLineIsEnded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alerts.log")
	if err := os.WriteFile(path, []byte("half a li"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := open(t, Config{Path: path})
	f.Hit(numbered(1))
	f.Hit(numbered(2))
	shut(t, f)
	b, _ := os.ReadFile(path)
	if !strings.HasPrefix(string(b), "half a li\n") || strings.Contains(string(b), "\n\n") || fmt.Sprint(ids(t, path)) != series(1, 2) {
		t.Errorf("%q", b)
	}
}

// TestRotation: the file is renamed, not copied; mode and owners stay; no line is
// lost; it happens at most once in five minutes; the oldest files go.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "alerts.log")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o664); err != nil {
			t.Fatal(err)
		}
		if os.Geteuid() == 0 {
			if err := os.Chown(path, 12345, 12346); err != nil {
				t.Fatal(err)
			}
		}
		before, _ := os.Stat(path)
		f := open(t, Config{Path: path, MaxSize: 2000, Keep: 2})

		for n := range 40 { // many times the size, within five minutes
			f.Hit(numbered(n))
			synctest.Wait()
		}
		if s := f.Stats(); s.Rotations != 1 {
			t.Errorf("%d rotations within five minutes", s.Rotations)
		}
		moved, _ := os.Stat(path + ".1")
		after, err := os.Stat(path)
		if err != nil || !os.SameFile(before, moved) || after.Mode() != before.Mode() {
			t.Errorf("before %v, moved %v, after %v, %v", before, moved, after, err)
		}
		if b, a := before.Sys().(*syscall.Stat_t), after.Sys().(*syscall.Stat_t); b.Uid != a.Uid || b.Gid != a.Gid {
			t.Errorf("owner %d:%d became %d:%d", b.Uid, b.Gid, a.Uid, a.Gid)
		}
		if got := fmt.Sprint(ids(t, path+".1", path)); got != series(0, 39) {
			t.Errorf("after one rotation: %s", got)
		}

		time.Sleep(minRotation)
		f.Hit(numbered(40))
		synctest.Wait()
		if got := fmt.Sprint(ids(t, path+".2", path+".1", path)); got != series(0, 40) {
			t.Errorf("after two rotations: %s", got)
		}
		for n := 41; n < 60; n++ {
			f.Hit(numbered(n))
		}
		time.Sleep(minRotation)
		f.Hit(numbered(60))
		shut(t, f)
		if names, _ := filepath.Glob(path + "*"); len(names) != 3 {
			t.Errorf("files after three rotations, of which two are kept: %q", names)
		}
		if s := f.Stats(); s.Lines != 61 || s.Rotations != 3 || s.Errors+s.Lost != 0 || f.said.count("ERROR") > 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestRotatedRecentlyBeforeRestart: a restart does not forget that OSSEC may not
// have looked yet.
func TestRotatedRecentlyBeforeRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alerts.log")
	for _, name := range []string{path, path + ".1"} {
		if err := os.WriteFile(name, []byte(strings.Repeat("x\n", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := open(t, Config{Path: path, MaxSize: 1000})
	f.Hit(numbered(1))
	shut(t, f)
	if s := f.Stats(); s.Rotations != 0 {
		t.Error("rotated at once after a restart")
	}
}

// What a kill left behind the cursor is written after the next start, once, in order,
// whatever of it stands in the file or in the rotated one; what is lost is said.
func TestKilled(t *testing.T) {
	for _, format := range []string{Syslog, JSON} {
		dir, journalDir := t.TempDir(), t.TempDir()
		path := filepath.Join(dir, "alerts.log")
		f := open(t, Config{Path: path, Format: format}, journalDir)
		for n := range 10 {
			f.Hit(numbered(n))
			f.Status(&hit.Status{Part: hit.Agent, Status: "alive", Msg: fmt.Sprint(n), Time: time.Now()})
		}
		shut(t, f)
		all, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(string(all), "\n")[:20]
		for _, x := range []struct {
			rotated, file int // lines that stand there
			torn          bool
		}{{0, 0, false}, {0, 7, false}, {5, 9, false}, {20, 20, false}, {0, 19, true}} {
			again := t.TempDir()
			if err := os.CopyFS(again, os.DirFS(journalDir)); err != nil {
				t.Fatal(err)
			}
			// The segment is read again from its beginning: as if nothing were acknowledged.
			if err := os.Remove(filepath.Join(again, "log.cursor")); err != nil {
				t.Fatal(err)
			}
			there := strings.Join(lines[x.rotated:x.file], "")
			if x.torn {
				there += lines[x.file][:20]
			}
			path := filepath.Join(t.TempDir(), "alerts.log")
			if err := errors.Join(os.WriteFile(path+".1", []byte(strings.Join(lines[:x.rotated], "")), 0o600), os.WriteFile(path, []byte(there), 0o600)); err != nil {
				t.Fatal(err)
			}
			f := open(t, Config{Path: path, Format: format}, again)
			if late := f.CaughtUp(t.Context()); int(late) != 20-x.file {
				t.Errorf("%s, %+v: %d lines are late", format, x, late)
			}
			shut(t, f)
			before, _ := os.ReadFile(path + ".1")
			now, err := os.ReadFile(path)
			want := string(all)
			if x.torn {
				want = strings.Join(lines[:x.file], "") + lines[x.file][:20] + "\n" + strings.Join(lines[x.file:], "")
			}
			if got := string(before) + string(now); err != nil || got != want {
				t.Errorf("%s, %+v: %.3000s\nwant\n%.3000s", format, x, got, want)
			}
		}
	}
}

// What is damaged in the journal is counted and said in the log.
func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(t.TempDir(), "alerts.log")
	if err := os.Mkdir(path, 0o700); err != nil { // nothing can be written there
		t.Fatal(err)
	}
	f := open(t, Config{Path: path}, dir)
	for n := range 10 {
		f.Hit(numbered(n))
	}
	if err := f.shut(); err == nil || !strings.Contains(err.Error(), "10 lines could not be written; they are written after the next start") {
		t.Errorf("%v", err)
	}
	segments, _ := filepath.Glob(filepath.Join(dir, "*.segment"))
	b, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := errors.Join(os.WriteFile(segments[0], b, 0o600), os.Remove(path)); err != nil {
		t.Fatal(err)
	}
	f = open(t, Config{Path: path}, dir)
	f.CaughtUp(t.Context())
	f.Hit(numbered(10))
	shut(t, f)
	if b, err = os.ReadFile(path); err != nil || len(ids(t, path)) != 10 || strings.Count(string(b), `agent status=dropping version=- msg="1 lines lost before this one: the journal in data_dir was damaged"`) != 1 {
		t.Errorf("%s, %v", b, err)
	}
}
