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
	f := New(slog.New(slog.DiscardHandler), func(path string) { told <- path })
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
