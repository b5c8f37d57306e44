// Package list reads local and downloaded lists of indicators: plain lists of
// addresses, networks, ranges, domains or URLs in the dialects that the known
// lists use, CSV with a header, and files in the hosts format. It streams: a list
// of any length costs one line of memory. It opens no files and fetches nothing.
package list

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// Format says how the lines of a list are read.
type Format string

// The formats. Auto is CSV when the first line is a header that names a column
// of indicators, and Plain otherwise; there, "0.0.0.0 bad.example" and its like
// are read as the hosts format.
const (
	Auto  Format = "auto" // also when empty
	Plain Format = "plain"
	CSV   Format = "csv"
	Hosts Format = "hosts"
)

// DefaultLimit is how many indicators a list gives at most.
const DefaultLimit = 5_000_000

// ErrNotAList is returned, wrapped, for a document of which hardly a line is an indicator.
var ErrNotAList = errors.New("does not look like a list of indicators")

// Reader reads lists of one format.
type Reader struct {
	Format Format
	// Column names the CSV column that holds the indicators, in any case, and
	// makes Auto mean CSV; empty: the first of the usual names that the header has.
	Column string
}

// Parse reads a list and calls emit for each indicator, which returns why it is
// refused, or "" when it is kept. A bad line costs that line and is counted in
// the drops. The error is ingest.ErrWebPage, ingest.ErrBinary or ErrNotAList,
// wrapped, for a document that is refused as a whole, or the reader's; what was
// emitted until then should be thrown away.
func (f Reader) Parse(r io.Reader, o ingest.Options, emit ingest.Keep) (ingest.Drops, error) {
	lines, err := ingest.NewLines(r)
	if err != nil {
		return nil, err
	}
	if f.Format == "" {
		f.Format = Auto
	}
	if f.Format == Auto && f.Column != "" {
		f.Format = CSV
	}
	p := &parser{Reader: f, template: o.Template, limit: cmp.Or(o.Limit, DefaultLimit), emit: emit, lines: lines, drops: ingest.Drops{}}
	if err := p.run(); err != nil {
		return p.leftOut(), err
	}
	return p.finish()
}

type parser struct {
	Reader
	template intel.Indicator
	limit    int
	emit     ingest.Keep
	lines    *ingest.Lines
	drops    ingest.Drops
	kept     int

	// understood and not count the things of the list that could be read, used
	// or not, and those that could not: together they tell a list from prose.
	understood, not int
}

// finish judges a document that was read to its end.
func (p *parser) finish() (ingest.Drops, error) {
	err := p.lines.Err()
	if err == nil {
		err = p.judge()
	}
	return p.leftOut(), err
}

func (p *parser) leftOut() ingest.Drops {
	p.lines.CountLong(p.drops)
	return p.drops
}

func (p *parser) run() error {
	var comment string // the last one: it may be a CSV header
	for p.lines.Next() {
		line := p.lines.Text()
		if isComment(line) {
			comment = line
			continue
		}
		if line[0] == '{' || line == "[" || line == "[]" || strings.HasPrefix(line, "[{") {
			return fmt.Errorf("%w: it is JSON, and only a feed of type otx reads that", ErrNotAList)
		}
		h, isHeader, err := p.header(line, comment)
		if err != nil {
			return err
		}
		if h != nil {
			p.records(h, isHeader)
			return nil
		}
		p.each(line)
		for p.lines.Next() {
			if line := p.lines.Text(); !isComment(line) {
				p.each(line)
			}
		}
	}
	return nil
}

// isComment knows the marks of Unix, Windows, adblock and C++.
func isComment(line string) bool {
	return line[0] == '#' || line[0] == ';' || line[0] == '!' || strings.HasPrefix(line, "//")
}

func (p *parser) each(line string) {
	switch {
	case p.full():
	case p.Format == Hosts:
		p.hosts(line)
	default:
		p.plain(line)
	}
}

// full reports whether the limit is reached, and counts what is left out for it.
func (p *parser) full() bool {
	if p.kept < p.limit {
		return false
	}
	p.drops.Add(ingest.OverLimit, p.lines.N(), "")
	return true
}

// take emits the one indicator or the range that text names, with what is known
// of it in i.
func (p *parser) take(text string, i intel.Indicator) {
	if first, last, ok := cutRange(text); ok {
		networks, why := ingest.Range(first, last)
		p.count(why, text)
		for _, n := range networks {
			i.Prefix = n
			p.keep(text, i)
		}
		return
	}
	why := ingest.Parse(text, &i)
	p.count(why, text)
	if why == "" {
		p.keep(text, i)
	}
}

// count notes whether a thing of the list could be read.
func (p *parser) count(why ingest.Reason, text string) {
	if why == ingest.Unreadable || why == ingest.SingleLabel {
		p.not++
	} else {
		p.understood++
	}
	p.drops.Add(why, p.lines.N(), text)
}

func (p *parser) keep(text string, i intel.Indicator) {
	if p.full() {
		return
	}
	if why := p.emit(i); why != "" {
		p.drops.Add(why, p.lines.N(), text)
		return
	}
	p.kept++
}

// judge refuses a document when more than nine in ten of the things in it are no
// indicators: prose, an error message, source code.
func (p *parser) judge() error {
	if p.not <= 9*p.understood {
		return nil
	}
	return fmt.Errorf("%w: %d of %d entries cannot be read: %s", ErrNotAList, p.not, p.not+p.understood, p.drops)
}
