package misp

import (
	"context"
	"io"
	"net/http"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// Format reads events, and keeps a copy of a feed of them.
type Format struct{}

// Parse is the function Parse.
func (Format) Parse(in io.Reader, o ingest.Options, keep func(intel.Indicator) ingest.Reason) (ingest.Drops, error) {
	st, err := Parse(in, Options{Template: o.Template}, keep)
	return st.Drops, err
}

// ParseDir is the function ParseDir.
func (Format) ParseDir(dir string, o ingest.Options, keep func(intel.Indicator) ingest.Reason) (ingest.Drops, error) {
	st, err := ParseDir(dir, Options{Template: o.Template}, keep)
	return st.Drops, err
}

// Sync is the function Sync.
func (Format) Sync(ctx context.Context, c *fetch.Client, dir string, from ingest.Server) (changed bool, err error) {
	o := SyncOptions{URL: from.URL, Progress: from.Progress}
	if from.Key != "" {
		o.Secret = http.Header{"Authorization": {from.Key}}
	}
	return Sync(ctx, c, dir, o)
}
