// Package otx reads pulses of AlienVault's Open Threat Exchange as its API gives
// them and people save them. It streams: a document of any length costs the
// memory of its largest pulse's indicators. It opens no files and fetches nothing.
package otx

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// DefaultLimit is how many indicators a document gives at most.
const DefaultLimit = 5_000_000

const (
	// lifetime is how long an indicator without an expiration is believed after
	// its pulse was last modified.
	lifetime = 90 * 24 * time.Hour
	// maxPending bounds the indicators of one pulse, which wait for the pulse's
	// tags: those stand behind them.
	maxPending = 500_000
	// maxValue bounds one value of the document, in bytes, so that a string
	// without end cannot fill the memory.
	maxValue = 4 << 20
)

// ErrNoPulses is returned, wrapped, for JSON that holds something else.
var ErrNoPulses = errors.New("holds no OTX pulses")

// Options say how to read pulses.
type Options struct {
	// Template is what every indicator starts as: its category and reference hold
	// where the pulse gives none, its score always (OTX has no confidence).
	Template intel.Indicator
	Now      time.Time // what has expired by then is left out
	Limit    int       // 0: DefaultLimit
}

// Stats tell what a document held.
type Stats struct {
	Pulses     int
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
	in := &meter{r: br}
	p := &parser{o: o, emit: emit, in: in, dec: json.NewDecoder(in), stats: Stats{Drops: ingest.Drops{}}}
	err := p.document()
	return p.stats, err
}

type parser struct {
	o     Options
	emit  func(intel.Indicator) ingest.Reason
	in    *meter
	dec   *json.Decoder
	stats Stats

	pages   int    // lists of results seen, empty ones too
	refusal string // what OTX said instead of pulses
}

// document reads top-level values until the end.
func (p *parser) document() error {
	for {
		token, err := p.token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			switch token {
			case json.Delim('{'):
				err = p.object(true)
			case json.Delim('['):
				err = p.array()
			default:
				err = fmt.Errorf("%w: it is a bare %T", ErrNoPulses, token)
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("JSON ends too soon, after %d pulses: %w", p.stats.Pulses, io.ErrUnexpectedEOF)
		}
		if err != nil {
			return fmt.Errorf("at byte %d: %w", p.dec.InputOffset(), err)
		}
	}
	switch {
	case p.refusal != "":
		return fmt.Errorf("%w: OTX answered %q", ErrNoPulses, p.refusal)
	case p.pages == 0 && p.stats.Pulses == 0, p.stats.Pulses == 0 && p.stats.Drops[ingest.Unreadable].Count > 0:
		return ErrNoPulses
	}
	return nil
}

// array reads the rest of an array of pulses or of pages.
func (p *parser) array() error {
	p.pages++
	for p.dec.More() {
		token, err := p.token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'):
			err = p.object(false)
		case json.Delim('['):
			err = p.skipRest()
			p.stats.Drops.Add(ingest.Unreadable, 0, "array in an array")
		default:
			p.stats.Drops.Add(ingest.Unreadable, 0, fmt.Sprint(token))
		}
		if err != nil {
			return err
		}
	}
	_, err := p.token()
	return err
}

// object reads the rest of a pulse or, at the top, of a page.
func (p *parser) object(top bool) error {
	var pl pulse
	isPage := false
	for p.dec.More() {
		key, err := p.token()
		if err != nil {
			return err
		}
		switch key {
		case "results":
			if isPage = top; top {
				err = p.results()
			} else {
				err = p.skip()
			}
		case "indicators":
			pl.found = true
			err = p.indicators(&pl)
		case "detail", "error":
			if top {
				err = p.text(&p.refusal)
			} else {
				err = p.skip()
			}
		default:
			err = p.field(&pl, key)
		}
		if err != nil {
			return err
		}
	}
	if _, err := p.token(); err != nil {
		return err
	}
	switch {
	case pl.found:
		p.flush(&pl)
	case !isPage && p.refusal == "":
		p.stats.Drops.Add(ingest.Unreadable, 0, "object without indicators: "+pl.name)
	}
	return nil
}

// results reads the value of a page's results, null included.
func (p *parser) results() error {
	token, err := p.token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('['):
		return p.array()
	case json.Delim('{'):
		return p.skipRest()
	}
	return nil
}
