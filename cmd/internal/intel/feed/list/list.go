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
	"net/netip"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// Format says how the lines of a list are read.
type Format string

// The formats. Auto looks at the first lines: at what stands in them, not at what
// a header calls it. It is CSV when there is a header, or a column other than the
// first holds the indicators; the records of a zone file when it is one, such as an
// RPZ; and else Plain, where "0.0.0.0 bad.example" and its like are read as the
// hosts format.
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
	// Column is the CSV column that holds the indicators, by its name in any case or by
	// its number from 1, and makes Auto mean CSV; empty: found by what the columns hold.
	Column string
}

// Parse reads a list and calls emit for each indicator, which returns why it is
// rejected, or "" when it is kept. A bad line costs that line and is counted in
// the drops. The error is ingest.ErrWebPage, ingest.ErrBinary or ErrNotAList,
// wrapped, for a document that is rejected as a whole, or the reader's; what was
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
	p := &parser{
		Reader: f, template: o.Template, now: o.Now, limit: cmp.Or(o.Limit, DefaultLimit), emit: emit,
		in: source{lines: lines}, drops: ingest.Drops{},
	}
	if p.bare = p.eachOn; o.Alike != nil {
		p.bare = o.Alike(&p.template)
	}
	if err := p.run(); err != nil {
		return p.leftOut(), err
	}
	return p.finish()
}

type parser struct {
	Reader
	template intel.Indicator
	now      time.Time // what durations are counted from; zero: they cannot be read
	limit    int
	emit     ingest.Keep
	in       source
	drops    ingest.Drops
	kept     int

	bare   func(netip.Prefix) ingest.Reason // emits the template on a network
	given  intel.Indicator                  // what is emitted
	counts bool                             // the number behind an address says how many lists name it
	paired uint16                           // the port behind the address of a record
	fields []string                         // of the last record
	joined []string                         // its lines

	// understood and not count the things of the list that could be read, used
	// or not, and those that could not: together they tell a list from prose.
	understood, not int
}

// finish rejects a document that was read to its end and is no list.
func (p *parser) finish() (ingest.Drops, error) {
	err := p.in.lines.Err()
	if err == nil {
		err = p.rejectProse()
	}
	return p.leftOut(), err
}

func (p *parser) leftOut() ingest.Drops {
	p.in.lines.CountLong(p.drops)
	return p.drops
}

func (p *parser) run() error {
	p.in.look()
	if len(p.in.ahead) > 0 {
		if first := strings.TrimSpace(p.in.ahead[0].raw); first[0] == '{' || first == "[" || first == "[]" || strings.HasPrefix(first, "[{") {
			return fmt.Errorf("%w: it is JSON, which feeds of the types otx, misp and taxii read", ErrNotAList)
		}
	}
	p.counts = countsOf(&p.in)
	if p.Format == Auto && isZone(p.in.ahead) {
		z := zone{p: p}
		for p.in.next() {
			if !p.full() {
				z.line(p.in.now.raw)
			}
		}
		return nil
	}
	if p.Format == CSV || p.Format == Auto {
		t, err := p.table()
		if err != nil {
			return err
		}
		if t != nil || p.Format == CSV {
			p.records(t)
			return nil
		}
	}
	for {
		if p.Format != Hosts {
			for prefix, ok := p.in.next4(); ok; prefix, ok = p.in.next4() {
				p.take4(prefix)
			}
		}
		if !p.in.next() {
			return nil
		}
		p.each(p.in.text())
	}
}

// take4 is plain for what next4 gives.
func (p *parser) take4(prefix netip.Prefix) {
	if p.full() {
		return
	}
	p.understood++
	if why := p.bare(prefix); why != "" {
		p.drops.Add(why, p.in.now.n, string(p.in.lines.Raw()))
		return
	}
	p.kept++
}

func (p *parser) eachOn(network netip.Prefix) ingest.Reason {
	p.given = p.template
	p.given.Prefix = network
	return p.emit(&p.given)
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
	p.drops.Add(ingest.OverLimit, p.in.now.n, "")
	return true
}

// take emits the one indicator, the range, or the two ("name|address") that text names,
// with what is known of it in i.
func (p *parser) take(text string, i intel.Indicator) {
	if span, rest, ok := ingest.CutSpan(text); ok && strings.TrimSpace(rest) == "" {
		p.takeSpan(span, text, i)
		return
	}
	if left, right, ok := strings.Cut(text, "|"); ok && left != "" && !isDigits(strings.TrimSpace(right)) {
		p.take(strings.TrimSpace(left), i)
		text = strings.TrimSpace(right)
	}
	p.one(text, i)
}

// one emits what ingest.Parse reads.
func (p *parser) one(text string, i intel.Indicator) {
	why := ingest.Parse(text, &i)
	p.count(why, text)
	if why == "" {
		p.keep(text, i)
	}
}

// takeSpan emits the networks of a range.
func (p *parser) takeSpan(span ingest.Span, text string, i intel.Indicator) {
	networks, why := span.Networks()
	p.count(why, text)
	for _, n := range networks {
		i.Prefix = n
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
	p.drops.Add(why, p.in.now.n, text)
}

func (p *parser) keep(text string, i intel.Indicator) {
	if p.full() {
		return
	}
	p.given = i // there once, where i would be allocated each time
	if why := p.emit(&p.given); why != "" {
		p.drops.Add(why, p.in.now.n, text)
		return
	}
	p.kept++
}

// rejectProse rejects a document when more than nine in ten of the things in it are no
// indicators: prose, an error message, source code.
func (p *parser) rejectProse() error {
	if p.not <= 9*p.understood {
		return nil
	}
	return fmt.Errorf("%w: %d of %d entries cannot be read: %s. If the indicators are in another column, set format: csv and column: (its name or number)",
		ErrNotAList, p.not, p.not+p.understood, p.drops)
}
