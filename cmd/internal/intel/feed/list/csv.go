package list

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// table returns how the columns of the list are read, nil when it is none with
// columns that matter: what plain reads as well, plain reads.
func (p *parser) table() (*table, error) {
	t := look(&p.in, p.Reader)
	switch {
	case p.Format == Auto && (t == nil || len(t.values) == 0):
		return nil, nil //nolint:nilnil // no table is an answer
	case p.Format == Auto && (t.names == nil || t.comma == '\t' && p.counts) && t.hits <= p.plainHits():
		return nil, nil //nolint:nilnil // no table is an answer
	case len(p.in.ahead) == 0, t != nil && len(t.values) > 0:
		return t, nil
	}
	first := ingest.Text(p.in.ahead[0].raw, 200)
	if p.Column != "" {
		return nil, fmt.Errorf("CSV header has no column %q, nor are there so many columns: line %d is: %s", p.Column, p.in.ahead[0].n, first)
	}
	return nil, fmt.Errorf("no column of the CSV holds addresses, names or URLs; name the right one with column: (its name or number). Line %d is: %s", p.in.ahead[0].n, first)
}

// plainHits returns in how many lines of the sample plain finds an indicator.
func (p *parser) plainHits() (hits int) {
	found := false
	trial := &parser{Reader: p.Reader, limit: p.limit, counts: p.counts, drops: ingest.Drops{}, emit: func(*intel.Indicator) ingest.Reason { found = true; return "" }}
	for _, l := range p.in.ahead {
		found = false
		trial.plain(strings.TrimSpace(l.raw))
		if found {
			hits++
		}
	}
	return hits
}

// records reads the rows.
func (p *parser) records(t *table) {
	if t == nil {
		return
	}
	if t.inFirst && !p.in.next() {
		return
	}
	for p.in.next() {
		if p.full() {
			continue
		}
		first := p.in.now.n
		lines, whole := p.record(t.comma)
		if whole {
			p.entry(t, strings.Join(lines, "\n"), first, true)
			continue
		}
		for at, line := range lines { // the quote was a slip: every line stands for itself
			p.entry(t, line, first+at, false)
		}
	}
}

// maxRecordLines bounds a record whose quotes hold line ends.
const maxRecordLines = 50

// record returns the current line and, while a quote is open, those after it, and
// whether that ends.
func (p *parser) record(comma byte) (lines []string, whole bool) {
	lines = append(p.joined[:0], p.in.now.raw)
	text := lines[0]
	_, open := ingest.Split(text, comma, p.fields)
	for open && len(lines) < maxRecordLines && p.in.next() {
		lines = append(lines, p.in.now.raw)
		text += "\n" + p.in.now.raw
		if strings.Contains(p.in.now.raw, `"`) {
			_, open = ingest.Split(text, comma, p.fields)
		}
	}
	p.joined = lines
	return lines, !open
}

// entry takes one record. quoted says that its quotes are to be heard.
func (p *parser) entry(t *table, text string, line int, quoted bool) {
	if quoted {
		p.fields, _ = ingest.Split(text, t.comma, p.fields)
	} else {
		p.fields = strings.Split(text, string(t.comma))
	}
	p.in.now.n = line
	for _, at := range t.values {
		if at < len(p.fields) {
			p.row(t, p.fields)
			return
		}
	}
	p.not++
	p.drops.Add(ingest.BadRecord, line, text)
}

// row makes an indicator of one record.
func (p *parser) row(t *table, fields []string) {
	field := func(at int) string {
		if at < 0 || at >= len(fields) {
			return ""
		}
		switch s := strings.TrimSpace(fields[at]); s {
		case "-", "None", "none", "null", "NULL", "N/A", "n/a", "NA", "nan", "NaN":
			return ""
		default:
			return s
		}
	}
	value := ""
	for _, at := range t.values {
		if value = field(at); value != "" {
			if t.names == nil && p.Column == "" {
				p.pairedPort(field(at+1), t)
			}
			break
		}
	}
	get := func(r role) string { return field(t.role[r]) }
	is := hostKind
	if t.role[kind] >= 0 {
		is = t.kindOf(get(kind))
	}
	switch {
	case is == otherKind:
		p.count(ingest.Unsupported, value)
		return
	case isFalse(get(toIDs)):
		p.count(ingest.Context, value)
		return
	case isFalse(get(active)), isTrue(get(inactive)):
		p.count(ingest.Inactive, value)
		return
	}
	i := p.template
	i.Port = p.paired
	p.paired = 0
	if why := p.describe(&i, get); why != "" {
		p.count(why, cmp.Or(get(expires), value))
		return
	}
	p.value(value, is, get, i)
}

// value takes the indicator of a record.
func (p *parser) value(text string, is what, get func(role) string, i intel.Indicator) {
	if end := get(rangeEnd); end != "" && isAddress(text) && isAddress(end) {
		text += "-" + end
	} else if mask := get(netmask); mask != "" && isAddress(text) {
		text += "/" + strings.TrimPrefix(mask, "/")
	}
	if is == urlKind && !strings.Contains(text, "://") && strings.Contains(text, "/") {
		text = "http://" + text
	}
	p.take(text, i)
}

// describe writes into i what a record says of its indicator. It returns why there
// is none: an end that cannot be read must not pass for none.
func (p *parser) describe(i *intel.Indicator, get func(role) string) ingest.Reason {
	if c, ok := ingest.Category(get(category)); ok {
		i.Category = c
	} else if c, ok := ingest.TagCategory(get(tags)); ok {
		i.Category = c
	}
	if n, err := strconv.ParseUint(get(score), 10, 8); err == nil && n <= 100 {
		i.Score = uint8(n)
	}
	if n, err := strconv.ParseUint(get(port), 10, 16); err == nil {
		i.Port = uint16(n)
	}
	i.Ref = cmp.Or(ingest.Link(get(ref)), i.Ref)
	i.Name = cmp.Or(ingest.Text(get(name), ingest.MaxName), i.Name)
	i.Tags = cmp.Or(ingest.Text(get(tags), ingest.MaxTags), i.Tags)
	var first, last, ends bool
	i.FirstSeen, first = ingest.Time(get(firstSeen), p.now)
	i.LastSeen, last = ingest.Time(get(lastSeen), p.now)
	i.Expires, ends = ingest.Time(get(expires), p.now)
	switch {
	case !ends:
		return ingest.BadExpiry
	case !first:
		p.drops.Add(ingest.BadTime, p.in.now.n, get(firstSeen))
	case !last:
		p.drops.Add(ingest.BadTime, p.in.now.n, get(lastSeen))
	}
	return ""
}

// pairedPort notes the port of a list without a header in which one stands behind
// the address. A bar before it says so; elsewhere it could be a count.
func (p *parser) pairedPort(next string, t *table) {
	p.paired = 0
	if p.counts && t.comma != '|' {
		return
	}
	if n, err := strconv.ParseUint(next, 10, 16); err == nil {
		p.paired = uint16(n)
	}
}

func isFalse(s string) bool {
	switch strings.ToLower(s) {
	case "0", "false", "no", "f", "n":
		return true
	}
	return false
}

func isTrue(s string) bool {
	switch strings.ToLower(s) {
	case "1", "true", "yes", "t", "y":
		return true
	}
	return false
}
