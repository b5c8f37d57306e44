// Package otx reads pulses of AlienVault's Open Threat Exchange as its API gives
// them and people save them, and keeps a copy of the subscribed ones on disk. It
// streams: a document of any length costs the memory of its largest pulse's
// indicators.
package otx

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// DefaultLimit is how many indicators a document gives at most.
const DefaultLimit = 5_000_000

// lifetime is how long an indicator without an expiration is believed after its
// pulse was last modified.
const lifetime = 90 * 24 * time.Hour

// ErrNoPulses is returned, wrapped, for JSON that holds something else.
var ErrNoPulses = errors.New("holds no OTX pulses")

// Parse reads a page of subscribed pulses, an array of pulses, one pulse, or
// several of these one after the other, and calls emit for each live indicator,
// which returns why it is rejected, or "" when it is kept. The error is
// ingest.ErrWebPage, ingest.ErrBinary or ErrNoPulses, wrapped, or says where the
// JSON is damaged or ended early; what was emitted until then should be thrown
// away.
func (f Format) Parse(r io.Reader, o ingest.Options, emit ingest.Keep) (ingest.Drops, error) {
	p := newParser(f.Choice, o, emit)
	return p.drops, p.read(r)
}

// parser makes indicators of pulses.
type parser struct {
	o      ingest.Options
	choice Choice
	emit   ingest.Keep
	pulses int // the chosen ones
	drops  ingest.Drops
}

func newParser(choice Choice, o ingest.Options, emit ingest.Keep) *parser {
	return &parser{o: o, choice: choice, emit: emit.AtMost(cmp.Or(o.Limit, DefaultLimit)), drops: ingest.Drops{}}
}

// read reads one document.
func (p *parser) read(r io.Reader) error {
	br := bufio.NewReader(r)
	if err := ingest.Sniff(br); err != nil {
		return err
	}
	d := &document{in: ingest.NewJSON(br), drops: p.drops, each: func(pl *pulse) error { p.take(pl); return nil }}
	err := d.read()
	if err == nil {
		err = d.recognize()
	}
	return err
}

// take emits the indicators of a pulse.
func (p *parser) take(pl *pulse) {
	if !p.choice.takes(pl) {
		p.drops.Add(ingest.NotChosen, 0, "")
		return
	}
	p.pulses++
	p.drops.Merge(pl.LeftOut)
	base := pl.base(p.o.Template)
	for i := range pl.Indicators {
		it := &pl.Indicators[i]
		p.drops.Add(p.item(it, base), 0, it.Indicator)
	}
}

// item emits one indicator, i being what its pulse says of it.
func (p *parser) item(it *item, i intel.Indicator) ingest.Reason {
	if it.Active == "0" || it.Active == "false" {
		return ingest.Inactive
	}
	var ok bool
	if i.Expires, ok = ingest.Time(it.Expiration, time.Time{}); !ok {
		return ingest.BadExpiry
	}
	i.FirstSeen = ingest.When(it.Created)
	if i.Expires.IsZero() && !i.LastSeen.IsZero() {
		i.Expires = i.LastSeen.Add(lifetime)
	}
	if why := ingest.Outdated(i.Expires, p.o.Now); why != "" {
		return why
	}
	if c, ok := ingest.Category(it.Role); ok {
		i.Category = c
	}
	if why := it.observe(&i); why != "" {
		return why
	}
	return p.emit(&i)
}
