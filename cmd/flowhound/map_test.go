package main

import (
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// TestMapIsTrue holds cmd/README.md to the tree: the folders that it names exist, and it
// names each package, or the folder in which that stands.
func TestMapIsTrue(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	folders := regexp.MustCompile("`((?:cmd|plugin|decoders|rules|integrations|testdata)(?:/[a-z0-9]+)*)`").FindAllStringSubmatch(string(page), -1)
	if len(folders) < 20 {
		t.Errorf("%d folders are named", len(folders))
	}
	named := map[string]bool{"cmd": true} // the page's own folder
	for _, f := range folders {
		if info, err := os.Stat("../../" + f[1]); err != nil || !info.IsDir() {
			t.Errorf("there is no folder %s", f[1])
		}
		named[f[1]] = true
	}
	for _, p := range listPackages(t) {
		if name := strings.TrimPrefix(p.ImportPath, module+"/"); !named[name] && !named[path.Dir(name)] {
			t.Errorf("the page does not name %s", name)
		}
	}
}
