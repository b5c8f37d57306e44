package rules_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/rules"
)

// TestOf holds Of against what the engines answered, but for the composite rules,
// which count lines.
func TestOf(t *testing.T) {
	composite := map[string]bool{"100902": true, "100903": true, "100904": true, "100905": true}
	for _, e := range []*engine{ossec, wazuh} {
		answers := made.recorded(t, e)
		asked, stoodIn := 0, 0
		for i, line := range made.readLines(t) {
			_, body, _ := strings.Cut(line, "]: ")
			h, err := hit.ParseLine(body)
			if err != nil {
				continue // about flowhound itself
			}
			want := strings.Split(answers[i], "\t")
			if composite[want[0]] {
				stoodIn++
				continue
			}
			asked++
			id, level := rules.Of(h)
			if strconv.Itoa(id) != want[0] || strconv.Itoa(level) != want[1] {
				t.Errorf("%s: rule %d, level %d; the engine says %s, %s: %s", e.name, id, level, want[0], want[1], body)
			}
		}
		if asked < 200 || stoodIn == 0 {
			t.Errorf("%s: %d lines asked, %d composite", e.name, asked, stoodIn)
		}
	}
}
