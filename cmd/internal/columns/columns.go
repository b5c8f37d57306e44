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

	text []byte // of all cells, one behind the other: a table can have 400,000
	ends []int  // of each cell, in text
}

// Row adds a row, of as many cells as Head has.
func (t *Table) Row(cells ...string) {
	for _, c := range cells {
		t.Cell(c)
	}
}

// Cell adds the next cell of a row. Line ends become "; ".
func (t *Table) Cell(text string) {
	if strings.Contains(text, "\n") {
		text = strings.ReplaceAll(text, "\n", "; ")
	}
	t.text = append(t.text, text...)
	t.ends = append(t.ends, len(t.text))
}

// Append is Cell for a text without line ends, which add appends to what it is given.
func (t *Table) Append(add func([]byte) []byte) {
	t.text = add(t.text)
	t.ends = append(t.ends, len(t.text))
}

// cell returns the text of a cell; all are counted in the order in which they came.
func (t *Table) cell(n int) []byte {
	from := 0
	if n > 0 {
		from = t.ends[n-1]
	}
	return t.text[from:t.ends[n]]
}

// Print writes the table in lines of at most width columns; 0: of any width. Columns of
// Drop go first; then the last column is cut, for which "…" stands.
func (t *Table) Print(w io.Writer, width int) error {
	p := printing{Table: t, out: bufio.NewWriter(w), widths: t.widths(), width: width}
	p.choose()
	p.line(-1, func(c int) []byte { return []byte(t.Head[c]) })
	for n := 0; n < len(t.ends); n += len(t.Head) {
		p.line(n/len(t.Head), func(c int) []byte { return t.cell(n + c) })
	}
	return p.out.Flush()
}

// printing is a table that is printed.
type printing struct {
	*Table
	out    *bufio.Writer
	width  int
	widths []int // of all columns
	shown  []int // columns
	spaces []byte
}

// line writes a row.
func (p *printing) line(row int, cell func(column int) []byte) {
	at := 0
	for i, c := range p.shown {
		text := cell(c)
		last := i == len(p.shown)-1
		if last && p.width > 0 {
			text = []byte(Cut(string(text), max(p.width-at, 1)))
		}
		pad := 0
		if !last {
			pad = p.widths[c] - utf8.RuneCount(text) + len(gap)
			at += p.widths[c] + len(gap)
		}
		if p.Paint != nil && len(text) > 0 {
			text = []byte(p.Paint(row, c, string(text)))
		}
		_, _ = p.out.Write(text)
		for len(p.spaces) < pad {
			p.spaces = append(p.spaces, ' ')
		}
		_, _ = p.out.Write(p.spaces[:pad])
	}
	_ = p.out.WriteByte('\n')
}

// choose sets the columns that are shown.
func (p *printing) choose() {
	gone := map[int]bool{}
	for n := 0; ; n++ {
		shown, total := p.shown[:0], 0
		for c, w := range p.widths {
			if !gone[c] {
				shown = append(shown, c)
				total += w + len(gap)
			}
		}
		if p.shown = shown; p.width <= 0 || total-len(gap) <= p.width || n == len(p.Drop) {
			return
		}
		gone[p.Drop[n]] = true
	}
}

func (t *Table) widths() []int {
	widths := make([]int, len(t.Head))
	for c, h := range t.Head {
		widths[c] = utf8.RuneCountInString(h)
	}
	for n := 0; n < len(t.ends); n += len(widths) {
		for c := range widths {
			widths[c] = max(widths[c], utf8.RuneCount(t.cell(n+c)))
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
