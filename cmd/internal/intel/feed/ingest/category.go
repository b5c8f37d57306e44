package ingest

import (
	_ "embed"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

//go:embed categories.txt
var categoriesText string

// table is the embedded one, read once.
var table = sync.OnceValue(func() map[string]intel.Category {
	out := make(map[string]intel.Category)
	for line := range strings.Lines(categoriesText) {
		line, _, _ = strings.Cut(line, "#")
		if fields := strings.Fields(line); len(fields) == 2 {
			var c intel.Category
			if err := c.UnmarshalText([]byte(fields[1])); err != nil {
				panic(err) // the first test's
			}
			out[fields[0]] = c
		}
	}
	return out
})

// Word is a feed's word as the table of categories has it: lower case, blanks and
// dashes as "_".
func Word(s string) string {
	return underscores.Replace(strings.ToLower(strings.TrimSpace(s)))
}

var underscores = strings.NewReplacer(" ", "_", "-", "_")

// Category reads a feed's word for a category: one of ours, or one that feeds
// use for it (OTX roles, abuse.ch threat types, common tags, malware families).
func Category(word string) (intel.Category, bool) {
	c, ok := table()[Word(word)]
	return c, ok
}

// TagCategory is Category for the first of several words with commas, semicolons or
// bars between them that means one.
func TagCategory(tags string) (intel.Category, bool) {
	for tag := range strings.FieldsFuncSeq(tags, func(r rune) bool { return r == ',' || r == ';' || r == '|' }) {
		if c, ok := Category(tag); ok {
			return c, true
		}
	}
	return intel.Other, false
}

// Overrides are what a configuration says of words, whatever the table does. The
// zero value says nothing. Not safe for concurrent use: it remembers the last
// answer, because neighbours in a feed mostly share their tags.
type Overrides struct {
	words map[string]intel.Category

	tags, name string
	category   intel.Category
	ok         bool
}

// NewOverrides takes words in any spelling.
func NewOverrides(words map[string]intel.Category) *Overrides {
	o := &Overrides{words: make(map[string]intel.Category, len(words))}
	for w, c := range words {
		o.words[Word(w)] = c
	}
	o.category, o.ok = o.of("", "")
	return o
}

// Of returns what the first of i's tags that is named says, or i's name: that is
// where formats put malware families.
func (o *Overrides) Of(i *intel.Indicator) (intel.Category, bool) {
	if len(o.words) == 0 {
		return 0, false
	}
	if i.Tags != o.tags || i.Name != o.name {
		o.tags, o.name = i.Tags, i.Name
		o.category, o.ok = o.of(i.Tags, i.Name)
	}
	return o.category, o.ok
}

func (o *Overrides) of(tags, name string) (intel.Category, bool) {
	for tag := range strings.SplitSeq(tags, ",") {
		if c, ok := o.words[Word(tag)]; ok {
			return c, true
		}
	}
	c, ok := o.words[Word(name)]
	return c, ok
}

// Meaning is one line of the table of categories.
type Meaning struct {
	Word     string
	Category intel.Category
	Override bool // the configuration says so
}

// Meanings returns the whole table with what words override in it, by category and
// word.
func Meanings(words map[string]intel.Category) []Meaning {
	all := maps.Clone(table())
	over := NewOverrides(words).words
	maps.Copy(all, over)
	var out []Meaning
	for w, c := range all {
		_, overridden := over[w]
		out = append(out, Meaning{w, c, overridden})
	}
	slices.SortFunc(out, func(a, b Meaning) int {
		if a.Category != b.Category {
			return int(a.Category) - int(b.Category)
		}
		return strings.Compare(a.Word, b.Word)
	})
	return out
}
