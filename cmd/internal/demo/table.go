package demo

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/columns"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/text"
)

// width is what every line fits in, in columns. Only a reference may be longer.
const width = 120

// Table sums up hits: who talked to what, how often, and which list knew it.
// The zero value is empty and ready. It is not safe for concurrent use.
type Table struct {
	Times bool // also print when each was first and last seen
	// Width is what every line fits in, in columns: columns that say least are left
	// out; 0: 120 for the references, and any for the rest.
	Width int
	// Top prints the rows with most bytes only, so many of them, that first; 0: all, the
	// worst first.
	Top int
	// Paint colours what stands for a severity; nil: nothing is coloured.
	Paint func(s hit.Severity, text string) string

	rows   map[key]*row
	hits   int
	counts [hit.NumSeverities]uint64 // flow records by severity
}

// key is what one row speaks of: a pair of addresses, or the series of a line
// that was folded over many of them.
type key struct {
	severity      hit.Severity
	local, remote netip.Addr
	series        string
}

type row struct {
	last           hit.Hit
	from, to       time.Time // first and last seen
	locals         int       // distinct addresses behind a folded line, else 0
	remotes        int
	flows, traffic uint64
}

// Add counts one hit.
func (t *Table) Add(h *hit.Hit) {
	if t.Top > 0 && h.IsTest() {
		return // its bytes never flowed
	}
	t.hits++
	t.counts[h.Severity] += h.Count
	k := key{severity: h.Severity, local: h.Local, remote: h.Remote}
	if h.Sources > 1 || h.Targets > 1 {
		k = key{severity: h.Severity, series: h.Series()}
	}
	if t.rows == nil {
		t.rows = make(map[key]*row)
	}
	r := t.rows[k]
	if r == nil {
		r = new(row)
		t.rows[k] = r
	}
	if r.from.IsZero() || h.Start.Before(r.from) {
		r.from = h.Start
	}
	if h.End.After(r.to) {
		r.to = h.End
	}
	regular := r.last.Regular // it tells of the whole series
	if r.last = *h; h.Regular == nil {
		r.last.Regular = regular
	}
	locals, remotes := h.Sources, h.Targets
	if h.Local == h.Dst {
		locals, remotes = remotes, locals
	}
	r.locals, r.remotes = max(r.locals, locals), max(r.remotes, remotes)
	r.flows += h.Count
	r.traffic += h.Bytes
}

// Empty reports whether no hit was added.
func (t *Table) Empty() bool { return len(t.rows) == 0 }

