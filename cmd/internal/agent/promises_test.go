package agent

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	promiseTest  = regexp.MustCompile("`([a-z/0-9]+) ((?:Test|Fuzz)[A-Za-z0-9]+)`")
	promiseFault = regexp.MustCompile(`fault ([a-z]+)`)
)

// TestPromises holds README.md: each promise names at least one test or scenario
// of the fault bench, and all of them exist.
func TestPromises(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	bench, err := os.ReadFile("../../../testdata/fault/main.go")
	if err != nil {
		t.Fatal(err)
	}
	promises := 0
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 3 || strings.HasPrefix(line, "| promise") {
			continue
		}
		promises++
		tests := promiseTest.FindAllStringSubmatch(cells[2], -1)
		faults := promiseFault.FindAllStringSubmatch(cells[2], -1)
		if len(tests)+len(faults) == 0 {
			t.Errorf("nothing holds: %s", line)
		}
		for _, m := range tests {
			if !hasTest(t, filepath.Join("../../..", m[1]), m[2]) {
				t.Errorf("%s has no %s", m[1], m[2])
			}
		}
		for _, m := range faults {
			if !strings.Contains(string(bench), `{"`+m[1]+`", `) {
				t.Errorf("the fault bench has no %s", m[1])
			}
		}
	}
	if promises < 25 {
		t.Errorf("%d promises found", promises)
	}
}

func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
