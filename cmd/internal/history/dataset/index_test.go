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
	var want []entry
	for name := range strings.FieldsSeq("a b c d e f g h i j") {
		want = append(want, entry{Name: name})
	}
	got := steps(want, append(keys(want[1:2]), "x"))
	for i, n := range []int{5, 9, 10} {
		if len(got) <= i || !slices.Equal(got[i], want[:n]) {
			t.Fatalf("steps are %v", got)
		}
	}
	if got := steps(want[:3], keys(want[:3])); len(got) != 1 || len(got[0]) != 3 {
		t.Errorf("nothing new: %v", got)
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
	found := snap.Select(everything, 2).Groups
	if len(found) != len(snap.Files) {
		t.Errorf("%d of %d files are in the index", len(found), len(snap.Files))
	}
	for f, groups := range found {
		if len(groups) != 1 {
			t.Errorf("%s: groups %v of 1", f.Name, groups)
		}
	}
}

// Files that are damaged or missing when a day is indexed are set aside; the day is
// indexed without them.
func TestIndexDamagedFiles(t *testing.T) {
	w, _ := filled(t)
	if err := w.Tidy(t.Context(), noon.AddDate(0, 0, 1)); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(w.Dir, dayOf(noon.UnixNano()))
	files := snapshot(t, w.Dir).Files
	whole, err := os.ReadFile(files[1].Path)
	if err != nil {
		t.Fatal(err)
	}
	clear(whole[8 : len(whole)/2]) // its footer is as it was
	for _, err := range []error{os.Remove(files[0].Path), os.WriteFile(files[1].Path, whole, 0o600), os.Remove(filepath.Join(dir, countriesName))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Tidy(t.Context(), noon.AddDate(0, 0, 1)); err != nil {
		t.Fatal(err)
	}
	sum, err := Summarize(w.Dir)
	if err != nil || sum.Files != 1 || len(sum.Damaged) != 2 {
		t.Errorf("%d files, damaged %q: %v", sum.Files, sum.Damaged, err)
	}
	snap := snapshot(t, w.Dir)
	covered, err := snap.Countries(1, Wanted{AllSums, true, true}, func(int, *File, []CountryHour) error { return nil })
	if found := snap.Select(everything, 1).Groups; err != nil || len(found) != 1 || len(covered) != 1 {
		t.Errorf("indexes of %d and %d files: %v", len(found), len(covered), err)
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
	if found := snap.Select(everything, 2).Groups; len(snap.Files) != 2 || len(found) != 2 {
		t.Errorf("%d of %d files are in the index", len(found), len(snap.Files))
	}
}
