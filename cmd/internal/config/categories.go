package config

import (
	"fmt"

	"github.com/flowhound/flowhound/cmd/internal/settings"
)

const (
	maxCategories = 10_000
	maxWord       = 64 // bytes of a word of categories
)

func (d *document) checkCategories() {
	if n := len(d.config.Categories); n > maxCategories {
		d.Errorf(d.Line("categories"), "categories", "has %d words; the most is %d", n, maxCategories)
	}
	for word := range d.config.Categories {
		if len(word) > maxWord || word == "" {
			key := fmt.Sprintf("categories[%s]", word)
			d.Errorf(d.Line(key), "categories", "%s is not a word of 1 to %d letters", settings.Quote(word), maxWord)
		}
	}
}
