package ingest

import (
	"strings"
	"time"

	"github.com/flowhound/flowhound/plugin/text"
)

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

// When reads a time as feeds write it: RFC 3339, the same with a blank or
// without an offset (then UTC), or a date alone. What it cannot read is the zero
// time.
func When(s string) time.Time {
	s = strings.TrimSuffix(strings.TrimSpace(s), " UTC")
	layout := time.RFC3339
	switch {
	case len(s) == len(time.DateOnly):
		layout = time.DateOnly
	case len(s) < len(time.DateTime):
		return time.Time{}
	case s[10] == ' ':
		layout = time.DateTime
	case !strings.ContainsAny(s[19:], "Z+-"):
		layout = "2006-01-02T15:04:05"
	}
	t, err := time.Parse(layout, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// plain reports whether s is printable ASCII without spaces.
func plain(s string) bool { return text.IsWord(s) }
