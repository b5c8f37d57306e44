// Package ingesttest is what the tests of feed formats share.
package ingesttest

import (
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// Keep returns a Keep that rejects what no feed may list, and hands the rest to each.
func Keep(each func(intel.Indicator)) ingest.Keep {
	policy := ingest.NewPolicy(nil)
	return func(i *intel.Indicator) ingest.Reason {
		if i.Prefix.IsValid() {
			if why := policy.Reject(i.Prefix); why != "" {
				return why
			}
		}
		each(*i)
		return ""
	}
}
