package ingest

import (
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// Options are what every format is told.
type Options struct {
	// Template is what every indicator starts as: it holds where the document says nothing.
	Template intel.Indicator
	Now      time.Time
}

// Server is where a copy is kept of.
type Server struct {
	URL string
	Key string // a secret
	// User and Password are for servers that want those, a secret too.
	User, Password string
	// Progress, when set, is told how many items have come, of how many; 0: not known.
	Progress func(done, total int)
}
