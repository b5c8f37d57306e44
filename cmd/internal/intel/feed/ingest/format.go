package ingest

import (
	"net/netip"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// Options are what every format is told.
type Options struct {
	// Template is what every indicator starts as: it holds where the document says nothing.
	Template intel.Indicator
	Now      time.Time
	Limit    int // how many indicators are kept at most; 0: the format's own
	// Alike returns what Keep does with an indicator on one network after the other, in less
	// time; nil: Keep does it.
	Alike func(*intel.Indicator) func(netip.Prefix) Reason
}

// Keep takes a copy of an indicator and returns why it is rejected, or "" when it is kept.
type Keep func(*intel.Indicator) Reason

// AtMost keeps n indicators and rejects what comes after them.
func (k Keep) AtMost(n int) Keep {
	return func(i *intel.Indicator) Reason {
		if n <= 0 {
			return OverLimit
		}
		why := k(i)
		if why == "" {
			n--
		}
		return why
	}
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
