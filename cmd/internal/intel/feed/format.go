package feed

import (
	"context"
	"io"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// format reads the documents of one type. What it leaves out it counts.
type format interface {
	Parse(in io.Reader, o ingest.Options, keep ingest.Keep) (ingest.Drops, error)
}

// copied is a format whose server has no documents: a copy of what it has is kept
// in a folder, piece by piece. After an error the last good copy is there.
type copied interface {
	format
	Sync(ctx context.Context, c *fetch.Client, dir string, from ingest.Server) (changed bool, err error)
	ParseDir(dir string, o ingest.Options, keep ingest.Keep) (ingest.Drops, error)
}

// parser is a format that has no settings and no server.
type parser func(in io.Reader, o ingest.Options, keep ingest.Keep) (ingest.Drops, error)

// Parse is p.
func (p parser) Parse(in io.Reader, o ingest.Options, keep ingest.Keep) (ingest.Drops, error) {
	return p(in, o, keep)
}

// only is the format of types without settings.
func only(f format) func(*Source) format { return func(*Source) format { return f } }
