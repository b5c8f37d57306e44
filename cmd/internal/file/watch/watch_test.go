package watch

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	a, b, c := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "sub", "c")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(a, "one")
	told := make(chan string, 10)
	f := New(slog.New(slog.DiscardHandler), func(paths []string) {
		for _, path := range paths {
			told <- path
		}
	})
	f.Set([]string{a, b, c})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { f.Run(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	expect := func(path string) {
		t.Helper()
		select {
		case got := <-told:
			if got != path {
				t.Fatalf("%s changed, want %s", got, path)
			}
		case <-time.After(time.Minute):
			t.Fatalf("no change of %s was told", path)
		}
	}
	write(b, "new")
	expect(b)
	write(a, "another")
	expect(a)
	if err := os.Remove(b); err != nil {
		t.Fatal(err)
	}
	expect(b)
	if err := os.Mkdir(filepath.Dir(c), 0o700); err != nil {
		t.Fatal(err)
	}
	write(c, "in a folder that came later")
	expect(c)
	link := filepath.Join(dir, "link")
	if err := os.Symlink(a, link); err != nil {
		t.Fatal(err)
	}
	f.Set([]string{link})
	write(c, "no longer watched")
	next := filepath.Join(dir, "next")
	if err := os.Symlink(c, next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, link); err != nil {
		t.Fatal(err)
	}
	expect(link)
}

// A folder of files changes with any file that counts in it. A file that is gone is no
// change where that is asked for.
func TestFolders(t *testing.T) {
	dir := t.TempDir()
	list, config := filepath.Join(dir, "lists"), filepath.Join(dir, "config")
	for _, path := range []string{list, config} {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(config, "a")
	put := func(path string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(path), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(file)
	told := make(chan string, 10)
	f := New(slog.New(slog.DiscardHandler), func(paths []string) { told <- filepath.Base(paths[0]) })
	f.KeepGone = true
	f.Set([]string{list, file})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { f.Run(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-told:
			if got != want {
				t.Fatalf("%s changed, want %s", got, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("no change of %s was told", want)
		}
	}
	put(filepath.Join(list, ".hidden"))
	put(filepath.Join(list, "b~"))
	if err := os.Rename(file, file+".aside"); err != nil {
		t.Fatal(err)
	}
	put(filepath.Join(list, "c"))
	expect("lists")
	if err := os.Rename(file+".aside", file); err != nil { // the same version again
		t.Fatal(err)
	}
	put(filepath.Join(list, "d"))
	expect("lists")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	put(file)
	expect("a")
}

// A file that never stands still is read all the same.
func TestDueAtLast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	s := state{read: look(path)}
	now := time.Now()
	begin := now
	for text := "x"; ; text += "x" {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if s.due(path, now, false) {
			break
		}
		if s.since.IsZero() || now.Sub(begin) > settleMax {
			t.Fatalf("not due after %v", now.Sub(begin))
		}
		now = now.Add(settle / 2)
	}
	if now.Sub(begin) < settleMax {
		t.Errorf("due after %v, though it kept changing", now.Sub(begin))
	}
}
