package demo

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/flowhound/flowhound/plugin/hit"
)

// width is what every line fits in, in columns. Only a reference may be longer.
const width = 120

// Table sums up hits: who talked to what, how often, and which list knew it.
// The zero value is empty and ready. It is not safe for concurrent use.
type Table struct {
	Times bool // also print when each was first and last seen

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
		return cmp.Or(
			cmp.Compare(b.last.Severity, a.last.Severity),
			cmp.Compare(b.flows, a.flows),
			a.last.Local.Compare(b.last.Local),
			a.last.Remote.Compare(b.last.Remote),
			cmp.Compare(a.last.ID, b.last.ID))
	})

	var notes notes
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	times := ""
	if t.Times {
		times = "FIRST\tLAST\t"
	}
	fmt.Fprintln(tw, "SEVERITY\tLOCAL\t\tREMOTE\tSTATE\tFLOWS\tBYTES\t"+times+"LIST\tREF")
	for _, r := range rows {
		if t.Times {
			times = r.from.Local().Format("Jan _2 15:04") + "\t" + r.to.Local().Format("Jan _2 15:04") + "\t"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s%s\t%s\n",
			r.last.Severity, among(r.last.Local, r.locals), arrow(r.last.Direction), among(r.last.Remote, r.remotes),
			r.last.State, r.flows, size(r.traffic), times, r.last.Feed, notes.number(&r.last))
	}
	if err := tw.Flush(); err != nil {
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
	return fmt.Sprintf("hits: %d%s, in %d lines", total, detail, t.hits)
}

// PrintSummary writes one line: the flow records that were read, from how many
// exporters, and how many of them hit.
func (t *Table) PrintSummary(w io.Writer, flows uint64, exporters int) error {
	_, err := fmt.Fprintf(w, "flows read: %d, from %d exporters, %s\n", flows, exporters, t.Counts())
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

// size returns n bytes in at most six characters.
func size(n uint64) string {
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
		n.lines = append(n.lines, shorten(mark+" "+text, len(mark)+1+len(h.Ref)))
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
func shorten(line string, keep int) string {
	r := []rune(line)
	if len(r) <= width {
		return line
	}
	if keep >= width-1 {
		return line[:keep]
	}
	return string(r[:width-1]) + "…"
}