// Print writes the table, worst severity and most flows first, and under it the
// references whole. It writes nothing when no hit was added.
func (t *Table) Print(w io.Writer) error {
	if len(t.rows) == 0 {
		return nil
	}
	rows := make([]*row, 0, len(t.rows))
	for _, r := range t.rows {
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b *row) int {
		most := 0
		if t.Top > 0 {
			most = cmp.Compare(b.traffic, a.traffic)
		}
		return cmp.Or(
			most,
			cmp.Compare(b.last.Severity, a.last.Severity),
			cmp.Compare(b.flows, a.flows),
			a.last.Local.Compare(b.last.Local),
			a.last.Remote.Compare(b.last.Remote),
			cmp.Compare(a.last.ID, b.last.ID))
	})

	if t.Top > 0 {
		rows = rows[:min(t.Top, len(rows))]
	}
	notes := notes{width: t.Width}
	tab := columns.Table{Head: []string{"SEVERITY", "LOCAL", "", "REMOTE", "STATE", "FLOWS", "BYTES", "FIRST", "LAST", "LIST", "REF"}, Drop: []int{7, 4, 6, 9, 8, 5}}
	if !t.Times {
		tab.Head = slices.Delete(tab.Head, 7, 9)
		tab.Drop = []int{4, 6, 7, 5}
	}
	if t.Paint != nil {
		tab.Paint = func(row, column int, text string) string {
			if row < 0 || column > 0 {
				return text
			}
			return t.Paint(rows[row].last.Severity, text)
		}
	}
	for _, r := range rows {
		cells := []string{
			r.last.Severity.String(), Named(&r.last, r.locals), arrow(r.last.Direction), among(r.last.Remote, r.remotes),
			string(r.last.State), strconv.FormatUint(r.flows, 10), Size(r.traffic),
		}
		if t.Times {
			cells = append(cells, r.from.Local().Format("Jan _2 15:04"), r.to.Local().Format("Jan _2 15:04"))
		}
		tab.Row(append(cells, r.last.Feed, notes.number(&r.last))...)
	}
	if err := tab.Print(w, t.Width); err != nil {
		return err
	}
	for _, line := range notes.lines {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// Counts says how many flow records and lines were added, by severity.
func (t *Table) Counts() string {
	total, detail := t.bySeverity()
	lines := "lines"
	if t.hits == 1 {
		lines = "line"
	}
	return fmt.Sprintf("hits: %d%s, in %d %s", total, detail, t.hits, lines)
}

// maxHost is how much of a host's name the table shows.
const maxHost = 24

// Named prints the local address with the name of its host, where that is known; or how
// many others it stands for.
func Named(h *hit.Hit, locals int) string {
	s := among(h.Local, locals)
	host := h.DstPlace.Host
	if h.Local == h.Src {
		host = h.SrcPlace.Host
	}
	if host == "" || locals > 1 {
		return s
	}
	return s + " " + text.Short(host, maxHost)
}

// PrintSummary writes one line: the flow records that were read, from how many
// exporters, and how many of them hit.
func (t *Table) PrintSummary(w io.Writer, flows uint64, exporters int) error {
	word := "exporters"
	if exporters == 1 {
		word = "exporter"
	}
	_, err := fmt.Fprintf(w, "flows read: %d, from %d %s, %s\n", flows, exporters, word, t.Counts())
	return err
}

func (t *Table) bySeverity() (total uint64, detail string) {
	var parts []string
	for s := hit.NumSeverities - 1; s >= 0; s-- {
		if n := t.counts[s]; n > 0 {
			total += n
			parts = append(parts, fmt.Sprintf("%s %d", hit.Severity(s), n))
		}
	}
	if len(parts) > 0 {
		detail = " (" + strings.Join(parts, ", ") + ")"
	}
	return total, detail
}

// arrow points from who opened the conversation to who was called.
func arrow(d hit.Direction) string {
	if d == hit.Inbound || d == hit.Transit {
		return "<-"
	}
	return "->"
}

// among returns the address and how many others it stands for.
func among(a netip.Addr, of int) string {
	if of > 1 {
		return fmt.Sprintf("%s (+%d)", a, of-1)
	}
	return a.String()
}

// Size returns n bytes in at most eight characters: 44.5 kB.
func Size(n uint64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, u := float64(n)/1000, 0
	for v >= 999.95 && u < len(units)-1 {
		v, u = v/1000, u+1
	}
	return fmt.Sprintf("%.1f %cB", v, units[u])
}

// notes are the references under the table, each told once.
type notes struct {
	width int // 0: the usual one
	seen  map[string]string
	lines []string
}

// number returns the mark of h's reference and name, "" when it has neither.
func (n *notes) number(h *hit.Hit) string {
	text := strings.TrimSpace(h.Ref + "  " + h.Name)
	for _, remark := range []string{h.Regular.String(), labelled("shared", h.Shared), labelled("scanner", h.Scanner)} {
		if remark != "" {
			text += " (" + remark + ")"
		}
	}
	if text == "" {
		return ""
	}
	if n.seen == nil {
		n.seen = make(map[string]string)
	}
	mark, ok := n.seen[text]
	if !ok {
		mark = fmt.Sprintf("[%d]", len(n.seen)+1)
		n.seen[text] = mark
		n.lines = append(n.lines, n.shorten(mark+" "+text, len(mark)+1+len(h.Ref)))
	}
	return mark
}

func labelled(label, value string) string {
	if value == "" {
		return ""
	}
	return label + ": " + value
}

// shorten cuts line to the table's width, but keeps its first keep bytes: a
// reference that is cut leads nowhere.
func (n *notes) shorten(line string, keep int) string {
	width := cmp.Or(n.width, width)
	r := []rune(line)
	if len(r) <= width {
		return line
	}
	if keep >= width-1 {
		return line[:keep]
	}
	return string(r[:width-1]) + "…"
}
