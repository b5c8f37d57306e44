package ingest

import (
	"net/http"
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
	URL  string
	Auth http.Header // the headers that authenticate, a secret
	Key  string      // the key, a secret; it is in Auth too
	// Progress, when set, is told how many items have come, of how many; 0: not known.
	Progress func(done, total int)
}
