package columns

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/flowhound/flowhound/cmd/internal/parallel"
)

func TestPrint(t *testing.T) {
	tab := Table{Head: []string{"NAME", "", "TIME", "MESSAGE"}, Drop: []int{2}}
	tab.Row("é", "->", "12:00", "a message\nthat goes on")
	tab.Row("longer", "<-", "12:01", "")
	for width, want := range map[int]string{
		0:  "NAME        TIME   MESSAGE\né       ->  12:00  a message; that goes on\nlonger  <-  12:01  \n",
		30: "NAME        MESSAGE\né       ->  a message; that g…\nlonger  <-  \n",
		5:  "",
	} {
		var b strings.Builder
		if err := tab.Print(&b, width); err != nil {
			t.Fatal(err)
		}
		if want != "" && b.String() != want {
			t.Errorf("in %d columns:\n%q\nwant\n%q", width, b.String(), want)
		}
	}
	// Colour changes nothing but the colour.
	tab.Paint = func(row, column int, text string) string {
		if row == 0 && column == 0 {
			return "<" + text + ">"
		}
		return text
	}
	var b strings.Builder
	if err := tab.Print(&b, 30); err != nil || !strings.HasPrefix(b.String(), "NAME        MESSAGE\n<é>       ->  a") {
		t.Errorf("%v %q", err, b.String())
	}
	for _, tt := range []struct {
		text  string
		width int
		want  string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"abcd", 1, "…"}, {"äöü", 2, "ä…"}, {"", 0, ""}} {
		if got := Cut(tt.text, tt.width); got != tt.want || utf8.RuneCountInString(got) > max(tt.width, 1) {
			t.Errorf("%q in %d: %q", tt.text, tt.width, got)
		}
	}
}

// A long table that all processors make is the one that is made row by row.
func TestRows(t *testing.T) {
	const rows = 2*inPiece*parallel.WrittenAtOnce + 7
	cells := func(i int) []string {
		return []string{strings.Repeat("x", i%9), "é\n" + strconv.Itoa(i), strconv.Itoa(i * i)}
	}
	print := func(tab *Table) string {
		tab.Paint = func(row, column int, text string) string {
			if column == 1 {
				return "<" + strconv.Itoa(row) + ">" + text
			}
			return text
		}
		var b strings.Builder
		if err := tab.Print(&b, 20); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	one, all := Table{Head: []string{"A", "B", "C"}}, Table{Head: []string{"A", "B", "C"}}
	all.Row(cells(0)...)
	all.Rows(rows-1, func(i int, c *Cells) {
		for n, text := range cells(i + 1) {
			if n == 2 {
				c.Append(func(b []byte) []byte { return append(b, text...) })
			} else {
				c.Text(text)
			}
		}
	})
	for i := range rows {
		one.Row(cells(i)...)
	}
	if got, want := print(&all), print(&one); got != want || strings.Count(got, "\n") != rows+1 {
		t.Errorf("%d lines differ from those of the rows one by one", strings.Count(got, "\n"))
	}
}
