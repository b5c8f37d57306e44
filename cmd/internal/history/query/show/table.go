package show

import (
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/query"
)

// TableOptions say how a table of flows looks.
type TableOptions struct {
	Zone   *time.Location
	Width  int // of the terminal; 0: as wide as it comes
	Raw    bool
	Biflow bool // both directions in a line
}

// NewTable returns a Writer of a table for people. Columns that are not worth their
// room are left out: those that are always empty, then others until the table fits.
func NewTable(w io.Writer, o TableOptions) Writer { return &flowTable{w: w, o: o} }

// ahead is how many rows decide how wide columns are; what follows is not held back.
const ahead = 1000

type flowTable struct {
	w      io.Writer
	o      TableOptions
	held   [][]string
	layout *layout
}

// columns of the table in order, and in which order they go when there is no room: the
// lowest number first, 0 never.
var flowColumns = []tableColumn{
	{"START", false, 0}, {"TOOK", true, 8}, {"PROTO", false, 0}, {"FROM", false, 0}, {"CC", false, 7}, {"TO", false, 0}, {"CC", false, 7}, {"FLAGS", false, 6},
	{"PACKETS", true, 9}, {"BYTES", true, 0}, {"PACKETS BACK", true, 9}, {"BYTES BACK", true, 0}, {"NAT", false, 5}, {"IN", true, 3}, {"OUT", true, 3}, {"EXPORTER", false, 4},
}

// Flow is part of Writer.
func (t *flowTable) Flow(f *query.Found) error {
	cells := t.cells(f)
	if t.layout != nil {
		return t.layout.print(t.w, cells)
	}
	if t.held = append(t.held, cells); len(t.held) < ahead {
		return nil
	}
	return t.flush()
}

// Close is part of Writer.
func (t *flowTable) Close() error {
	if t.layout != nil || len(t.held) == 0 {
		return nil
	}
	return t.flush()
}

// flush prints the head and what was held back.
func (t *flowTable) flush() error {
	t.layout = fit(flowColumns, t.held, t.o.Width)
	if err := t.layout.head(t.w); err != nil {
		return err
	}
	for _, cells := range t.held {
		if err := t.layout.print(t.w, cells); err != nil {
			return err
		}
	}
	t.held = nil
	return nil
}

func (t *flowTable) cells(f *query.Found) []string {
	whole := f.Record.Record
	r, answered := &whole, f.Has&flow.HasReverse != 0
	if f.Has&flow.HasICMP != 0 && r.SrcPort == 0 {
		r.Has &^= flow.HasPorts // type and code say it better
	}
	out := []string{
		stamp(f.Begin(), t.o.Zone).Format("2006-01-02 15:04:05.000"), "", protocol(r.Proto), end(r.Src, r.SrcPort, r.Has), known(f.SrcCC), end(r.Dst, r.DstPort, r.Has), known(f.DstCC), "",
		t.count(query.Packets, &f.Record), t.count(query.Bytes, &f.Record), "", "", nat(r), "", "", r.Exporter.String(),
	}
	if f.Has&(flow.HasStart|flow.HasEnd) == flow.HasStart|flow.HasEnd {
		out[1] = (time.Duration(f.Millis()) * time.Millisecond).String()
	}
	if f.Has&flow.HasTCPFlags != 0 && r.Proto == 6 {
		out[7] = flags(r.TCPFlags)
	}
	if f.Has&flow.HasICMP != 0 {
		out[7] = fmt.Sprintf("type %d/%d", r.ICMPType, r.ICMPCode)
	}
	if c := f.Conversation; answered && c != nil && c.Answered {
		out[10], out[11] = t.count(query.Packets, &c.Answer), t.count(query.Bytes, &c.Answer)
	}
	if f.Has&flow.HasInIf != 0 {
		out[13] = strconv.FormatUint(uint64(r.InIf), 10)
	}
	if f.Has&flow.HasOutIf != 0 {
		out[14] = strconv.FormatUint(uint64(r.OutIf), 10)
	}
	return out
}

func (t *flowTable) count(f query.Field, r *query.Record) string {
	n, ok := r.Number(f, t.o.Raw)
	if !ok {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

func known(country string) string {
	if country == "--" {
		return ""
	}
	return country
}

func end(a flow.Addr, port uint16, has flow.Fields) string {
	if has&flow.HasPorts == 0 {
		return a.String()
	}
	return netip.AddrPortFrom(a.IP(), port).String()
}

func nat(r *flow.Record) string {
	var out []string
	if r.Has&flow.HasNATSrc != 0 {
		out = append(out, "from "+end(r.NATSrc, r.NATSrcPort, r.Has))
	}
	if r.Has&flow.HasNATDst != 0 {
		out = append(out, "to "+end(r.NATDst, r.NATDstPort, r.Has))
	}
	return strings.Join(out, " ")
}

// tableColumn is a column of a table.
type tableColumn struct {
	name  string
	right bool
	goes  int // the order in which columns are left out for want of room, 0: never
}

// layout is which columns are printed, and how wide.
type layout struct {
	columns []tableColumn
	shown   []int
	widths  []int
}

const gap = "  "

// fit lays a table out for rows.
func fit(columns []tableColumn, rows [][]string, width int) *layout {
	widths := make([]int, len(columns))
	for i := range columns {
		for _, cells := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(cells[i]))
		}
	}
	return fitted(columns, widths, width)
}

// fitted lays a table out whose columns have so wide values; 0: none.
func fitted(columns []tableColumn, widths []int, width int) *layout {
	l := &layout{columns: columns, widths: widths}
	for i, c := range columns {
		if widths[i] > 0 {
			widths[i] = max(widths[i], len(c.name))
			l.shown = append(l.shown, i)
		}
	}
	for goes := 1; width > 0 && l.width() > width && goes < 10; goes++ {
		var left []int
		for _, i := range l.shown {
			if columns[i].goes != goes {
				left = append(left, i)
			}
		}
		l.shown = left
	}
	return l
}

func (l *layout) width() int {
	n := 0
	for _, i := range l.shown {
		n += l.widths[i] + len(gap)
	}
	return n - len(gap)
}

func (l *layout) head(w io.Writer) error {
	names := make([]string, len(l.columns))
	for i, c := range l.columns {
		names[i] = c.name
	}
	return l.print(w, names)
}

func (l *layout) print(w io.Writer, cells []string) error {
	var b strings.Builder
	for n, i := range l.shown {
		if n > 0 {
			b.WriteString(gap)
		}
		pad := strings.Repeat(" ", max(0, l.widths[i]-utf8.RuneCountInString(cells[i])))
		if l.columns[i].right {
			b.WriteString(pad + cells[i])
		} else {
			b.WriteString(cells[i] + pad)
		}
	}
	_, err := io.WriteString(w, strings.TrimRight(b.String(), " ")+"\n")
	return err
}
