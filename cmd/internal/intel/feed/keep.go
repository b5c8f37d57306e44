package feed

import (
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// collect returns a Builder for the feed of that name, and what puts indicators
// into it unless they must never match: every format hands what it reads to keep.
// aggregate says that the feed gathers other feeds.
//
// What has expired is kept for intel.Kept, so that people can be told of it.
func (f *Feeds) collect(name string, aggregate bool) (b *intel.Builder, keep func(intel.Indicator) ingest.Reason) {
	now := time.Now()
	b = intel.NewBuilder(name)
	if !f.o.Past {
		b.AsOf(now)
	}
	if aggregate {
		b.Aggregate()
	}
	return b, func(i intel.Indicator) ingest.Reason {
		if i.Prefix.IsValid() {
			if why := f.policy.Refuse(i.Prefix); why != "" {
				return why
			}
		}
		if why := ingest.Outdated(i.Ends(), now); why != "" {
			return why
		}
		if !b.Add(i) {
			return ingest.Unreadable
		}
		return ""
	}
}
