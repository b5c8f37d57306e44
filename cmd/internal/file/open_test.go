package file

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestOpenDoesNotWait: whatever stands in a file's place is an error, at once.
func TestOpenDoesNotWait(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := syscall.Mkfifo(at("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if err := errors.Join(os.Mkdir(at("folder"), 0o700), os.Symlink("loop", at("loop")), os.Symlink("/dev/zero", at("device")),
		os.Symlink("fifo", at("link")), os.WriteFile(at("file"), []byte("content"), 0o600), os.Symlink("file", at("good"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"fifo", "socket", "folder", "loop", "device", "link", "none"} {
		done := make(chan error, 1)
		go func() {
			_, err := Read(at(name), 100)
			done <- err
		}()
		select {
		case err := <-done:
			if err == nil {
				t.Errorf("%s is read", name)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s is waited for", name)
		}
	}
	for _, name := range []string{"file", "good"} {
		if b, err := Read(at(name), 7); err != nil || string(b) != "content" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if _, err := Read(at("file"), 6); err == nil {
		t.Error("a file over the limit is read")
	}
	if err := os.Truncate(at("file"), 5<<30); err != nil {
		t.Skip(err)
	}
	if _, err := Read(at("file"), 100); err == nil {
		t.Error("a sparse file is read")
	}
}
