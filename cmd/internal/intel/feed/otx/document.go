package otx

import (
	"encoding/json"
	"fmt"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// maxPending bounds the indicators of one pulse, which are held until the pulse
// ends: its tags stand behind them.
const maxPending = 500_000

// document reads pages, arrays of pulses and pulses.
type document struct {
	in    *ingest.JSON
	drops ingest.Drops           // what is not a pulse, or no indicator
	each  func(pl *pulse) error  // gets each pulse that was read to its end
	other func(key string) error // reads the other fields of a page; nil: they are skipped

	pages, pulses int    // lists of results seen, empty ones too; pulses
	refusal       string // what OTX said instead of pulses
}

// read reads top-level values until the end.
func (d *document) read() error {
	err := d.in.Documents(func() error { return d.object(true) }, d.array, ErrNoPulses)
	if err != nil {
		return fmt.Errorf("after %d pulses: %w", d.pulses, err)
	}
	return nil
}

// recognize tells pulses from other JSON.
func (d *document) recognize() error {
	switch {
	case d.refusal != "":
		return fmt.Errorf("%w: OTX answered %q", ErrNoPulses, ingest.Text(d.refusal, 200))
	case d.pages == 0 && d.pulses == 0, d.pulses == 0 && d.drops[ingest.Unreadable].Count > 0:
		return ErrNoPulses
	}
	return nil
}

// array reads the rest of an array of pulses or of pages.
func (d *document) array() error {
	d.pages++
	return d.in.Items(func() error {
		return d.in.Member(func() error { return d.object(false) }, func(what string) { d.drops.Add(ingest.Unreadable, 0, what) })
	})
}

// object reads the rest of a pulse or, at the top, of a page.
func (d *document) object(top bool) error {
	var pl pulse
	found, isPage := false, false
	err := d.in.Fields(func(key string) error {
		switch {
		case key == "results" && top:
			isPage = true
			return d.results()
		case key == "indicators":
			found = true
			return pl.items(d)
		case (key == "detail" || key == "error") && top:
			return d.in.Text(&d.refusal)
		case d.other != nil && top:
			return d.other(key)
		}
		return pl.field(d, key)
	})
	switch {
	case err != nil:
		return err
	case found:
		d.pulses++
		return d.each(&pl)
	case !isPage && d.refusal == "":
		d.drops.Add(ingest.Unreadable, 0, "object without indicators: "+pl.Name)
	}
	return nil
}

// results reads the value of a page's results, null included.
func (d *document) results() error {
	token, err := d.in.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('['):
		return d.array()
	case json.Delim('{'):
		return d.in.SkipRest()
	}
	return nil
}
