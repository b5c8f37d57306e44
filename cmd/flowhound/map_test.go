package main

import (
	"os"
	"regexp"
	"testing"
)

// TestMapIsTrue holds cmd/README.md to the tree: the folders that it names exist.
func TestMapIsTrue(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	folders := regexp.MustCompile("`((?:cmd|plugin)(?:/[a-z0-9]+)*)`").FindAllStringSubmatch(string(page), -1)
	if len(folders) < 20 {
		t.Errorf("%d folders are named", len(folders))
	}
	for _, f := range folders {
		if info, err := os.Stat("../../" + f[1]); err != nil || !info.IsDir() {
			t.Errorf("there is no folder %s", f[1])
		}
	}
}
