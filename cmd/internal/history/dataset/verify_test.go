package dataset

import (
	"os"
	"slices"
	"strings"
	"testing"
)

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
