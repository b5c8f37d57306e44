package dataset

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// everything is all addresses.
var everything = []flow.Range{{First: flow.Addr{}, Last: flow.Addr{Hi: ^uint64(0), Lo: ^uint64(0)}}}

// A day with many new hours is indexed in steps, which end with all of them.
func TestIndexSteps(t *testing.T) {
	want := strings.Fields("a b c d e f g h i j")
	got := steps(want, []string{"b", "x"})
	for i, names := range []string{"a b c d e", "a b c d e f g h i", "a b c d e f g h i j"} {
		if len(got) <= i || !slices.Equal(got[i], strings.Fields(names)) {
			t.Fatalf("steps are %q", got)
		}
	}
	if got := steps(want[:3], want[:3]); len(got) != 1 || len(got[0]) != 3 {
		t.Errorf("nothing new: %q", got)
	}
	w := create(t, t.TempDir())
	hours := 3*filesAtOnce - 1
	for h := range hours {
		if err := w.Part(uint64(h+1), conversations(20, noon.Add(time.Duration(h)*time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Tidy(t.Context(), noon.AddDate(0, 0, 3)); err != nil {
		t.Fatal(err)
	}
	snap := snapshot(t, w.Dir)
	found := snap.Select(everything, 2)
	if len(found) != len(snap.Files) {
		t.Errorf("%d of %d files are in the index", len(found), len(snap.Files))
	}
	for f, groups := range found {
		if len(groups) != 1 {
			t.Errorf("%s: groups %v of 1", f.Name, groups)
		}
	}
}

// An index with a damaged block is made anew with the next hour.
func TestDamagedBlock(t *testing.T) {
	w := create(t, t.TempDir())
	for h := range 2 {
		if err := w.Part(uint64(h+1), conversations(50, noon.Add(time.Duration(h)*time.Hour))); err != nil {
			t.Fatal(err)
		}
		if err := w.Tidy(t.Context(), noon.AddDate(0, 0, 1)); err != nil {
			t.Fatalf("hour %d: %v", h, err)
		}
		if h > 0 {
			break
		}
		path := filepath.Join(w.Dir, dayOf(noon.UnixNano()), indexName)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[len(indexMagic)+5] ^= 1
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	snap := snapshot(t, w.Dir)
	if found := snap.Select(everything, 2); len(snap.Files) != 2 || len(found) != 2 {
		t.Errorf("%d of %d files are in the index", len(found), len(snap.Files))
	}
}
