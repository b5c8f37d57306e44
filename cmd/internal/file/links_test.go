package file

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestFolders(t *testing.T) {
	d, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"plain", "k8s/..v1", "a", "b", "c"} {
		if err := os.MkdirAll(filepath.Join(d, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"k8s/..data": "..v1", "k8s/fh.yaml": "..data/fh.yaml", "a/fh.yaml": filepath.Join(d, "b", "fh.yaml"), "b/fh.yaml": "../c/fh.yaml",
		"round": "dnuor", "dnuor": "round", "whole": "c", "gone": "nowhere/fh.yaml",
	} {
		if err := os.Symlink(to, filepath.Join(d, link)); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string][]string{
		"plain/fh.yaml": {"plain"},
		"k8s/fh.yaml":   {"k8s", "k8s/..v1"},
		"a/fh.yaml":     {"a", "b", "c"},
		"whole/fh.yaml": {"whole", "", "c"},
		"gone":          {"", "nowhere"},
		"round":         {""},
	} {
		for i := range want {
			want[i] = filepath.Join(d, want[i])
		}
		if got := Folders(filepath.Join(d, path)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
