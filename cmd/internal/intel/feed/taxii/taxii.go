// Package taxii reads indicators in STIX 2.1, as bundles and as TAXII 2.1 serves
// them, and keeps a copy of a TAXII server's collections on disk. Of the pattern
// language it understands what names addresses, domains and URLs; the rest is
// counted, never guessed at. Formats: https://docs.oasis-open.org/cti/stix/v2.1/
// and https://docs.oasis-open.org/cti/taxii/v2.1/
package taxii

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// DefaultLimit is how many indicators a document gives at most.
const DefaultLimit = 5_000_000

// ErrNotSTIX is returned, wrapped, for JSON that holds no STIX objects.
var ErrNotSTIX = errors.New("holds no STIX objects")

// Parse reads a bundle, a TAXII envelope, an array of objects, one object, or
// several of these one after the other, and calls emit for each address, domain
// and URL that the pattern of an indicator object names, which returns why it is
// rejected, or "" when it is kept. The error is ingest.ErrWebPage,
// ingest.ErrBinary or ErrNotSTIX, wrapped, or says where the JSON is damaged or
// ended early; what was emitted until then should be thrown away.
func (Format) Parse(r io.Reader, o ingest.Options, emit ingest.Keep) (ingest.Drops, error) {
	p := newParser(o, emit)
	p.held = newVersions()
	return p.drops, p.read(r)
}

// parser makes indicators of objects.
type parser struct {
	o       ingest.Options
	emit    ingest.Keep
	objects int // of any type
	drops   ingest.Drops

	held *versions // of the document; nil: no id comes twice
}

func newParser(o ingest.Options, emit ingest.Keep) *parser {
	return &parser{o: o, emit: emit.AtMost(cmp.Or(o.Limit, DefaultLimit)), drops: ingest.Drops{}}
}

// read reads one document.
func (p *parser) read(r io.Reader) error {
	br := bufio.NewReader(r)
	if err := ingest.Sniff(br); err != nil {
		return err
	}
	d := &document{in: ingest.NewJSON(br), drops: p.drops, each: p.meet}
	err := d.read()
	p.objects = d.objects
	if err == nil && p.held != nil {
		for i := range p.held.all {
			p.take(&p.held.all[i])
		}
	}
	if err == nil && d.objects == 0 && d.envelopes == 0 {
		err = ErrNotSTIX
	}
	return err
}

// meet holds an object until the newest version of it is known.
func (p *parser) meet(x *object) error {
	if x.Type != "indicator" {
		return nil
	}
	v := newVersion(x, &p.o)
	if p.held == nil {
		p.take(&v)
		return nil
	}
	return p.held.meet(x.ID, v)
}

// take emits what the pattern of an indicator object names.
func (p *parser) take(v *version) {
	if v.why != "" {
		p.drops.Add(v.why, 0, v.pattern)
		return
	}
	keep := func(i intel.Indicator, text string) {
		if i.FirstSeen.After(p.o.Now) { // START of the pattern
			p.drops.Add(ingest.NotYetValid, 0, text)
			return
		}
		p.drops.Add(p.emit(&i), 0, text)
	}
	match(v.pattern, v.base(p.o.Template), keep, func(why ingest.Reason, text string) { p.drops.Add(why, 0, text) })
}

// document walks through bundles, envelopes and arrays of objects.
type document struct {
	in    *ingest.JSON
	drops ingest.Drops                   // what is no object
	each  func(*object) error            // gets each object that was read to its end
	other func(key string) (bool, error) // reads other fields of an envelope and reports whether it did; nil: they are skipped

	objects, envelopes int
}

// read reads top-level values until the end.
func (d *document) read() error {
	err := d.in.Documents(d.object, func() error { d.envelopes++; return d.in.Items(d.member) }, ErrNotSTIX)
	if err != nil {
		return fmt.Errorf("after %d objects: %w", d.objects, err)
	}
	return nil
}

// maxObject bounds an object in an array, in bytes: that of a large report.
const maxObject = 16 << 20

// member reads an element of an array of objects.
func (d *document) member() error {
	var x object
	kind, err := d.in.Struct(&x, maxObject)
	switch {
	case err != nil:
		return err
	case kind == "array":
		d.drops.Add(ingest.Unreadable, 0, "array in an array")
		return nil
	case kind != "":
		d.drops.Add(ingest.Unreadable, 0, kind+" in the place of an object")
		return nil
	}
	return d.whole(&x)
}

// whole hands on an object that was read to its end.
func (d *document) whole(x *object) error {
	if x.Type == "" || x.ID == "" {
		d.drops.Add(ingest.Unreadable, 0, "object without type or id")
		return nil
	}
	d.objects++
	return d.each(x)
}

// object reads the rest of an object at the top, or of a bundle or envelope. An
// empty one is an envelope without objects.
func (d *document) object() error {
	var x object
	fields, envelope := 0, false
	err := d.in.Fields(func(key string) error {
		fields++
		if key == "objects" {
			envelope = true
			_, err := d.in.Array(d.member)
			return err
		}
		if d.other != nil {
			if done, err := d.other(key); done || err != nil {
				return err
			}
		}
		return x.field(d.in, key)
	})
	switch {
	case err != nil:
		return err
	case envelope || fields == 0 || x.Type == "bundle" || d.other != nil:
		d.envelopes++
		return nil
	}
	return d.whole(&x)
}
