// Package misp reads events of MISP as its feeds publish them: one by one, or a
// folder of a manifest and events, of which it can keep a copy of a feed on the
// network. Format: https://www.misp-standard.org/rfc/misp-standard-core.html
package misp

import (
	"bufio"
	"errors"
	"io"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// DefaultLimit is how many indicators a feed gives at most.
const DefaultLimit = 5_000_000

// ErrNoEvents is returned, wrapped, for a document or folder that holds something else.
var ErrNoEvents = errors.New("holds no MISP events")

// Options say how to read events.
type Options struct {
	// Template is what every indicator starts as: its category, score, name, tags
	// and reference hold where the event gives none.
	Template intel.Indicator
	Limit    int // 0: DefaultLimit
}

// Stats tell what was read.
type Stats struct {
	Events     int // whole ones
	Indicators int // how many were emitted and kept
	Drops      ingest.Drops
}

// Parse reads one event, an array of events, an answer of MISP's search, or
// several of these one after the other, and calls emit for each indicator, which
// returns why it is refused, or "" when it is kept. Attributes that are deleted or
// not meant for detection (to_ids) give none. A composite (ip-dst|port, domain|ip)
// gives what its parts are. The error is ingest.ErrWebPage, ingest.ErrBinary or
// ErrNoEvents, wrapped, or says where the JSON is damaged or ends too soon; what
// was emitted until then should be thrown away.
func Parse(r io.Reader, o Options, emit func(intel.Indicator) ingest.Reason) (Stats, error) {
	p := newParser(o, emit)
	err := p.read(r)
	if err == nil && p.stats.Events == 0 {
		err = ErrNoEvents
	}
	return p.stats, err
}

// parser makes indicators of events.
type parser struct {
	o     Options
	emit  func(intel.Indicator) ingest.Reason
	stats Stats
}

func newParser(o Options, emit func(intel.Indicator) ingest.Reason) *parser {
	if o.Limit <= 0 {
		o.Limit = DefaultLimit
	}
	return &parser{o: o, emit: emit, stats: Stats{Drops: ingest.Drops{}}}
}

// read reads one document.
func (p *parser) read(r io.Reader) error {
	br := bufio.NewReader(r)
	if err := ingest.Sniff(br); err != nil {
		return err
	}
	d := &document{in: ingest.NewJSON(br), each: p.take}
	return d.read()
}

// take emits the indicators of an event.
func (p *parser) take(e *event) {
	p.stats.Events++
	p.stats.Drops.Merge(e.leftOut)
	base := e.base(p.o.Template)
	for at := range e.attributes {
		p.attribute(&e.attributes[at], base)
	}
}

// attribute emits what one attribute says, base being what its event does.
func (p *parser) attribute(a *attribute, base intel.Indicator) {
	i := base
	if c, ok := a.category(); ok {
		i.Category = c
	}
	i.LastSeen = seconds(string(a.Timestamp))
	if last := ingest.When(string(a.LastSeen)); !last.IsZero() {
		i.LastSeen = last
	}
	if first := ingest.When(string(a.FirstSeen)); !first.IsZero() {
		i.FirstSeen = first
	}
	if tags := a.tagNames(); len(tags) > 0 {
		i.Tags = joinMore(i.Tags, tags)
	}
	found, why := a.observe(i)
	if why != "" {
		p.stats.Drops.Add(why, 0, string(a.Value))
		return
	}
	for _, i := range found {
		why := ingest.OverLimit
		if p.stats.Indicators < p.o.Limit {
			why = p.emit(i)
		}
		if why == "" {
			p.stats.Indicators++
		}
		p.stats.Drops.Add(why, 0, string(a.Value))
	}
}
