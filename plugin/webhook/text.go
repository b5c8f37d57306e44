package main

import (
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/text"
)

// Texts from feeds are not ours: a pulse may be called "@everyone" or
// "[your bank](https://evil.example)". Each is cleaned and defanged; a service
// then escapes what is markup to it.

// maxValue is how many runes of a text from outside a field has at most.
const maxValue = 300

// maxPlace is how many of where a side is and whose.
const maxPlace = 80

// free is a text from outside as a field has it.
func free(s string, limit int) string {
	return text.Defang(text.Short(text.Clean(s, 4*len(s)), limit))
}

// word is a name of a feed or a category in a title.
func word(s string) string { return text.Word.String(s, 48) }

// icon and color stand for a severity.
func icon(s hit.Severity) string {
	return [hit.NumSeverities]string{"⚪", "🔵", "🟡", "🟠", "🔴"}[min(s, hit.Critical)]
}

func color(s hit.Severity) int {
	return [hit.NumSeverities]int{0x8a8f98, 0x2f80ed, 0xf2c94c, 0xf2994a, 0xd63638}[min(s, hit.Critical)]
}
