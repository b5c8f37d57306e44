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
	"github.com/flowhound/flowhound/cmd/internal/parallel"
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
	last   *note // that was added
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

// row is what a row tells, of the last hit that has it unless something else is said.
type row struct {
	severity        hit.Severity
	direction       hit.Direction
	state           hit.State
	local, remote   netip.Addr
	host, feed, id  string
	because         *note
	regular         *hit.Regular // of the last hit that has one: it tells of the whole series
	from, to        time.Time    // first and last seen
	locals, remotes int          // distinct addresses behind a folded line, else 0
	flows, traffic  uint64
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
	r.severity, r.direction, r.state, r.local, r.remote, r.host = h.Severity, h.Direction, h.State, h.Local, h.Remote, localHost(h)
	r.feed, r.id, r.because = h.Feed, h.ID, t.note(note{ref: h.Ref, name: h.Name, shared: h.Shared, scanner: h.Scanner})
	if h.Regular != nil {
		r.regular = h.Regular
	}
	locals, remotes := h.Sources, h.Targets
	if h.Local == h.Dst {
		locals, remotes = remotes, locals
	}
	r.locals, r.remotes = max(r.locals, locals), max(r.remotes, remotes)
	r.flows += h.Count
	r.traffic += h.Bytes
}

// note returns where a note stands. Most hits of a list have the same one.
func (t *Table) note(n note) *note {
	if t.last == nil || *t.last != n {
		t.last = &n
	}
	return t.last
}

// Empty reports whether no hit was added.
func (t *Table) Empty() bool { return len(t.rows) == 0 }

// Print writes the table, worst severity and most flows first, and under it the
// references whole. It writes nothing when no hit was added.
func (t *Table) Print(w io.Writer) error {
	if len(t.rows) == 0 {
		return nil
	}
	rows := t.sorted()
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
			return t.Paint(rows[row].severity, text)
		}
	}
	marks := make([]string, len(rows)) // in their order
	for i, r := range rows {
		marks[i] = notes.number(r)
	}
	tab.Rows(len(rows), func(i int, c *columns.Cells) {
		r := rows[i]
		c.Text(r.severity.String())
		c.Append(func(b []byte) []byte { return appendNamed(b, r.local, r.host, r.locals) })
		c.Text(arrow(r.direction))
		c.Append(func(b []byte) []byte { return appendAmong(b, r.remote, r.remotes) })
		c.Text(string(r.state))
		c.Append(func(b []byte) []byte { return strconv.AppendUint(b, r.flows, 10) })
		c.Append(func(b []byte) []byte { return appendSize(b, r.traffic) })
		if t.Times {
			c.Append(func(b []byte) []byte { return r.from.Local().AppendFormat(b, "Jan _2 15:04") })
			c.Append(func(b []byte) []byte { return r.to.Local().AppendFormat(b, "Jan _2 15:04") })
		}
		c.Text(r.feed)
		c.Text(marks[i])
	})
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

// sorted returns the rows in their order.
func (t *Table) sorted() []*row {
	type ranked struct { // beside each other: 50,000 rows are not
		traffic  uint64
		severity hit.Severity
		flows    uint64
		*row
	}
	all := make([]ranked, 0, len(t.rows))
	for _, r := range t.rows {
		one := ranked{severity: r.severity, flows: r.flows, row: r}
		if t.Top > 0 {
			one.traffic = r.traffic
		}
		all = append(all, one)
	}
	all = parallel.Sort(all, func(a, b ranked) int {
		if c := cmp.Or(cmp.Compare(b.traffic, a.traffic), cmp.Compare(b.severity, a.severity), cmp.Compare(b.flows, a.flows)); c != 0 {
			return c
		}
		return cmp.Or(a.local.Compare(b.local), a.remote.Compare(b.remote), cmp.Compare(a.id, b.id))
	})
	if t.Top > 0 {
		all = all[:min(t.Top, len(all))]
	}
	rows := make([]*row, len(all))
	for i := range all {
		rows[i] = all[i].row
	}
	return rows
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
	return string(appendNamed(nil, h.Local, localHost(h), locals))
}

func appendNamed(b []byte, local netip.Addr, host string, locals int) []byte {
	b = appendAmong(b, local, locals)
	if host == "" || locals > 1 {
		return b
	}
	return append(append(b, ' '), text.Short(host, maxHost)...)
}

// localHost returns the name of the local address's host, "" where it is not known.
func localHost(h *hit.Hit) string {
	if h.Local == h.Src {
		return h.SrcPlace.Host
	}
	return h.DstPlace.Host
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

// appendAmong appends the address and how many others it stands for.
func appendAmong(b []byte, a netip.Addr, of int) []byte {
	if a.IsValid() {
		b = a.AppendTo(b)
	} else {
		b = append(b, a.String()...)
	}
	if of > 1 {
		b = fmt.Appendf(b, " (+%d)", of-1)
	}
	return b
}

// Size returns n bytes in at most eight characters: 44.5 kB.
func Size(n uint64) string { return string(appendSize(nil, n)) }

func appendSize(b []byte, n uint64) []byte {
	const units = "kMGTPE"
	if n < 1000 {
		return append(strconv.AppendUint(b, n, 10), " B"...)
	}
	v, u := float64(n)/1000, 0
	for v >= 999.95 && u < len(units)-1 {
		v, u = v/1000, u+1
	}
	return append(strconv.AppendFloat(b, v, 'f', 1, 64), ' ', units[u], 'B')
}

// note is why something is listed, and how regularly a pair talks.
type note struct{ ref, name, regular, shared, scanner string }

func (n *note) text() string {
	text := strings.TrimSpace(n.ref + "  " + n.name)
	for _, remark := range []string{n.regular, labelled("shared", n.shared), labelled("scanner", n.scanner)} {
		if remark != "" {
			text += " (" + remark + ")"
		}
	}
	return text
}

// notes are the references under the table, each told once.
type notes struct {
	width int // 0: the usual one
	seen  map[string]string
	marks map[note]string
	lines []string
}

// number returns the mark of a row's note, "" when it has none.
func (n *notes) number(r *row) string {
	why := *r.because
	why.regular = r.regular.String()
	mark, ok := n.marks[why]
	if ok {
		return mark
	}
	if n.seen == nil {
		n.seen, n.marks = make(map[string]string), make(map[note]string)
	}
	if text := why.text(); text != "" {
		if mark, ok = n.seen[text]; !ok {
			mark = fmt.Sprintf("[%d]", len(n.seen)+1)
			n.seen[text] = mark
			n.lines = append(n.lines, n.shorten(mark+" "+text, len(mark)+1+len(why.ref)))
		}
	}
	n.marks[why] = mark
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
