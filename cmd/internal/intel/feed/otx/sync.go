package otx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/archive"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// DefaultURL is where OTX is.
const DefaultURL = "https://otx.alienvault.com"

// ErrBadKey is returned, wrapped, when OTX does not know the key.
var ErrBadKey = errors.New("OTX rejects the API key: copy it again from https://otx.alienvault.com/settings")

const (
	defaultPage = 50 // pulses; OTX's own clients ask for that many
	// overlap is how far a sync looks back behind the newest pulse that the last
	// one saw: OTX does not give pulses in the very order of their changes.
	overlap = 10 * time.Minute
	// fullEvery is how often everything is asked for again, for what changes and
	// events did not tell.
	fullEvery = 7 * 24 * time.Hour
)

// SyncOptions say what to keep a copy of.
type SyncOptions struct {
	URL string // "": DefaultURL; another host gets the key, so it must be a mirror of one's own
	Key string // the API key, a secret; "": none, for a mirror that wants none
	// Choice keeps indicators of the chosen pulses only. When it changes, all are
	// asked for again.
	Choice   Choice
	PageSize int       // pulses to ask for at a time; 0: 50. A sync that times out goes on with smaller pages
	Now      time.Time // zero: time.Now()

	// Progress, when set, is called after each page with how many of the pulses
	// have come, and how many there are.
	Progress func(done, total int)
}

// Sync brings the copy in dir of the subscribed pulses up to date: everything the
// first time and once a week, else what has changed, and what was unsubscribed or
// deleted is dropped. A sync that was interrupted goes on where it was; what came
// until then is in the copy. It reports whether the copy has changed, also
// beside an error. The error is ErrBadKey, wrapped, or that of fetch, of the
// JSON, or of the disk; after any the last good copy is there. A damaged copy
// costs a full sync. There must be one Sync at a time for a dir.
func Sync(ctx context.Context, c *fetch.Client, dir string, o SyncOptions) (changed bool, err error) {
	s, err := newSyncer(c, dir, o)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, s.archive.Close()) }()
	dropped, eventErr := s.events(ctx)
	if errors.Is(eventErr, ErrBadKey) || ctx.Err() != nil {
		return false, eventErr
	}
	if err := s.begin(dropped); err != nil {
		return false, err
	}
	if err := s.pages(ctx); err != nil {
		changed, publishErr := s.archive.Publish(&s.state)
		return changed, errors.Join(err, publishErr)
	}
	changed, err = s.finish(dropped)
	return changed, errors.Join(err, eventErr)
}

// ParseDir reads the copy that Sync keeps in dir, like Parse. Without a copy the
// error wraps fs.ErrNotExist.
func (f Format) ParseDir(dir string, o ingest.Options, emit ingest.Keep) (drops ingest.Drops, err error) {
	err = archive.Read(dir, func(r io.Reader) error {
		drops, err = f.Parse(r, o, emit)
		return err
	})
	return drops, err
}

// state is what a copy remembers for the next sync.
type state struct {
	Source string    `json:"source"` // where from and which pulses: another one needs all of them anew
	Since  time.Time `json:"since"`  // what was modified before is there; zero: nothing is
	Events time.Time `json:"events"` // the newest event that is known
	Full   time.Time `json:"full"`   // when everything was asked for last
	Page   int       `json:"page"`   // the size of pages that went well last
	Run    *run      `json:"run"`    // the sync that is under way, or was interrupted
}

// run is one pass over the pages.
type run struct {
	Since   time.Time `json:"since"`   // zero: over everything
	Started time.Time `json:"started"` // on OTX's clock; zero: before the first page
	Page    int       `json:"page"`    // the next to ask for, from 1
	Size    int       `json:"size"`    // pulses a page
	Newest  time.Time `json:"newest"`  // modification seen
}

// syncer is one Sync.
type syncer struct {
	o       SyncOptions
	client  *fetch.Client
	archive *archive.Archive
	state   state
}

func newSyncer(c *fetch.Client, dir string, o SyncOptions) (*syncer, error) {
	if o.URL == "" {
		o.URL = DefaultURL
	}
	if o.PageSize <= 0 {
		o.PageSize = defaultPage
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	s := &syncer{o: o, client: c}
	var err error
	if s.archive, err = archive.OpenFor(dir, &s.state, &s.state.Source, o.URL, o.Choice); err != nil {
		return nil, fmt.Errorf("copy of OTX's pulses: %w", err)
	}
	return s, nil
}

// begin decides whether to go on with a run, and else over which pulses a new one goes.
func (s *syncer) begin(dropped *drops) error {
	st := &s.state
	sinceFull := s.o.Now.Sub(st.Full)
	full := st.Since.IsZero() || dropped.full || sinceFull >= fullEvery || sinceFull < -fullEvery
	if st.Run != nil && (st.Run.Since.IsZero() || !full) {
		// Pulses that went since then have moved others to the page before.
		st.Run.Page = max(st.Run.Page-1, 1)
		return nil
	}
	st.Run = &run{Page: 1, Size: s.o.PageSize, Since: st.Since}
	if st.Page > 0 {
		st.Run.Size = min(st.Page*2, s.o.PageSize)
	}
	if full {
		st.Run.Since = time.Time{}
	}
	return s.archive.Forget()
}

// finish takes what the run has brought for the copy.
func (s *syncer) finish(dropped *drops) (changed bool, err error) {
	r := s.state.Run
	st := s.state
	st.Run, st.Page = nil, r.Size
	if !r.Newest.IsZero() {
		// A pulse may claim to be from the future, or have changed behind our back
		// while a long run went on.
		newest := r.Newest
		if newest.After(r.Started) {
			newest = r.Started
		}
		st.Since = newest.Add(-overlap)
	}
	full := r.Since.IsZero()
	if full {
		st.Full = s.o.Now
		if st.Since.IsZero() { // nothing is subscribed
			st.Since = r.Started.Add(-overlap)
		}
	}
	if st.Events.Before(dropped.newest) {
		st.Events = dropped.newest
	}
	if st.Events.IsZero() {
		st.Events = r.Started.Add(-overlap)
	}
	return s.archive.Merge(&st, func(id string, line []byte) bool {
		return full || dropped.has(id, line)
	})
}
