package logged

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/plugin/hit"
)

// What is written is read once, over rotations, a log that comes later, and a line that
// comes in two halves.
func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alerts.log")
	add := func(text string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = f.WriteString(text)
		}
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	}
	tail, err := NewTail(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tail.Close() }()
	is := func(want string) {
		t.Helper()
		var got []string
		if err := tail.Next(func(h *hit.Hit) { got = append(got, h.Dst.String()) }); err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	line := func(dst string) string { return syslogLine(at(noon, hit.High, dst)) }
	is("")
	add(line("198.51.100.1"))
	is("198.51.100.1")
	half := line("198.51.100.2")
	add(half[:50])
	is("")
	add(half[50:] + "Jun  7 12:00:00 gw flowhound[7]: agent status=alive version=1 msg=\"x\"\n" + jsonLine(t, at(noon, hit.Low, "198.51.100.3")))
	is("198.51.100.2 198.51.100.3")
	add(line("198.51.100.4"))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	is("198.51.100.4")
	add(line("198.51.100.5"))
	is("198.51.100.5")
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	is("")
	add(line("198.51.100.6"))
	is("198.51.100.6")

	late, err := NewTail(path) // what is there already is not its business
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = late.Close() }()
	tail = late
	is("")
	add(line("198.51.100.7"))
	is("198.51.100.7")
}
