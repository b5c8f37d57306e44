package show

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/history/query"
)

// TopTable prints an answer as a table: in the head how many records, groups and what
// total, as rwstats has it, then a line for each group with its share and the share of
// all until there.
func TopTable(w io.Writer, t *query.Top, o *query.TopOptions, zone *time.Location, terminal int) error {
	names := make([]string, len(o.Keys))
	for i, k := range o.Keys {
		names[i] = k.Name
	}
	about := ""
	if t.Estimated {
		about = "about "
	}
	head := fmt.Sprintf("%s, %s%s of %s", several(t.Records, "record", "records"), about, several(uint64(t.Groups), "bin", "bins"), strings.Join(names, ","))
	if t.Total > 0 && o.Value != query.CountFlows {
		head += fmt.Sprintf(", %d %s in total", t.Total, o.Value)
	}
	if _, err := fmt.Fprintln(w, head); err != nil || len(t.Rows) == 0 {
		return err
	}
	var columns []tableColumn
	for _, k := range o.Keys {
		columns = append(columns, tableColumn{name: strings.ToUpper(k.Name), right: k.Step == 0 && rightAligned(t.Rows[0].Key[len(columns)])})
	}
	columns = append(columns, tableColumn{name: strings.ToUpper(o.Value.String()), right: true}, tableColumn{name: "%", right: true, goes: 2}, tableColumn{name: "CUMULATIVE %", right: true, goes: 1})
	rows := make([][]string, len(t.Rows))
	room := make([]string, 0, len(t.Rows)*len(columns))
	for i, r := range t.Rows {
		rows[i] = room[len(room) : len(room) : len(room)+len(columns)]
		room = room[:len(room)+len(columns)]
		for k, v := range r.Key {
			if i > 0 && v == t.Rows[i-1].Key[k] { // as times of a series are
				rows[i] = append(rows[i], rows[i-1][k])
				continue
			}
			rows[i] = append(rows[i], cell(&o.Keys[k], v, zone))
		}
		rows[i] = append(rows[i], strconv.FormatUint(r.Value, 10), "", "")
		if t.Total > 0 {
			rows[i][len(rows[i])-2], rows[i][len(rows[i])-1] = percent(r.Percent), percent(r.Cumulative)
		}
	}
	l := fit(columns, rows, terminal)
	if err := l.head(w); err != nil {
		return err
	}
	for _, cells := range rows {
		if err := l.print(w, cells); err != nil {
			return err
		}
	}
	return nil
}

func several(n uint64, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatUint(n, 10) + " " + more
}

func percent(p float64) string { return strconv.FormatFloat(p, 'f', 2, 64) }

func rightAligned(v any) bool {
	_, ok := v.(uint64)
	return ok
}

// cell is a key's value as a table has it.
func cell(k *query.Key, v any, zone *time.Location) string {
	switch v := v.(type) {
	case string:
		return v
	case time.Time:
		if k.Step >= 24*time.Hour {
			return v.In(zone).Format(time.DateOnly)
		}
		return v.In(zone).Format("2006-01-02 15:04")
	case uint64:
		switch k.Field {
		case query.Proto:
			return protocol(uint8(v))
		case query.Flags:
			return flags(uint16(v))
		}
	}
	return fmt.Sprint(v)
}

// TopJSON prints an answer as JSON, an object a line: the first has records, bins and
// total, the others the fields by their names, value, percent and cumulative.
func TopJSON(w io.Writer, t *query.Top, o *query.TopOptions) error {
	head := struct {
		Records   uint64  `json:"records"`
		Bins      int     `json:"bins"`
		Estimated bool    `json:"bins_estimated,omitempty"`
		Total     *uint64 `json:"total,omitempty"`
	}{t.Records, t.Groups, t.Estimated, nil}
	if o.Value < query.CountSources {
		head.Total = &t.Total
	}
	enc := json.NewEncoder(w)
	if err := enc.Encode(head); err != nil {
		return err
	}
	for _, r := range t.Rows {
		b := []byte{'{'}
		for i, k := range o.Keys {
			b = append(strconv.AppendQuote(b, k.Name), ':')
			if n, ok := r.Key[i].(uint64); ok {
				b = strconv.AppendUint(b, n, 10)
			} else {
				text, err := json.Marshal(r.Key[i])
				if err != nil {
					return err
				}
				b = append(b, text...)
			}
			b = append(b, ',')
		}
		b = strconv.AppendUint(append(b, `"value":`...), r.Value, 10)
		if head.Total != nil {
			b = append(append(append(b, `,"percent":`...), percent(r.Percent)...), `,"cumulative":`...)
			b = append(b, percent(r.Cumulative)...)
		}
		if _, err := w.Write(append(b, "}\n"...)); err != nil {
			return err
		}
	}
	return nil
}

// TopCSV prints an answer as comma-separated values with a line of names.
func TopCSV(w io.Writer, t *query.Top, o *query.TopOptions) error {
	var b strings.Builder
	for _, k := range o.Keys {
		b.WriteString(k.Name + ",")
	}
	b.WriteString(o.Value.String() + ",percent,cumulative\n")
	for _, r := range t.Rows {
		for _, v := range r.Key {
			if at, ok := v.(time.Time); ok {
				v = at.Format(time.RFC3339)
			}
			fmt.Fprintf(&b, "%v,", v)
		}
		if t.Total > 0 {
			fmt.Fprintf(&b, "%d,%s,%s\n", r.Value, percent(r.Percent), percent(r.Cumulative))
		} else {
			fmt.Fprintf(&b, "%d,,\n", r.Value)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
