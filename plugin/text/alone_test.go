package text

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoCleanerElsewhere keeps cleaning, escaping and hiding in this package: a
// cleaner of one's own is where the next place is forgotten.
func TestNoCleanerElsewhere(t *testing.T) {
	signs := []string{"unicode.IsPrint(", "strings.Map(", "bytes.Map(", "ToValidUTF8(", `"` + Secret + `"`, `"&lt;"`}
	files := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		switch {
		case d.IsDir() && (name == "text" || name == "testdata" || strings.HasPrefix(name, ".") && len(name) > 2):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		files++
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, s := range signs {
			if strings.Contains(string(source), s) {
				t.Errorf("%s has %s: clean text from outside in plugin/text", path, s)
			}
		}
		return nil
	})
	if err != nil || files < 100 {
		t.Fatalf("%d files, %v", files, err)
	}
}
