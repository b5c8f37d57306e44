package otx

import (
	"context"
	"io"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// Format reads pulses, and keeps a copy of those that are subscribed.
type Format struct{ Choice Choice }

func (f Format) options(o ingest.Options) Options {
	return Options{Template: o.Template, Choice: f.Choice, Now: o.Now}
}

// Parse is the function Parse.
func (f Format) Parse(in io.Reader, o ingest.Options, keep func(intel.Indicator) ingest.Reason) (ingest.Drops, error) {
	st, err := Parse(in, f.options(o), keep)
	return st.all(), err
}

// ParseDir is the function ParseDir.
func (f Format) ParseDir(dir string, o ingest.Options, keep func(intel.Indicator) ingest.Reason) (ingest.Drops, error) {
	st, err := ParseDir(dir, f.options(o), keep)
	return st.all(), err
}

// Sync is the function Sync.
func (f Format) Sync(ctx context.Context, c *fetch.Client, dir string, from ingest.Server) (changed bool, err error) {
	return Sync(ctx, c, dir, SyncOptions{URL: from.URL, Key: from.Key, Choice: f.Choice, Progress: from.Progress})
}

// all returns the drops and the pulses that were not chosen.
func (s *Stats) all() ingest.Drops {
	if s.NotChosen > 0 {
		s.Drops[ingest.NotChosen] = ingest.Drop{Count: s.NotChosen}
	}
	return s.Drops
}
