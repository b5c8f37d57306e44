package export

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

func exportTo(t *testing.T, path string, set *intel.Set, o Options) (changed bool) {
	t.Helper()
	if o.Now.IsZero() {
		o.Now = now
	}
	_, changed, err := File(path, set, o)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// only fails the test when the folder of path holds anything else.
func only(t *testing.T, path string) {
	t.Helper()
	all, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all[0].Name() != filepath.Base(path) {
		t.Errorf("the folder holds %v", all)
	}
}

func TestFileIsRewrittenWhenItWouldDiffer(t *testing.T) {
	t.Parallel()
	for _, format := range Formats() {
		t.Run(format, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x")
			o := Options{Format: format}
			if !exportTo(t, path, sample(), o) {
				t.Error("the first is no change")
			}
			before, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			o.Now = now.AddDate(0, 0, 1) // nothing expires
			if exportTo(t, path, sample(), o) {
				t.Error("the same is a change")
			}
			if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
				t.Errorf("touched although it is the same: %v", err)
			}
			if format == "suricata-categories" { // is always the same
				return
			}
			if !exportTo(t, path, intel.NewSet(), o) {
				t.Error("nothing is no change")
			}
			only(t, path)
		})
	}
}

func TestFileKeepsTheFormer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	exportTo(t, path, sample(), Options{Format: "plain"})
	was := content(t, path)
	if _, _, err := File(path, sample(), Options{Format: "nftables", Name: "no such name"}); err == nil {
		t.Error("wrong options were taken")
	}
	if os.Getuid() != 0 {
		if err := os.Chmod(dir, 0o555); err != nil {
			t.Fatal(err)
		}
		if _, changed, err := File(path, intel.NewSet(), Options{Format: "plain"}); err == nil || changed {
			t.Errorf("a folder that cannot be written: changed %v, error %v", changed, err)
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if got := content(t, path); got != was {
		t.Errorf("the former file became\n%s", got)
	}
	only(t, path)
	if _, _, err := File(filepath.Join(dir, "none", "x"), sample(), Options{Format: "plain"}); err == nil {
		t.Error("wrote into a folder that is not there")
	}
}

func TestFileReplacesFilesOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, path := range []string{dir, "/dev/null"} {
		if _, _, err := File(path, sample(), Options{Format: "plain"}); err == nil {
			t.Errorf("%s was replaced", path)
		}
	}
	target, link := filepath.Join(t.TempDir(), "target"), filepath.Join(dir, "link")
	if err := os.WriteFile(target, []byte("former\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	exportTo(t, link, sample(), Options{Format: "plain"})
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v %v", info.Mode(), err)
	}
	if info, err := os.Stat(target); err != nil || info.Mode().Perm() != 0o600 || !strings.Contains(content(t, target), "bad.example") {
		t.Errorf("its target: %v %v", info.Mode(), err)
	}
	only(t, target)
}

// A file of another kind may stand where the first export goes.
func TestFileReplacesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for _, format := range Formats() {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, []byte(strings.Repeat("x", 1<<20)), 0o644); err != nil {
			t.Fatal(err)
		}
		if !exportTo(t, path, sample(), Options{Format: format}) {
			t.Errorf("%s: no change", format)
		}
		want, _ := write(t, sample(), Options{Format: format})
		if got := content(t, path); got != want {
			t.Errorf("%s: %.300s", format, got)
		}
	}
}

// What a file of the comparison's buffer size and more differs in at its end must
// be seen.
func TestFileComparesLongLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100<<10)
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"", "", true}, {long, long, true}, {long + "\n", long, false}, {long + "a", long + "b", false}, {"a\n", "a\nb\n", false}, {"a\nb\n", "a\n", false},
	} {
		got, err := sameContent(strings.NewReader(c.a), strings.NewReader(c.b), nil)
		if got != c.same || err != nil {
			t.Errorf("%d and %d bytes: same %v, %v", len(c.a), len(c.b), got, err)
		}
	}
}

func TestZeekRemovesWhatIsGone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.intel")
	o := Options{Format: "zeek"}
	a, b := on("192.0.2.1/32", intel.C2, 60), on("192.0.2.2/32", intel.C2, 60)
	lines := func() []string {
		return strings.Split(strings.TrimSpace(content(t, path)), "\n")[1:]
	}
	exportTo(t, path, intel.NewSet(feed("x", a, b)), o)
	if got := lines(); len(got) != 2 || !strings.HasSuffix(got[1], "\tF") {
		t.Errorf("the first version: %q", got)
	}
	b.Score = 70 // better said of by another feed: Zeek would keep what x said, too
	exportTo(t, path, intel.NewSet(feed("y", b)), o)
	want := []string{
		"192.0.2.2\tIntel::ADDR\ty\tc2, score 70\t-\tF",
		"192.0.2.1\tIntel::ADDR\tx\tc2, score 60\t-\tT",
		"192.0.2.2\tIntel::ADDR\tx\tc2, score 60\t-\tT",
	}
	if got := lines(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the second version: %q\nwant %q", got, want)
	}
	b.Score = 80 // says it anew, and that is no removal
	exportTo(t, path, intel.NewSet(feed("y", b)), o)
	if got := lines(); len(got) != 1 || !strings.HasPrefix(got[0], "192.0.2.2\t") {
		t.Errorf("the third version: %q", got)
	}
}

// Zeek keeps text in lower case: the removal of one spelling would take out another.
func TestZeekKeepsOtherSpellings(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.intel")
	o := Options{Format: "zeek"}
	exportTo(t, path, intel.NewSet(feed("x", intel.Indicator{URL: "http://bad.example:8080/A"}, intel.Indicator{URL: "http://bad.example/B"})), o)
	exportTo(t, path, intel.NewSet(feed("x", intel.Indicator{URL: "http://bad.example:8080/a"})), o)
	var got []string
	for line := range strings.Lines(content(t, path)) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		got = append(got, fields[0]+" "+fields[len(fields)-1])
	}
	want := []string{"bad.example:8080/a F", "bad.example:8080:8080/a F", "bad.example/B T"}
	if !slices.Equal(got[1:], want) {
		t.Errorf("%q\nwant %q", got[1:], want)
	}
}
