package file

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// names returns what stands in a folder.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestReplaceKeepsTheMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	for _, want := range []string{"first", "second, which is longer", "3"} {
		if err := Replace(path, []byte(want), 0o640); err != nil {
			t.Fatal(err)
		}
		if got := content(t, path); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	if err := Replace(path, []byte("again"), 0o640); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o604 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if got := names(t, filepath.Dir(path)); len(got) != 1 {
		t.Errorf("left: %q", got)
	}
}

func TestWhatFailsChangesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	if err := Replace(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.WriteString("half"); err != nil {
		t.Fatal(err)
	}
	p.Discard()
	p.Discard()

	if p, err = Create(path); err != nil {
		t.Fatal(err)
	}
	_ = p.Close() // the disk is full: fsync fails
	if err := p.Commit(); err == nil {
		t.Error("a file that cannot be synced was committed")
	}
	taken := filepath.Join(dir, "folder")
	if err := os.MkdirAll(filepath.Join(taken, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Replace(taken, []byte("x"), 0o600); err == nil {
		t.Error("a folder was replaced")
	}
	if err := Replace(filepath.Join(dir, "none", "x"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing folder: %v", err)
	}
	if got := names(t, dir); len(got) != 2 || content(t, path) != "old" {
		t.Errorf("%q, %q", got, content(t, path))
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	write := func(name string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{".state.123.tmp", ".other.55.tmp", "state", ".hidden", "notes.tmp", ".state.bak.tmp"} {
		write(name)
	}
	living, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	SweepBeside(path)
	if got := names(t, dir); len(got) != 6 { // all but .state.123.tmp
		t.Errorf("beside the file %q were left", got)
	}
	Sweep(dir)
	if got := names(t, dir); len(got) != 4 {
		t.Errorf("in the folder %q were left", got)
	}
	if err := living.Commit(); err != nil {
		t.Errorf("a file that was being written: %v", err)
	}
	Sweep(filepath.Join(dir, "none"))
}

// TestKill kills a process while it writes: the file is whole and a sweep leaves
// nothing.
func TestKill(t *testing.T) {
	if path := os.Getenv("FLOWHOUND_TEST_REPLACE"); path != "" {
		for i := byte('a'); ; i++ {
			b := make([]byte, 1<<20)
			for j := range b {
				b[j] = i
			}
			if err := Replace(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	for range 5 {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestKill$")
		cmd.Env = append(os.Environ(), "FLOWHOUND_TEST_REPLACE="+path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			if _, err := os.Stat(path); err == nil {
				break
			}
		}
		time.Sleep(13 * time.Millisecond)
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
		b := content(t, path)
		if len(b) != 1<<20 {
			t.Fatalf("%d bytes", len(b))
		}
		for i := range b {
			if b[i] != b[0] {
				t.Fatal("two contents in one file")
			}
		}
		Sweep(dir)
		if got := names(t, dir); len(got) != 1 {
			t.Errorf("left: %q", got)
		}
	}
}
