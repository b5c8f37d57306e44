package otx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// event is one change of the subscriptions.
type event struct {
	Action  string `json:"action"` // subscribe, unsubscribe, delete
	Created string `json:"created"`
	Object  string `json:"object_id"`
	Kind    string `json:"object_type"` // pulse, user
}

// drops is what events say of the copy.
type drops struct {
	pulses, authors map[string]bool // are not subscribed any more, or gone
	full            bool            // something was subscribed whose pulses may be old
	newest          time.Time       // event
}

func (d *drops) take(e event) {
	if t := ingest.When(e.Created); t.After(d.newest) {
		d.newest = t
	}
	leaves := e.Action == "unsubscribe" || e.Action == "delete"
	switch {
	case leaves && e.Kind == "pulse":
		d.pulses[e.Object] = true
	case leaves && e.Kind == "user":
		d.authors[e.Object] = true
	case leaves || e.Action == "subscribe":
		d.full = true
	}
}

// has reports whether a pulse of the copy is dropped.
func (d *drops) has(id string, line []byte) bool {
	if d.pulses[id] {
		return true
	}
	if len(d.authors) == 0 {
		return false
	}
	var pl struct {
		Author string `json:"author_name"`
	}
	return json.Unmarshal(line, &pl) == nil && d.authors[pl.Author]
}

// eventPage is how many events are asked for at a time.
const eventPage = 100

// events asks what was unsubscribed or deleted since the last sync. What came is
// returned beside an error, too. A mirror may have no events.
func (s *syncer) events(ctx context.Context) (*drops, error) {
	d := &drops{pulses: make(map[string]bool), authors: make(map[string]bool)}
	known := s.state.Events
	if known.IsZero() {
		return d, nil // everything is asked for anyway
	}
	for page := 1; page != 0; {
		p := &paged{event: func(e event) {
			if t := ingest.When(e.Created); t.IsZero() || t.After(known) {
				d.take(e)
			}
		}}
		err := s.get(ctx, "/api/v1/pulses/events", url.Values{"since": {stamp(known)}}, page, eventPage, p)
		var status *fetch.StatusError
		if errors.As(err, &status) && status.Code == http.StatusNotFound {
			return d, nil
		}
		if err != nil {
			d.newest = time.Time{} // these are to be read again
			return d, fmt.Errorf("events, page %d: %w", page, err)
		}
		page = p.next
	}
	return d, nil
}
