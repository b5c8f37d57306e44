package show

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/history/query"
	"github.com/flowhound/flowhound/cmd/internal/parallel"
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
	texts := textsOf(t, o, func(k *query.Key, v any) string { return cell(k, v, zone) })
	value, percent, cumulative := widest(t)
	var columns []tableColumn
	var widths []int
	for k := range texts {
		columns = append(columns, tableColumn{name: strings.ToUpper(names[k]), right: o.Keys[k].Step == 0 && rightAligned(texts[k].first)})
		widths = append(widths, texts[k].widest())
	}
	columns = append(columns, tableColumn{name: strings.ToUpper(o.Value.String()), right: true}, tableColumn{name: "%", right: true, goes: 2}, tableColumn{name: "CUMULATIVE %", right: true, goes: 1})
	l := fitted(columns, append(widths, value, percent, cumulative), terminal)
	if err := l.head(w); err != nil {
		return err
	}
	for k := range texts {
		texts[k].pad(l.widths[k], columns[k].right)
	}
	return parallel.Write(w, len(t.Rows), inPiece, func(line []byte, i int) []byte {
		r := &t.Rows[i]
		first := len(line)
		for n, at := range l.shown {
			if n > 0 {
				line = append(line, gap...)
			}
			if at < len(texts) {
				line = append(line, texts[at].of(i)...)
				continue
			}
			var number [32]byte
			cell := number[:0]
			switch at - len(texts) {
			case 0:
				cell = strconv.AppendUint(cell, r.Value, 10)
			case 1:
				cell = appendPercent(cell, r.Percent)
			case 2:
				cell = appendPercent(cell, r.Cumulative)
			}
			line = appendRight(line, cell, l.widths[at])
		}
		return append(line[:first+len(bytes.TrimRight(line[first:], " "))], '\n')
	})
}

// inPiece is how many rows one processor makes the lines of at a time.
const inPiece = 1024

// widest returns how many places the numbers of an answer take.
func widest(t *query.Top) (value, percent, cumulative int) {
	var most query.TopRow
	for i := range t.Rows {
		r := &t.Rows[i]
		most.Value, most.Percent, most.Cumulative = max(most.Value, r.Value), max(most.Percent, r.Percent), max(most.Cumulative, r.Cumulative)
	}
	value = len(strconv.FormatUint(most.Value, 10))
	if t.Total > 0 {
		percent, cumulative = len(appendPercent(nil, most.Percent)), len(appendPercent(nil, most.Cumulative))
	}
	return value, percent, cumulative
}

// spaces is what columns are filled up with.
const spaces = "                                        "

// appendRight appends a number to a line, at the right of its column.
func appendRight(line, number []byte, width int) []byte {
	for n := width - len(number); n > 0; n -= len(spaces) {
		line = append(line, spaces[:min(n, len(spaces))]...)
	}
	return append(line, number...)
}

func several(n uint64, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatUint(n, 10) + " " + more
}

// appendPercent appends a number from 0 to 100 with two decimals, as strconv rounds it.
func appendPercent(b []byte, p float64) []byte {
	hundredths := p * 100
	n := uint64(hundredths)
	part := hundredths - float64(n)
	if !(p >= 0 && p <= 100) || math.Abs(part-0.5) < 1e-6 { // which way it goes depends on what the product has lost
		return strconv.AppendFloat(b, p, 'f', 2, 64)
	}
	if part > 0.5 {
		n++
	}
	b = append(strconv.AppendUint(b, n/100, 10), '.')
	return append(b, byte('0'+n/10%10), byte('0'+n%10))
}

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
	if err := json.NewEncoder(w).Encode(head); err != nil {
		return err
	}
	var mu sync.Mutex
	var failed error
	texts := textsOf(t, o, func(k *query.Key, v any) string {
		value, err := json.Marshal(v)
		mu.Lock()
		defer mu.Unlock()
		failed = cmp.Or(failed, err)
		return strconv.Quote(k.Name) + ":" + string(value) + ","
	})
	if failed != nil {
		return failed
	}
	return parallel.Write(w, len(t.Rows), inPiece, func(line []byte, i int) []byte {
		r := &t.Rows[i]
		line = append(line, '{')
		for k := range texts {
			line = append(line, texts[k].of(i)...)
		}
		line = strconv.AppendUint(append(line, `"value":`...), r.Value, 10)
		if head.Total != nil {
			line = appendPercent(append(line, `,"percent":`...), r.Percent)
			line = appendPercent(append(line, `,"cumulative":`...), r.Cumulative)
		}
		return append(line, "}\n"...)
	})
}

// TopCSV prints an answer as comma-separated values with a line of names.
func TopCSV(w io.Writer, t *query.Top, o *query.TopOptions) error {
	var line []byte
	for _, k := range o.Keys {
		line = append(append(line, k.Name...), ',')
	}
	line = append(append(line, o.Value.String()...), ",percent,cumulative\n"...)
	if _, err := w.Write(line); err != nil {
		return err
	}
	texts := textsOf(t, o, func(_ *query.Key, v any) string {
		if at, ok := v.(time.Time); ok {
			v = at.Format(time.RFC3339)
		}
		return fmt.Sprint(v) + ","
	})
	return parallel.Write(w, len(t.Rows), inPiece, func(line []byte, i int) []byte {
		r := &t.Rows[i]
		for k := range texts {
			line = append(line, texts[k].of(i)...)
		}
		line = append(strconv.AppendUint(line, r.Value, 10), ',')
		if t.Total > 0 {
			line = appendPercent(append(appendPercent(line, r.Percent), ','), r.Cumulative)
		} else {
			line = append(line, ',')
		}
		return append(line, '\n')
	})
}
