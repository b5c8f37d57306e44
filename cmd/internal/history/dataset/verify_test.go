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

// An index of another history is not taken for this one's, though its files have the
// same names: what is answered is right, and verify names it.
func TestForeignIndexes(t *testing.T) {
	dirs := [2]string{}
	day := dayOf(noon.UnixNano())
	for i := range dirs {
		w := create(t, t.TempDir())
		records := conversations(200, noon)
		for n := range records {
			records[n].Src.Lo += uint64(i) << 8 // other addresses, other sums, as many rows
			records[n].Bytes += uint64(i)
			records[n].Packets <<= i
			records[n].Received += int64(i)
		}
		if err := w.Part(1, records); err != nil {
			t.Fatal(err)
		}
		if err := w.Tidy(t.Context(), noon.AddDate(0, 0, 3)); err != nil {
			t.Fatal(err)
		}
		dirs[i] = w.Dir
	}
	names := []string{indexName, countriesName, servicesName, largestName}
	for _, name := range names {
		other, err := os.ReadFile(filepath.Join(dirs[1], day, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dirs[0], day, name), other, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := answersOf(t, dirs[0])
	if len(got.flows)+len(got.services)+len(got.ends)+len(got.groups) > 0 {
		t.Errorf("indexes of another history answer: %+v", got)
	}
	var told []string
	if _, bad, err := VerifyAll(t.Context(), dirs[0], func(name string, _ error) { told = append(told, filepath.Base(name)) }); err != nil || bad != len(names) {
		t.Errorf("verify names %d files, %q: %v", bad, told, err)
	}
}

// The manifest of another day says nothing of this one, whose files are found, and is
// named.
func TestManifestOfAnotherDay(t *testing.T) {
	w := create(t, t.TempDir())
	var want []flow.Record
	for n := range 2 {
		records := conversations(10, noon.AddDate(0, 0, n))
		want = append(want, records...)
		if err := w.Part(uint64(n+1), records); err != nil {
			t.Fatal(err)
		}
	}
	days, err := Days(w.Dir)
	if err != nil || len(days) != 2 {
		t.Fatal(days, err)
	}
	other, err := os.ReadFile(filepath.Join(w.Dir, days[0], manifestName))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.Dir, days[1], manifestName), other, 0o600); err != nil {
		t.Fatal(err)
	}
	same(t, "both days", all(t, w.Dir, time.Time{}, time.Time{}), want)
	var told []string
	if _, _, err := VerifyAll(t.Context(), w.Dir, func(name string, _ error) { told = append(told, name) }); err != nil || !slices.Equal(told, []string{days[1] + "/" + manifestName}) {
		t.Errorf("verify names %q: %v", told, err)
	}
}

// A file that is missing, or another than its manifest says, is named; one that went
// with its manifest is not.
func TestVerifyMissingAndForeign(t *testing.T) {
	w, _ := filled(t)
	files := snapshot(t, w.Dir).Files
	other, err := os.ReadFile(files[3].Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{os.Remove(files[0].Path), os.WriteFile(files[5].Path, other, 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var told []string
	good, bad, err := VerifyAll(t.Context(), w.Dir, func(name string, err error) { told = append(told, name+" "+err.Error()) })
	if err != nil || bad != 2 || good < len(files)-2 {
		t.Errorf("%d good, %d bad, %v", good, bad, err)
	}
	slices.Sort(told)
	if len(told) != 2 || !strings.Contains(told[0], files[0].Name+" damaged: it is missing") || !strings.Contains(told[1], "another file than the day's manifest says") {
		t.Errorf("told of %q", told)
	}
	if err := w.change(files[0].Day, func(m *manifest) {
		m.Files = slices.DeleteFunc(m.Files, func(e entry) bool { return e.Name == files[0].Name })
	}); err != nil {
		t.Fatal(err)
	}
	if files[0].listed() || !files[1].listed() {
		t.Error("listed does not ask the manifest of now")
	}
}
