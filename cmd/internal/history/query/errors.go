package query

import (
	"strings"
	"unicode/utf8"
)

// Error is a mistake in an expression or in an option's value: where it stands, what
// is wrong and what was probably meant.
type Error struct {
	Text       string // the whole expression, or the option's value
	Pos, End   int    // the bytes of Text that are wrong; Pos == End at its end
	Option     string // "--sip" where Text is an option's value, "" for an expression
	Message    string
	Suggestion string // what may stand there instead, "" when that cannot be told
}

// Error returns the message, the text and under it a mark of the place.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Option != "" {
		b.WriteString(e.Option + ": ")
	}
	b.WriteString(e.Message)
	if e.Suggestion != "" {
		b.WriteString("; did you mean " + e.Suggestion + "?")
	}
	text, indent, width := e.window()
	if text == "" {
		return b.String()
	}
	b.WriteString("\n  " + text + "\n  " + strings.Repeat(" ", indent) + strings.Repeat("^", max(1, width)))
	return b.String()
}

// windowSize is how many bytes of a long expression are shown on each side of a mistake.
const windowSize = 60

// window returns the part of the text around the mistake, and where in it the mistake
// starts and how wide it is, in characters.
func (e *Error) window() (text string, indent, width int) {
	pos := min(e.Pos, len(e.Text))
	end := max(pos, min(e.End, len(e.Text)))
	from, to := max(0, pos-windowSize), min(len(e.Text), pos+windowSize)
	for from > 0 && !utf8.RuneStart(e.Text[from]) {
		from--
	}
	for to < len(e.Text) && !utf8.RuneStart(e.Text[to]) {
		to++
	}
	end = min(end, to)
	before, marked, after := oneLine(e.Text[from:pos]), oneLine(e.Text[pos:end]), oneLine(e.Text[end:to])
	if from > 0 {
		before = "..." + before
	}
	if to < len(e.Text) {
		after += "..."
	}
	return before + marked + after, utf8.RuneCountInString(before), utf8.RuneCountInString(marked)
}

// oneLine keeps the place of every character, so that a mark below it fits.
func oneLine(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}
