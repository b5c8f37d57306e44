package ingest

import (
	"slices"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// Every line of the embedded table is used, and none twice.
func TestCategoriesText(t *testing.T) {
	lines := 0
	for line := range strings.Lines(categoriesText) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		lines++
		if len(fields) != 2 || Word(fields[0]) != fields[0] {
			t.Errorf("%q is no word and its category", line)
		}
	}
	if n := len(table()); n != lines {
		t.Errorf("%d words on %d lines", n, lines)
	}
	for c := range intel.Category(intel.NumCategories) {
		if got, ok := Category(c.String()); !ok || got != c {
			t.Errorf("%s is %s", c, got)
		}
	}
}

func TestTagCategory(t *testing.T) {
	for tags, want := range map[string]string{
		"elf, Mirai": "botnet", "exe;Cobalt Strike;emotet": "c2", "a|phishing": "phishing", "exe": "", "": "", ",,": "",
	} {
		got := ""
		if c, ok := TagCategory(tags); ok {
			got = c.String()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", tags, got, want)
		}
	}
}

func TestOverrides(t *testing.T) {
	o := NewOverrides(map[string]intel.Category{"Red Team": intel.Policy, "emotet": intel.C2, "tor": intel.Other})
	for _, tt := range []struct {
		tags, name string
		want       string
	}{
		{"a,Emotet,b", "x", "c2"},
		{"", "Emotet", "c2"},
		{"red-team,emotet", "emotet", "policy"},
		{"emotetx", "an emotet wave", ""},
		{"TOR", "", "other"},
		{"", "", ""},
		{"TOR", "", "other"},
	} {
		got := ""
		if c, ok := o.Of(&intel.Indicator{Tags: tt.tags, Name: tt.name}); ok {
			got = c.String()
		}
		if got != tt.want {
			t.Errorf("%q, %q: %s, want %s", tt.tags, tt.name, got, tt.want)
		}
	}
	if _, ok := NewOverrides(nil).Of(&intel.Indicator{Tags: "emotet"}); ok {
		t.Error("nothing overrides something")
	}
}

func TestMeanings(t *testing.T) {
	all := Meanings(map[string]intel.Category{"emotet": intel.Policy, "our family": intel.C2})
	for _, want := range []Meaning{{"emotet", intel.Policy, true}, {"our_family", intel.C2, true}, {"mirai", intel.Botnet, false}} {
		if !slices.Contains(all, want) {
			t.Errorf("no %+v", want)
		}
	}
	if len(all) != len(table())+1 {
		t.Errorf("%d lines", len(all))
	}
}
