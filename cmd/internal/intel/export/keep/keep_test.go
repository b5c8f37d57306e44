package keep

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/hit"
)

// bench is a Keeper, the set that it keeps, and what it said.
type bench struct {
	*Keeper
	set  atomic.Pointer[intel.Set]
	mu   sync.Mutex
	said []string
}

func newBench(t *testing.T, files ...File) *bench {
	t.Helper()
	b := &bench{}
	b.list("198.51.100.7/32")
	b.Keeper = New(files, Dependencies{Set: b.set.Load, Log: slog.New(slog.DiscardHandler), Report: func(s *hit.Status) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.said = append(b.said, s.Status+" "+s.Msg)
	}})
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// list puts another set in place of the last, and says so.
func (b *bench) list(prefixes ...string) {
	builder := intel.NewBuilder("ours")
	for _, p := range prefixes {
		builder.Add(&intel.Indicator{Prefix: netip.MustParsePrefix(p), Category: intel.C2, Score: 90})
	}
	b.set.Store(intel.NewSet(builder.Block()))
	if b.Keeper != nil {
		b.Changed()
	}
}

func (b *bench) says() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.said, "\n")
}

func (b *bench) problems() string {
	var l finding.List
	b.Findings(&l)
	var texts []string
	for _, f := range l {
		texts = append(texts, f.What)
	}
	return strings.Join(texts, "\n")
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	if b, err := os.ReadFile(path); err != nil || string(b) != want {
		t.Errorf("%s has %q, want %q; %v", filepath.Base(path), b, want, err)
	}
}

func plain(path string) File { return File{Format: "plain", Path: path, Every: time.Minute} }

// A file follows the set, not more often than every, and is as before where nothing
// changed.
func TestFileFollowsTheSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "list.txt")
		b := newBench(t, plain(path))
		defer b.Stop(t.Context())
		synctest.Wait()
		wantFile(t, path, "198.51.100.7\n")
		b.list("198.51.100.7/32", "203.0.113.0/24")
		synctest.Wait()
		wantFile(t, path, "198.51.100.7\n") // a minute has not passed
		time.Sleep(time.Minute)
		synctest.Wait()
		wantFile(t, path, "198.51.100.7\n203.0.113.0/24\n")
		if s := b.states()[0]; s.stats.Written != 2 || s.failures != 0 || b.problems() != "" {
			t.Errorf("%+v, %s", s, b.problems())
		}
		if text := b.says(); strings.Contains(text, "error") {
			t.Error(text)
		}
	})
}

// What cannot be written is a problem, said once, and tried until it can.
func TestFileCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "later", "list.txt")
		b := newBench(t, plain(path))
		defer b.Stop(t.Context())
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		if s := b.states()[0]; s.failures < 3 || !strings.Contains(b.problems(), "no such file") {
			t.Errorf("%+v, %q", s, b.problems())
		}
		if n := strings.Count(b.says(), "error "); n != 1 {
			t.Errorf("said %d times:\n%s", n, b.says())
		}
		if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		wantFile(t, path, "198.51.100.7\n")
		if b.problems() != "" || !strings.Contains(b.says(), "ok ") {
			t.Errorf("%q\n%s", b.problems(), b.says())
		}
	})
}

// Of other settings, files that stay go on, those that go are left as they are, and
// new ones are written.
func TestApply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		stays, goes, comes := plain(filepath.Join(dir, "stays")), plain(filepath.Join(dir, "goes")), plain(filepath.Join(dir, "comes"))
		b := newBench(t, stays, goes)
		defer b.Stop(t.Context())
		synctest.Wait()
		keeper := b.keepers[0]
		if err := b.Apply(t.Context(), Config{comes, stays}); err != nil {
			t.Fatal(err)
		}
		b.list("203.0.113.9/32")
		time.Sleep(time.Minute)
		synctest.Wait()
		wantFile(t, stays.Path, "203.0.113.9\n")
		wantFile(t, goes.Path, "198.51.100.7\n")
		wantFile(t, comes.Path, "203.0.113.9\n")
		if b.keepers[1] != keeper || b.states()[0].path != comes.Path {
			t.Errorf("%+v", b.states())
		}
		if err := b.Stop(t.Context()); err != nil || len(b.states()) != 0 {
			t.Errorf("%v, %+v", err, b.states())
		}
	})
}

// The reload command runs without a shell after a change, its error is a problem that
// does not name its arguments, and one that hangs is killed.
func TestReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := plain(filepath.Join(dir, "list.txt"))
	file.Every, file.Timeout = time.Millisecond, time.Minute
	file.Reload = []string{"sh", "-c", "echo told >>$0", filepath.Join(dir, "told; rm x")}
	b := newBench(t, file)
	defer b.Stop(t.Context())
	within(t, "the first", func() bool { return lines(t, file.Reload[3]) == 1 })
	b.list("203.0.113.9/32")
	within(t, "the second", func() bool { return lines(t, file.Reload[3]) == 2 })

	file.Reload = []string{"sh", "-c", "echo 'no such zone'; exit 3", "hunter2"}
	if err := b.Apply(t.Context(), Config{file}); err != nil {
		t.Fatal(err)
	}
	within(t, "a failure", func() bool { return strings.Contains(b.problems(), "sh: exit status 3: no such zone") })
	if strings.Contains(b.problems()+b.says(), "hunter2") {
		t.Errorf("an argument is told: %s", b.problems())
	}
	file.Reload, file.Timeout = []string{"sleep", "1000"}, 10*time.Millisecond
	if err := b.Apply(t.Context(), Config{file}); err != nil {
		t.Fatal(err)
	}
	within(t, "a kill", func() bool { return strings.Contains(b.problems(), "sleep: killed because it took longer than 10ms") })
}

func lines(t *testing.T, path string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Count(string(b), "\n")
}

func within(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
