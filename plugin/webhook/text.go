package main

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/flowhound/flowhound/plugin/hit"
)

// Texts from feeds are not ours: a pulse may be called "@everyone" or
// "[your bank](https://evil.example)". Each goes through clean, then defang; a
// service then escapes what is markup to it.

// maxValue is how many runes of a text from outside a field has at most.
const maxValue = 300

// clean returns s on one line, without control characters and such that turn the
// direction of writing, at most limit runes. What was cut ends in an ellipsis.
func clean(s string, limit int) string {
	var b strings.Builder
	n, gap := 0, false
	for i, width := 0, 0; i < len(s); i += width {
		var r rune
		r, width = utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && width == 1:
			r = '?'
		case unicode.IsSpace(r):
			gap = n > 0
			continue
		case !unicode.IsPrint(r):
			continue
		}
		if n > limit {
			break
		}
		if gap {
			b.WriteByte(' ')
			n, gap = n+1, false
		}
		b.WriteRune(r)
		n++
	}
	return trim(b.String(), limit)
}

// trim cuts s to at most limit runes, the last of them an ellipsis.
func trim(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	n := 0
	for i := range s {
		if n++; n == limit {
			return s[:i] + "…"
		}
	}
	return ""
}

// word returns s as one word of letters, digits and few signs, as names of feeds
// and categories are; "-" when there is nothing.
func word(s string) string {
	var b strings.Builder
	for _, r := range s {
		if b.Len() >= 48 {
			break
		}
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._", r) {
			r = '-'
		}
		b.WriteRune(r)
	}
	if b.Len() == 0 {
		return "-"
	}
	return b.String()
}

// joint is a space of no width. Services find mentions and bare addresses in
// any text, and few have an escape for that; no service finds one across it.
const joint = "\u200b"

// defang makes of addresses and mentions in s mere text.
func defang(s string) string {
	var b strings.Builder
	for i, r := range s {
		b.WriteRune(r)
		next, _ := utf8.DecodeRuneInString(s[i+utf8.RuneLen(r):])
		switch {
		case r == '@' || r == '#',
			r == ':' && next == '/',
			r == '.' && unicode.IsLetter(next),
			r == '/' && unicode.IsLetter(next) && i == 0: // a command
			b.WriteString(joint)
		}
	}
	return b.String()
}

// escaped returns s with each rune as escape has it, at most limit bytes and
// never an escape in half.
func escaped(s string, limit int, escape func(rune) string) string {
	var b strings.Builder
	end := 0 // where an ellipsis fits
	for _, r := range s {
		e := escape(r)
		if b.Len()+len(e) > limit {
			return b.String()[:end] + "…"
		}
		b.WriteString(e)
		if b.Len() <= limit-len("…") {
			end = b.Len()
		}
	}
	return b.String()
}

// markdown escapes s, one line, for Discord, Mattermost and Rocket.Chat, at most
// limit bytes. Signs that are markup at the start of a line only are kept from it.
func markdown(s string, limit int) string {
	if s != "" && strings.ContainsRune("-+#>=", rune(s[0])) {
		s = joint + s
	}
	return escaped(s, limit, func(r rune) string {
		if strings.ContainsRune("\\`*_[]<>|~", r) {
			return `\` + string(r)
		}
		return string(r)
	})
}

// entities escapes what is markup to Slack and HTML.
func entities(r rune) string {
	switch r {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	}
	return string(r)
}

// icon and color stand for a severity.
func icon(s hit.Severity) string {
	return [hit.NumSeverities]string{"⚪", "🔵", "🟡", "🟠", "🔴"}[min(s, hit.Critical)]
}

func color(s hit.Severity) int {
	return [hit.NumSeverities]int{0x8a8f98, 0x2f80ed, 0xf2c94c, 0xf2994a, 0xd63638}[min(s, hit.Critical)]
}
