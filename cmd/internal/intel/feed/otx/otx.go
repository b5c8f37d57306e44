// Package otx reads pulses of AlienVault's Open Threat Exchange as its API gives
// them and people save them, and keeps a copy of the subscribed ones on disk. It
// streams: a document of any length costs the memory of its largest pulse's
// indicators.
package otx

import (
	"bufio"
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

// Options say how to read pulses.
type Options struct {
	// Template is what every indicator starts as: its category and reference hold
	// where the pulse gives none, its score always (OTX has no confidence).
	Template intel.Indicator
	Now      time.Time // what expired long before is left out: see ingest.Outdated
	Limit    int       // 0: DefaultLimit
	Choice   Choice    // the zero value chooses all
}

// Stats tell what a document held.
type Stats struct {
	Pulses     int // the chosen ones
	NotChosen  int // pulses that Choice left out
	Indicators int // how many were emitted and kept
	Drops      ingest.Drops
}

// Parse reads a page of subscribed pulses, an array of pulses, one pulse, or
// several of these one after the other, and calls emit for each live indicator,
// which returns why it is refused, or "" when it is kept. The error is
// ingest.ErrWebPage, ingest.ErrBinary or ErrNoPulses, wrapped, or says where the
// JSON is damaged or ends too soon; what was emitted until then should be thrown
// away.
func Parse(r io.Reader, o Options, emit func(intel.Indicator) ingest.Reason) (Stats, error) {
	br := bufio.NewReader(r)
	if err := ingest.Sniff(br); err != nil {
		return Stats{}, err
	}
	if o.Limit <= 0 {
		o.Limit = DefaultLimit
	}
	p := &parser{o: o, emit: emit, stats: Stats{Drops: ingest.Drops{}}}
	d := &document{in: ingest.NewJSON(br), drops: p.stats.Drops, each: func(pl *pulse) error { p.take(pl); return nil }}
	err := d.read()
	if err == nil {
		err = d.judge()
	}
	return p.stats, err
}

// parser makes indicators of pulses.
type parser struct {
	o     Options
	emit  func(intel.Indicator) ingest.Reason
	stats Stats
}

// take emits the indicators of a pulse.
func (p *parser) take(pl *pulse) {
	if !p.o.Choice.takes(pl) {
		p.stats.NotChosen++
		return
	}
	p.stats.Pulses++
	p.stats.Drops.Merge(pl.LeftOut)
	base := pl.base(p.o.Template)
	for i := range pl.Indicators {
		it := &pl.Indicators[i]
		if why := p.item(it, base); why != "" {
			p.stats.Drops.Add(why, 0, it.Indicator)
		} else {
			p.stats.Indicators++
		}
	}
}

// item emits one indicator, i being what its pulse says of it.
func (p *parser) item(it *item, i intel.Indicator) ingest.Reason {
	if p.stats.Indicators >= p.o.Limit {
		return ingest.OverLimit
	}
	if it.Active == "0" || it.Active == "false" {
		return ingest.Inactive
	}
	i.FirstSeen, i.Expires = ingest.When(it.Created), ingest.When(it.Expiration)
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
	return p.emit(i)
}
