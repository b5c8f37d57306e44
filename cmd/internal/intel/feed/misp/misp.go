// Package misp reads events of MISP as its feeds publish them: one by one, or a
// folder of a manifest and events, of which it can keep a copy of a feed on the
// network. Format: https://www.misp-standard.org/rfc/misp-standard-core.html
package misp

import (
	"bufio"
	"cmp"
	"errors"
	"io"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// DefaultLimit is how many indicators a feed gives at most.
const DefaultLimit = 5_000_000

// ErrNoEvents is returned, wrapped, for a document or folder that holds something else.
var ErrNoEvents = errors.New("holds no MISP events")

// Parse reads one event, an array of events, an answer of MISP's search, or
// several of these one after the other, and calls emit for each indicator, which
// returns why it is rejected, or "" when it is kept. Attributes that are deleted or
// not meant for detection (to_ids) give none. A composite (ip-dst|port, domain|ip)
// gives what its parts are. The error is ingest.ErrWebPage, ingest.ErrBinary or
// ErrNoEvents, wrapped, or says where the JSON is damaged or ended early; what
// was emitted until then should be thrown away.
func (Format) Parse(r io.Reader, o ingest.Options, emit ingest.Keep) (ingest.Drops, error) {
	p := newParser(o, emit)
	return p.drops, p.document(r)
}

// parser makes indicators of events.
type parser struct {
	template intel.Indicator
	emit     ingest.Keep
	events   int // whole ones
	drops    ingest.Drops
}

func newParser(o ingest.Options, emit ingest.Keep) *parser {
	return &parser{template: o.Template, emit: emit.AtMost(cmp.Or(o.Limit, DefaultLimit)), drops: ingest.Drops{}}
}

// document reads a document that has to hold events.
func (p *parser) document(r io.Reader) error {
	err := p.read(r)
	if err == nil && p.events == 0 {
		err = ErrNoEvents
	}
	return err
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
	p.events++
	p.drops.Merge(e.leftOut)
	base := e.base(p.template)
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
		p.drops.Add(why, 0, string(a.Value))
		return
	}
	for _, i := range found {
		p.drops.Add(p.emit(&i), 0, string(a.Value))
	}
}
