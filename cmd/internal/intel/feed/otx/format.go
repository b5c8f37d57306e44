package otx

import (
	"context"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// Format reads pulses, and keeps a copy of those that are subscribed.
type Format struct{ Choice Choice }

// Sync is the function Sync.
func (f Format) Sync(ctx context.Context, c *fetch.Client, dir string, from ingest.Server) (changed bool, err error) {
	return Sync(ctx, c, dir, SyncOptions{URL: from.URL, Key: from.Key, Choice: f.Choice, Progress: from.Progress})
}
