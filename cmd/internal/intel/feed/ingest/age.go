package ingest

import (
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// Outdated returns Expired for an indicator that ended so long before now that it
// is not even kept for people to look up (intel.Kept). A zero end never does.
// Formats hand on what has expired: that it no longer matches is the Set's
// business.
func Outdated(ends, now time.Time) Reason {
	if !ends.IsZero() && !ends.Add(intel.Kept).After(now) {
		return Expired
	}
	return ""
}
