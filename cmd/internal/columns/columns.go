// Package columns prints tables for people: cells in columns that fit the width of the
// terminal, with colour. It does not decide what is printed.
package columns

import (
	"bufio"
	"io"
	"strings"
	"unicode/utf8"
)

// gap is what stands between two columns.
const gap = "  "

// Table is a table in the making. The zero value has no columns.
type Table struct {
	// Head names the columns.
	Head []string
	// Drop lists the columns, by their numbers, that can be missed where all would not
	// fit, the first to go first.
	Drop []int
	// Paint colours the text of a cell; nil: none is coloured. row counts from 0, -1 is
	// the head.
	Paint func(row, column int, text string) string

	rows [][]string
}

// Row adds a row, of as many cells as Head has. Line ends in a cell become "; ".
func (t *Table) Row(cells ...string) {
	for i := range cells {
		cells[i] = strings.ReplaceAll(cells[i], "\n", "; ")
	}
	t.rows = append(t.rows, cells)
}

// Print writes the table in lines of at most width columns; 0: of any width. Columns of
// Drop go first; then the last column is cut, for which "…" stands.
func (t *Table) Print(w io.Writer, width int) error {
	shown := t.choose(width)
	widths := t.widths()
	out := bufio.NewWriter(w)
	for n := -1; n < len(t.rows); n++ {
		cells := t.Head
		if n >= 0 {
			cells = t.rows[n]
		}
		at := 0
		for i, c := range shown {
			text := cells[c]
			last := i == len(shown)-1
			if last && width > 0 {
				text = Cut(text, max(width-at, 1))
			}
			pad := ""
			if !last {
				pad = strings.Repeat(" ", widths[c]-utf8.RuneCountInString(text)) + gap
			}
			at += utf8.RuneCountInString(text) + len(pad)
			if t.Paint != nil && text != "" {
				text = t.Paint(n, c, text)
			}
			_, _ = out.WriteString(text + pad)
		}
		_ = out.WriteByte('\n')
	}
	return out.Flush()
}

// choose returns the columns that are shown.
func (t *Table) choose(width int) (shown []int) {
	gone := map[int]bool{}
	for n := 0; ; n++ {
		shown, total := shown[:0], 0
		for c, w := range t.widths() {
			if !gone[c] {
				shown = append(shown, c)
				total += w + len(gap)
			}
		}
		if width <= 0 || total-len(gap) <= width || n == len(t.Drop) {
			return shown
		}
		gone[t.Drop[n]] = true
	}
}

func (t *Table) widths() []int {
	widths := make([]int, len(t.Head))
	for c, h := range t.Head {
		widths[c] = utf8.RuneCountInString(h)
	}
	for _, r := range t.rows {
		for c, text := range r {
			widths[c] = max(widths[c], utf8.RuneCountInString(text))
		}
	}
	return widths
}

// Cut returns text in at most width columns, with "…" for what is gone.
func Cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	if width <= 1 {
		return "…"
	}
	return string([]rune(text)[:width-1]) + "…"
}
