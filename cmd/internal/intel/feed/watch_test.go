package feed

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// ready makes a folder with one good list and watches it.
func ready(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("192.0.2.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := start(t, dir, "a")
	b.nextSet("1")
	b.nextState(OK, "1 indicator")
	return b
}

func TestEditedInPlace(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	b := ready(t)
	b.write("a", "192.0.2.2\n")
	b.nextSet("2")
	b.nextState(OK, "1 indicator")
	b.quiet()
}

func TestMovedIntoPlace(t *testing.T) {
	t.Parallel()
	b := ready(t)
	b.write("new", "192.0.2.3\n")
	b.rename("new", "a")
	b.nextSet("3")
	b.nextState(OK, "1 indicator")
}

// As vim does it: the old file becomes the backup, the new one is written, the
// backup goes.
func TestEditorWithBackup(t *testing.T) {
	t.Parallel()
	b := ready(t)
	b.rename("a", "a~")
	b.write("a", "192.0.2.4\n")
	if err := os.Remove(b.path("a~")); err != nil {
		t.Fatal(err)
	}
	b.nextSet("4")
	b.nextState(OK, "1 indicator")
	b.quiet()
}

// A slow copy is read once, when it is whole. Where this machine paused for as long as a
// file must stand still, it was not slow but at rest, and is written once more.
func TestHalfWritten(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	for range 10 {
		b := ready(t)
		if pause := b.writeSlowly("a", "192.0.2.1\n192.0", ".2.2\n", "192.0.2.", "3\n"); pause > 300*time.Millisecond {
			t.Logf("this machine paused for %v", pause)
			continue
		}
		b.nextSet("1", "2", "3")
		b.nextState(OK, "3 indicators")
		b.quiet()
		return
	}
	t.Skip("SKIPPED: this machine is too busy to write a few bytes every 100 ms")
}

// writeSlowly writes a file part by part, and returns the longest pause between two.
func (b *bench) writeSlowly(name string, parts ...string) (longest time.Duration) {
	b.t.Helper()
	file, err := os.Create(b.path(name))
	if err != nil {
		b.t.Fatal(err)
	}
	began := time.Now()
	for _, part := range parts {
		if _, err := file.WriteString(part); err != nil {
			b.t.Fatal(err)
		}
		longest = max(longest, time.Since(began))
		began = time.Now()
		time.Sleep(100 * time.Millisecond) // a quarter of what a file must stand still
	}
	if err := file.Close(); err != nil {
		b.t.Fatal(err)
	}
	return longest
}

func TestRemovedAndBack(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	b := ready(t)
	if err := os.Remove(b.path("a")); err != nil {
		t.Fatal(err)
	}
	b.nextState(Stale, "does not exist; the 1 indicator of")
	b.write("a", "192.0.2.5\n")
	b.nextState(OK, "1 indicator")
	b.nextSet("5")
	b.quiet()
}

// A bad version is told once, and the good one stays.
func TestBadVersions(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	b := ready(t)
	for _, tt := range []struct{ text, says string }{
		{"<html>503</html>\n", "web page"},
		{"\x7fELF\x00\x00", "binary"},
		{"Sorry!\nWe are down for maintenance.\n", "does not look like a list"},
		{"", "is empty now"},
	} {
		b.write("a", tt.text)
		b.nextState(Stale, tt.says)
		if s := b.feeds.States()[0]; s.Indicators != 1 || !strings.Contains(s.Message, "stay in use") {
			t.Errorf("%+v", s)
		}
	}
	b.quiet()
	b.write("a", "# empty on purpose\n")
	b.nextSet()
	b.nextState(OK, "0 indicators")
}

// A pipe must not hold the loader up, nor a file without rights escape notice.
func TestNotToBeOpened(t *testing.T) {
	t.Parallel()
	b := ready(t)
	if err := os.Remove(b.path("a")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(b.path("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.nextState(Stale, "is not a regular file")
	if err := os.Remove(b.path("a")); err != nil {
		t.Fatal(err)
	}
	b.write("a", "192.0.2.6\n")
	b.nextSet("6")
	b.nextState(OK, "1 indicator")
	if os.Geteuid() == 0 {
		return // who may read everything
	}
	if err := os.Chmod(b.path("a"), 0); err != nil {
		t.Fatal(err)
	}
	b.nextState(Stale, "may not be read by this user")
	if err := os.Chmod(b.path("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.nextState(OK, "1 indicator")
}

func TestOneOfTwoChanges(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := t.TempDir()
	for name, text := range map[string]string{"a": "192.0.2.1\n", "b": "192.0.2.2\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := start(t, dir, "a", "b")
	b.nextSet("1", "2")
	b.nextState(OK, "")
	b.nextState(OK, "")
	b.write("b", "192.0.2.3\n")
	b.nextSet("1", "3")
	b.nextState(OK, "")
	b.quiet()
}

// As Kubernetes swaps a ConfigMap: the link of a link changes, the files do not.
func TestSwappedLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"v1": "192.0.2.1\n", "v2": "192.0.2.2\n"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "a"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, name string) {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("v1", "data")
	link("data/a", "a")
	b := start(t, dir, "a")
	b.nextSet("1")
	link("v2", "data.new")
	b.rename("data.new", "data")
	b.nextSet("2")
	b.write("v2/a", "192.0.2.3\n") // in a folder that is watched only since
	b.nextSet("3")
}

func TestFolderRemovedAndBack(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := filepath.Join(t.TempDir(), "lists")
	b := start(t, dir, "a")
	b.nextSet()
	b.nextState(Error, "does not exist")
	for _, n := range []string{"1", "2"} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		b.write("a", "192.0.2."+n+"\n")
		b.nextSet(n)
		b.nextState(OK, "1 indicator")
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		b.nextState(Stale, "does not exist")
	}
}
