// Package columns prints tables for people: cells in columns that fit the width of the
// terminal, with colour. It does not decide what is printed.
package columns

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/flowhound/flowhound/cmd/internal/parallel"
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
	// the head. It is called for several rows at once.
	Paint func(row, column int, text string) string

	pieces []Cells
}

// inPiece is how many rows are made and printed by one processor: a table can have 50,000.
const inPiece = 256

// Cells are those of some rows, in the making.
type Cells struct {
	text   []byte // of all cells, one behind the other
	ends   []int  // of each cell, in text
	widths []int  // of the columns
}

// Text adds the next cell of a row. Line ends become "; ".
func (c *Cells) Text(text string) {
	if strings.Contains(text, "\n") {
		text = strings.ReplaceAll(text, "\n", "; ")
	}
	c.text = append(c.text, text...)
	c.ends = append(c.ends, len(c.text))
}

// Append is Text for a text without line ends, which add appends to what it is given.
func (c *Cells) Append(add func([]byte) []byte) {
	c.text = add(c.text)
	c.ends = append(c.ends, len(c.text))
}

// cell returns the text of a cell; all are counted in the order in which they came.
func (c *Cells) cell(n int) []byte {
	from := 0
	if n > 0 {
		from = c.ends[n-1]
	}
	return c.text[from:c.ends[n]]
}

// measure sets the widths of so many columns.
func (c *Cells) measure(columns int) {
	c.widths = make([]int, columns)
	for n := range c.ends {
		c.widths[n%columns] = max(c.widths[n%columns], utf8.RuneCount(c.cell(n)))
	}
}

// Row adds a row, of as many cells as Head has.
func (t *Table) Row(cells ...string) {
	if n := len(t.pieces); n == 0 || len(t.pieces[n-1].ends) >= inPiece*len(t.Head) {
		t.pieces = append(t.pieces, Cells{})
	}
	c := &t.pieces[len(t.pieces)-1]
	for _, text := range cells {
		c.Text(text)
	}
}

// Rows adds n rows: row adds the cells of each to c. It is called for several rows at once.
func (t *Table) Rows(n int, row func(i int, c *Cells)) {
	first := len(t.pieces)
	t.pieces = append(t.pieces, make([]Cells, (n+inPiece-1)/inPiece)...)
	parallel.Pieces(n, inPiece, func(from, to int) {
		c := &t.pieces[first+from/inPiece]
		c.ends = make([]int, 0, (to-from)*len(t.Head))
		for i := from; i < to; i++ {
			row(i, c)
		}
	})
}

// Print writes the table in lines of at most width columns; 0: of any width. Columns of
// Drop go first; then the last column is cut, for which "…" stands.
func (t *Table) Print(w io.Writer, width int) error {
	head := Cells{}
	for _, name := range t.Head {
		head.Text(name)
	}
	p := printing{Table: t, width: width}
	pieces := append([]Cells{head}, t.pieces...)
	parallel.Do(len(pieces), func(i int) { pieces[i].measure(len(t.Head)) })
	p.widths = slices.Clone(pieces[0].widths)
	for i := range pieces {
		for c, w := range pieces[i].widths {
			p.widths[c] = max(p.widths[c], w)
		}
	}
	p.choose()
	first := make([]int, len(pieces)) // row of each piece; the head is row -1
	for i := range pieces {
		if i > 0 {
			first[i] = first[i-1] + len(pieces[i-1].ends)/len(t.Head)
		}
	}
	return parallel.Write(w, len(pieces), 1, func(b []byte, i int) []byte { return p.lines(b, &pieces[i], first[i]-1) })
}

// printing is a table that is printed.
type printing struct {
	*Table
	width  int
	widths []int // of all columns
	shown  []int // columns
}

// spaces is what columns are filled up with.
var spaces = bytes.Repeat([]byte{' '}, 80)

// lines appends the lines of some rows, the number of the first of which is given.
func (p *printing) lines(b []byte, of *Cells, row int) []byte {
	for n := 0; n < len(of.ends); n += len(p.Head) {
		at := 0
		for i, c := range p.shown {
			text := of.cell(n + c)
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
			for b = append(b, text...); pad > 0; pad -= len(spaces) {
				b = append(b, spaces[:min(pad, len(spaces))]...)
			}
		}
		b = append(b, '\n')
		row++
	}
	return b
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
