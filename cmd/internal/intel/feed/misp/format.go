package misp

import (
	"context"
	"net/http"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// Format reads events, and keeps a copy of a feed of them.
type Format struct{}

// Sync is the function Sync.
func (Format) Sync(ctx context.Context, c *fetch.Client, dir string, from ingest.Server) (changed bool, err error) {
	o := SyncOptions{URL: from.URL, Progress: from.Progress}
	if from.Key != "" {
		o.Secret = http.Header{"Authorization": {from.Key}}
	}
	return Sync(ctx, c, dir, o)
}
