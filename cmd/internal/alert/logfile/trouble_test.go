package logfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowhound/flowhound/plugin/hit"
)

// TestOthersMoveThings: what a second log rotation, or a person, does to the file
// or its folder between two lines.
func TestOthersMoveThings(t *testing.T) {
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]func(t *testing.T, path string) (old string){
		"removed": func(t *testing.T, path string) string { must(t, os.Remove(path)); return "" },
		"renamed": func(t *testing.T, path string) string { must(t, os.Rename(path, path+"-old")); return path + "-old" },
		"renamed and made anew": func(t *testing.T, path string) string {
			must(t, os.Rename(path, path+"-old"))
			must(t, os.WriteFile(path, nil, 0o600))
			return path + "-old"
		},
		"truncated":      func(t *testing.T, path string) string { must(t, os.Truncate(path, 0)); return "" },
		"folder removed": func(t *testing.T, path string) string { must(t, os.RemoveAll(filepath.Dir(path))); return "" },
	}
	for name, harm := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "log", "alerts.log")
				f := open(t, Config{Path: path})
				f.Hit(numbered(1))
				synctest.Wait()
				old := harm(t, path)
				f.Hit(numbered(2))
				shut(t, f)
				if got := fmt.Sprint(ids(t, path)); got != series(2, 2) {
					t.Errorf("in the new file: %s", got)
				}
				if old != "" && fmt.Sprint(ids(t, old)) != series(1, 1) {
					t.Errorf("in the old file: %s", ids(t, old))
				}
				if s := f.Stats(); s.Lines != 2 || s.Errors+s.Lost != 0 || f.said.count("ERROR") != 0 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// TestIdleFileComesBack: a reader that starts while nothing happens finds the
// file, though someone removed it.
func TestIdleFileComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "alerts.log")
		f := open(t, Config{Path: path})
		defer shut(t, f)
		synctest.Wait()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lookEvery + time.Second)
		synctest.Wait()
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	})
}

// TestUnwritablePlace: nothing blocks, one message says it, and once it is fixed every
// line is there.
func TestUnwritablePlace(t *testing.T) {
	places := map[string]struct{ spoil, fix func(path string) error }{
		"folder in its place": {
			func(path string) error { return os.Mkdir(path, 0o755) },
			os.Remove,
		},
		"pipe in its place": {
			func(path string) error { return syscall.Mkfifo(path, 0o600) },
			os.Remove,
		},
		"file for a folder": {
			func(path string) error { return os.WriteFile(filepath.Dir(path), nil, 0o600) },
			func(path string) error { return os.Remove(filepath.Dir(path)) },
		},
	}
	for name, place := range places {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "alerts.log")
				if name == "file for a folder" {
					path = filepath.Join(filepath.Dir(path), "log", "alerts.log")
				}
				if err := place.spoil(path); err != nil {
					t.Fatal(err)
				}
				f := open(t, Config{Path: path})
				const sent = 1000
				for n := range sent {
					f.Hit(numbered(n))
				}
				time.Sleep(10 * retryEvery)
				synctest.Wait()
				s := f.Stats()
				if s.Lines != 0 || s.Errors < 10 || s.Errors > 13 || s.QueueDepth != sent || s.Lost != 0 || s.Failing == "" {
					t.Errorf("while it is bad: %+v of %d", s, sent)
				}
				if n := f.said.count("level=ERROR"); n != 1 {
					t.Errorf("said %d times", n)
				}

				if err := place.fix(path); err != nil {
					t.Fatal(err)
				}
				time.Sleep(retryEvery)
				synctest.Wait()
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if got := fmt.Sprint(ids(t, path)); got != series(0, sent-1) {
					t.Errorf("%d lines of %d; the file ends %.200q", len(ids(t, path)), sent, b[max(0, len(b)-200):])
				}
				if f.said.count("is written again") != 1 {
					t.Error("nobody said that it is written again")
				}
				shut(t, f)
			})
		})
	}
}

// TestDeviceFull is a full disk that never gets better.
func TestDeviceFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("SKIPPED: no /dev/full here")
	}
	synctest.Test(t, func(t *testing.T) {
		f := open(t, Config{Path: "/dev/full", MaxSize: 1})
		f.Hit(numbered(1))
		time.Sleep(5 * retryEvery)
		synctest.Wait()
		if s := f.Stats(); s.Errors < 5 || s.QueueDepth != 1 || s.Rotations != 0 || f.said.count("no space left") != 1 {
			t.Errorf("%+v", s)
		}
		if err := f.shut(); err == nil || !strings.Contains(err.Error(), "1 lines could not be written") {
			t.Errorf("Stop: %v", err)
		}
	})
}

// TestDiskFull fills a real file system, and empties it again.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("flowhound-test", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("SKIPPED: a small file system of its own needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ballast := filepath.Join(dir, "ballast")
		if err := os.WriteFile(ballast, make([]byte, 40<<10), 0o600); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "alerts.log")
		f := open(t, Config{Path: path})
		const lines = 200 // some 60 KB
		for n := range lines {
			f.Hit(numbered(n))
		}
		time.Sleep(3 * retryEvery)
		synctest.Wait()
		if s := f.Stats(); s.QueueDepth == 0 || s.Errors == 0 || s.Lost != 0 || f.said.count("no space left") != 1 {
			t.Fatalf("the disk is not full: %+v", s)
		}
		if b, _ := os.ReadFile(path); strings.HasSuffix(string(b), "\n") {
			t.Log("the file system took no part of a line: the torn line is not tested")
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		f.Status(&hit.Status{Part: hit.Agent, Status: "alive"})
		time.Sleep(2 * retryEvery)
		shut(t, f)
		if got := fmt.Sprint(ids(t, path)); got != series(0, lines-1) {
			t.Errorf("%s", got)
		}
		if s := f.Stats(); s.Lines != lines+1 || s.Lost != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestRotationFails: a folder in the way of path.1 stops the rotation, never
// the writing, and is said once.
func TestRotationFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "alerts.log")
		if err := os.MkdirAll(path+".1/in the way", 0o755); err != nil {
			t.Fatal(err)
		}
		f := open(t, Config{Path: path, MaxSize: 10, Keep: 1})
		for n := range 20 {
			time.Sleep(minRotation)
			f.Hit(numbered(n))
		}
		shut(t, f)
		if got := fmt.Sprint(ids(t, path)); got != series(0, 19) {
			t.Errorf("%s", got)
		}
		if s := f.Stats(); s.Errors < 15 || s.Rotations != 0 || f.said.count("cannot be rotated") != 1 {
			t.Errorf("%+v, said %d times", s, f.said.count("cannot be rotated"))
		}
		if _, err := os.Stat(path + ".new"); err == nil {
			t.Error("path.new is left behind")
		}
	})
}
