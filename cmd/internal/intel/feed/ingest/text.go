package ingest

import "github.com/flowhound/flowhound/plugin/text"

// Lengths in bytes to which free text of feeds is cut.
const (
	MaxName = 256
	MaxTags = 512
	MaxRef  = 512
)

// Text makes free text of a feed fit for a line, at most limit bytes.
func Text(s string, limit int) string { return text.Clean(s, limit) }

// Link returns s when it is an http or https URL that fits a line, else "".
func Link(s string) string { return text.Reference(s, MaxRef) }

// plain reports whether s is printable ASCII without spaces.
func plain(s string) bool { return text.IsWord(s) }
