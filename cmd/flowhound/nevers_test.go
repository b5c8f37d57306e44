package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// nevers are what the code never does outside of a folder.
var nevers = []struct{ what, only, why string }{
	{`\bos\.Rename\(`, "cmd/internal/file", "file.Move brings the folder to the disk, too"},
	{`\bos\.Exit\(`, "cmd/flowhound plugin cmd/internal/history/bench", "the commands alone know exit statuses"},
	{`\bfunc init\(\)`, "", "what happens at the start stands in main"},
	{`\bagent\.(Agent|New)\b`, "cmd/flowhound", "a part is handed what it needs"},
}

func TestNevers(t *testing.T) {
	t.Parallel()
	seen := make([]bool, len(nevers))
	for _, root := range []string{"cmd", "plugin", "decoders", "rules", "integrations"} {
		err := filepath.WalkDir("../../"+root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".pb.go") {
				return err
			}
			code, err := os.ReadFile(path)
			path = filepath.ToSlash(strings.TrimPrefix(path, "../../"))
			for i, n := range nevers {
				if !regexp.MustCompile(n.what).Match(code) {
					continue
				}
				seen[i] = true
				if !slices.Contains(strings.Fields(n.only), filepath.Dir(path)) {
					t.Errorf("%s has %s: %s", path, n.what, n.why)
				}
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	for i, n := range nevers {
		if n.only != "" && !seen[i] {
			t.Errorf("nothing has %s: does the test look at the code?", n.what)
		}
	}
}
