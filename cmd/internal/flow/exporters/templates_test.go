package exporters

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/finding"
)

// TestDamagedTemplatesAreSaid starts on a file that cannot be read and on one that
// cannot be written, and looks where a person would.
func TestDamagedTemplatesAreSaid(t *testing.T) {
	dir := t.TempDir()
	var mu sync.Mutex
	var said []string
	say := func(trouble string) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, trouble)
	}
	problems := func(x *Templates) string {
		var l finding.List
		x.Findings(&l)
		var all []string
		for _, f := range l {
			all = append(all, string(f.Level)+" "+f.What)
		}
		return strings.Join(all, "; ")
	}
	path := filepath.Join(dir, "templates")
	if err := os.WriteFile(path, bytes.Repeat([]byte("rubbish "), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	x := NewTemplates(path, say)
	if err := x.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(said) != 1 || !strings.Contains(said[0], "read templates: "+path+" is of another version and was moved to "+path+".unreadable") {
		t.Errorf("said %q", said)
	}
	if got := problems(x); got != "bad "+said[0] {
		t.Errorf("problems %q", got)
	}
	for range 2 {
		if err := x.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}

	// What was set aside is no trouble any more.
	said = nil
	x = NewTemplates(path, say)
	if err := x.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := problems(x); len(said) != 0 || got != "" {
		t.Errorf("said %q, problems %q", said, got)
	}
	if err := x.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := NewTemplates(path, say).Stop(t.Context()); err != nil {
		t.Errorf("stopped without a start: %v", err)
	}
}
