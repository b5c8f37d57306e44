package logfile

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowhound/flowhound/plugin/hit"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// log collects what is said on stderr.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *log) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), s)
}

func open(t *testing.T, o Options) (*File, *log) {
	t.Helper()
	said := &log{}
	o.Log, o.Host = slog.New(slog.NewTextHandler(said, nil)), "gw"
	f, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return f, said
}

func shut(t *testing.T, f *File) {
	t.Helper()
	if err := f.Close(t.Context()); err != nil {
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
		"json":   `{"v":1,"kind":"new","sev":"high","dir":"outbound","state":"established","cat":"c2","score":0,"src":"192.0.2.1","srcip":"192.0.2.1",`,
	} {
		path := filepath.Join(t.TempDir(), "a", "b", "alerts.log")
		f, _ := open(t, Options{Path: path, Format: format})
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
		if s := f.Stats(); s != (Stats{Lines: 2}) {
			t.Errorf("%s: %+v", format, s)
		}
		f.Hit(numbered(2))
		if s := f.Stats(); s.Dropped != 1 {
			t.Errorf("%s: a hit after Close is not counted: %+v", format, s)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, o := range []Options{{}, {Path: "x", Format: "xml"}} {
		if _, err := Open(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

// TestFileIsThereAtOnce: readers that start after Open see the file, and may read
// it through its group whatever the umask.
func TestFileIsThereAtOnce(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	path := filepath.Join(t.TempDir(), "alerts.log")
	f, _ := open(t, Options{Path: path})
	defer shut(t, f)
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("after Open: %v, %v", info, err)
	}
}

func TestConcurrentLinesStayWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alerts.log")
	f, _ := open(t, Options{Path: path})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := range 200 {
				f.Hit(numbered(n))
			}
		})
	}
	wg.Wait()
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
	f, _ := open(t, Options{Path: path})
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
		f, said := open(t, Options{Path: path, MaxSize: 2000, Keep: 2})

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
		if s := f.Stats(); s != (Stats{Lines: 61, Rotations: 3}) || said.count("ERROR") > 0 {
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
	f, _ := open(t, Options{Path: path, MaxSize: 1000})
	f.Hit(numbered(1))
	shut(t, f)
	if s := f.Stats(); s.Rotations != 0 {
		t.Error("rotated at once after a restart")
	}
}
