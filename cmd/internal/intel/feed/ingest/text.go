package ingest

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Lengths in bytes to which free text of feeds is cut.
const (
	MaxName = 256
	MaxTags = 512
	MaxRef  = 512
)

// Text makes free text of a feed fit for a line: white space and control
// characters become single blanks, what is not UTF-8 or does not print goes, and
// at most limit bytes stay.
func Text(s string, limit int) string {
	if plain(s) && len(s) <= limit {
		return strings.TrimSpace(s)
	}
	var b strings.Builder
	blank := false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			blank = b.Len() > 0
			continue
		case r == utf8.RuneError || !unicode.IsPrint(r):
			continue
		}
		if blank && b.Len()+1 <= limit {
			b.WriteByte(' ')
		}
		blank = false
		if b.Len()+utf8.RuneLen(r) > limit {
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}

// plain reports whether s is ASCII that prints, without two blanks in a row.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == ' ' && i > 0 && s[i-1] == ' ' {
			return false
		}
	}
	return true
}

// Link returns s when it is an http or https URL that fits a line, else "".
func Link(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > MaxRef || !plain(s) || strings.ContainsAny(s, ` "`) {
		return ""
	}
	if !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") {
		return ""
	}
	return s
}

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
