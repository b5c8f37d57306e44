package taxii

import (
	"context"
	"net/http"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// Format reads STIX objects, and keeps a copy of the collections that are named.
type Format struct{ Collections []string }

// Sync is the function Sync.
func (f Format) Sync(ctx context.Context, c *fetch.Client, dir string, from ingest.Server) (changed bool, err error) {
	var secret http.Header
	if from.User != "" {
		secret = Basic(from.User, from.Password)
	}
	return Sync(ctx, c, dir, SyncOptions{URL: from.URL, Secret: secret, Collections: f.Collections, Progress: func(done int) {
		if from.Progress != nil {
			from.Progress(done, 0)
		}
	}})
}
