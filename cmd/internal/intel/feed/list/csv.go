package list

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// header is what the first row of a CSV document tells: where each column
// stands, from 0, or -1.
type header struct {
	comma                                       rune
	indicator, category, score, ref, name, tags int
	port, firstSeen, lastSeen, expires          int
}

// The names of columns in the lists that people have, in lower case, the best first.
var (
	indicatorColumns = []string{"indicator", "ioc", "ioc_value", "ip", "ip_address", "ipaddress", "ipv4", "ipv6", "address", "addr",
		"dst_ip", "dstip", "src_ip", "srcip", "network", "cidr", "prefix", "subnet", "observable", "value", "domain", "hostname", "fqdn", "host", "url"}
	categoryColumns  = []string{"category", "threat_type", "threat", "classification"}
	scoreColumns     = []string{"confidence", "confidence_level", "score"}
	refColumns       = []string{"reference", "ref", "link", "urlhaus_link"}
	nameColumns      = []string{"name", "comment", "description", "title", "malware_printable", "malware", "malware_family"}
	tagsColumns      = []string{"tags", "tag"}
	portColumns      = []string{"port", "dst_port", "dstport"}
	firstSeenColumns = []string{"first_seen", "first_seen_utc", "firstseen", "dateadded", "date_added", "created"}
	lastSeenColumns  = []string{"last_seen", "last_seen_utc", "lastseen", "last_online", "updated", "modified"}
	expiresColumns   = []string{"expires", "expiration", "valid_until"}
)

// header looks for a CSV header in the first line, or in the comment before it,
// where abuse.ch puts it. It returns nil where the list is no CSV; isFirst says
// that the first line was the header and is no record.
func (p *parser) header(first, comment string) (h *header, isFirst bool, err error) {
	if p.Format != CSV && p.Format != Auto {
		return nil, false, nil
	}
	for _, line := range []string{first, strings.TrimLeft(comment, "#; \t")} {
		h := p.readHeader(line)
		if h != nil && (line == first || strings.ContainsRune(first, h.comma)) {
			return h, line == first, nil
		}
	}
	if p.Format == Auto {
		return nil, false, nil
	}
	if p.Column != "" {
		return nil, false, fmt.Errorf("CSV header has no column %q: %s", p.Column, ingest.Text(first, 200))
	}
	return nil, false, fmt.Errorf("CSV header has no column with a usual name (indicator, ip, cidr, domain, url, ...); name it with column: %s", ingest.Text(first, 200))
}

func (p *parser) readHeader(line string) *header {
	for _, comma := range []rune{',', ';', '\t'} {
		if comma == '\t' && p.Format == Auto {
			break // IPsum and DShield have such headers and are no CSV
		}
		r := csv.NewReader(strings.NewReader(line))
		r.Comma, r.TrimLeadingSpace = comma, true
		names, err := r.Read()
		if err != nil || len(names) < 2 && p.Format == Auto {
			continue
		}
		for i := range names {
			names[i] = strings.ToLower(strings.TrimSpace(names[i]))
		}
		wanted := indicatorColumns
		if p.Column != "" {
			wanted = []string{strings.ToLower(p.Column)}
		}
		h := &header{comma: comma, indicator: find(names, wanted)}
		if h.indicator < 0 {
			continue
		}
		h.category, h.score = find(names, categoryColumns), find(names, scoreColumns)
		h.ref, h.name, h.tags = find(names, refColumns), find(names, nameColumns), find(names, tagsColumns)
		h.port, h.expires = find(names, portColumns), find(names, expiresColumns)
		h.firstSeen, h.lastSeen = find(names, firstSeenColumns), find(names, lastSeenColumns)
		return h
	}
	return nil
}

// find returns where the first of the wanted names stands, or -1.
func find(names, wanted []string) int {
	for _, w := range wanted {
		if at := slices.Index(names, w); at >= 0 {
			return at
		}
	}
	return -1
}

// records reads the rows; the current line is the first of them unless it was
// the header.
func (p *parser) records(h *header, wasHeader bool) {
	rows := ingest.NewRows(h.comma)
	for ok := !wasHeader || p.lines.Next(); ok; ok = p.lines.Next() {
		if isComment(p.lines.Text()) || p.full() {
			continue
		}
		first := p.lines.N()
		lines := p.record()
		if p.entry(h, rows, strings.Join(lines, "\n"), first) || len(lines) == 1 {
			continue
		}
		for at, line := range lines[1:] { // the quote was a slip: what follows stands for itself
			p.entry(h, rows, line, first+1+at)
		}
	}
}

// maxRecordLines bounds a record whose quotes hold line ends.
const maxRecordLines = 50

// record returns the current line and, while a quote is open, those after it.
func (p *parser) record() []string {
	lines := []string{string(p.lines.Raw())}
	for open := strings.Count(lines[0], `"`)%2 == 1; open && len(lines) < maxRecordLines && p.lines.Next(); {
		line := string(p.lines.Raw())
		lines = append(lines, line)
		open = strings.Count(line, `"`)%2 == 0
	}
	return lines
}

// entry takes one record, and reports whether it was whole.
func (p *parser) entry(h *header, rows *ingest.Rows, text string, line int) bool {
	fields, err := rows.Read(text)
	if err == nil && len(fields) > h.indicator {
		p.row(h, fields)
		return true
	}
	p.not++
	p.drops.Add(ingest.BadRecord, line, text)
	return false
}

// row makes an indicator of one record.
func (p *parser) row(h *header, fields []string) {
	field := func(at int) string {
		if at < 0 || at >= len(fields) {
			return ""
		}
		switch s := strings.TrimSpace(fields[at]); s {
		case "-", "None", "none", "null", "NULL":
			return ""
		default:
			return s
		}
	}
	i := p.template
	if c, ok := ingest.Category(field(h.category)); ok {
		i.Category = c
	} else if c, ok := ingest.TagCategory(field(h.tags)); ok {
		i.Category = c
	}
	if n, err := strconv.ParseUint(field(h.score), 10, 8); err == nil && n <= 100 {
		i.Score = uint8(n)
	}
	if n, err := strconv.ParseUint(field(h.port), 10, 16); err == nil {
		i.Port = uint16(n)
	}
	i.Ref = cmp.Or(ingest.Link(field(h.ref)), i.Ref)
	i.Name = cmp.Or(ingest.Text(field(h.name), ingest.MaxName), i.Name)
	i.Tags = cmp.Or(ingest.Text(field(h.tags), ingest.MaxTags), i.Tags)
	i.FirstSeen, i.LastSeen, i.Expires = ingest.When(field(h.firstSeen)), ingest.When(field(h.lastSeen)), ingest.When(field(h.expires))
	p.take(field(h.indicator), i)
}
