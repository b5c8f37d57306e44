package taxii

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/archive"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// MediaType is what TAXII 2.1 servers are asked for.
const MediaType = "application/taxii+json;version=2.1"

const (
	defaultPage = 500 // objects
	// fullEvery is how often everything is asked for again: TAXII does not tell
	// what was deleted.
	fullEvery = 7 * 24 * time.Hour
)

// SyncOptions say what to keep a copy of.
type SyncOptions struct {
	// URL is that of the server's discovery, an API root, or a collection.
	URL string
	// Secret holds the headers that authenticate, such as those of Basic.
	Secret http.Header
	// Collections are the ids, aliases or titles of those that are wanted; empty:
	// all that may be read.
	Collections []string
	PageSize    int       // objects to ask for at a time; 0: 500. A server may give fewer
	Now         time.Time // zero: time.Now()

	// Progress, when set, is called after each page with how many indicator
	// objects have come. TAXII does not say how many there are.
	Progress func(done int)
}

// Basic returns the header of HTTP's basic authentication.
func Basic(user, password string) http.Header {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return r.Header
}

// Sync brings the copy in dir of the collections' indicators up to date:
// everything the first time and once a week, else what was added. A collection
// that fails does not keep the others from coming. A sync that was interrupted
// goes on where it was; what came until then is in the copy. It
// reports whether the copy has changed, also beside an error. The error is that
// of fetch, of the JSON, of the disk, or says what is not as TAXII has it; after
// any the last good copy is there. A damaged copy costs a full sync. There must be
// one Sync at a time for a dir.
func Sync(ctx context.Context, c *fetch.Client, dir string, o SyncOptions) (changed bool, err error) {
	s, err := newSyncer(c, dir, o)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, s.archive.Close()) }()
	wanted, err := s.collections(ctx)
	if err != nil {
		return false, err
	}
	if err := s.begin(wanted); err != nil {
		return false, err
	}
	var failed []error
	for _, url := range wanted {
		if err := s.collection(ctx, url); err != nil {
			failed = append(failed, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	if failed != nil {
		changed, err := s.archive.Publish(&s.state)
		return changed, errors.Join(append(failed, err)...)
	}
	return s.finish()
}

// ParseDir reads the copy that Sync keeps in dir, like Parse. Without a copy the
// error wraps fs.ErrNotExist.
func (Format) ParseDir(dir string, o ingest.Options, emit ingest.Keep) (ingest.Drops, error) {
	p := newParser(o, emit) // holds nothing: the copy has each object once
	err := archive.Read(dir, p.read)
	return p.drops, err
}

// state is what a copy remembers for the next sync.
type state struct {
	Source string    `json:"source"` // where from: another one needs everything anew
	Added  progress  `json:"added"`
	Full   time.Time `json:"full"` // when everything was asked for last
	Run    *run      `json:"run"`  // the sync that is under way, or was interrupted
}

// progress tells by the URL of a collection, in the server's words, when what is
// there was added. What is missing was not asked for yet.
type progress map[string]string

// run is one pass over the collections.
type run struct {
	Full  bool     `json:"full"`
	Added progress `json:"added"`
}

// syncer is one Sync.
type syncer struct {
	o       SyncOptions
	client  *fetch.Client
	archive *archive.Archive
	state   state
	done    int
	newest  map[string]string // by id, when the version was modified that came in this sync
}

func newSyncer(c *fetch.Client, dir string, o SyncOptions) (*syncer, error) {
	if o.PageSize <= 0 {
		o.PageSize = defaultPage
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	s := &syncer{o: o, client: c, newest: map[string]string{}}
	var err error
	if s.archive, err = archive.OpenFor(dir, &s.state, &s.state.Source, o.URL, o.Collections); err != nil {
		return nil, fmt.Errorf("copy of TAXII collections: %w", err)
	}
	return s, nil
}

// begin decides whether to go on with a run, and else what a new one asks for.
func (s *syncer) begin(wanted []string) error {
	st := &s.state
	sinceFull := s.o.Now.Sub(st.Full)
	full := st.Full.IsZero() || sinceFull >= fullEvery || sinceFull < -fullEvery
	isWanted := make(map[string]bool)
	for _, url := range wanted {
		isWanted[url] = true
	}
	for url := range st.Added {
		full = full || !isWanted[url] // its indicators are to go
	}
	if st.Run != nil && (st.Run.Full || !full) {
		if st.Run.Added == nil {
			st.Run.Added = progress{}
		}
		return nil
	}
	st.Run = &run{Full: full, Added: progress{}}
	if !full {
		maps.Copy(st.Run.Added, st.Added)
	}
	return s.archive.Forget()
}

// finish takes what the run has brought for the copy.
func (s *syncer) finish() (changed bool, err error) {
	st := s.state
	full := st.Run.Full
	st.Added, st.Run = st.Run.Added, nil
	if full {
		st.Full = s.o.Now
	}
	return s.archive.Merge(&st, func(string, []byte) bool { return full })
}
