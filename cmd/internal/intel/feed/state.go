package feed

import (
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// Status says how a feed is.
type Status string

// The values of Status. But for Pending they are those of the feed line in the log.
const (
	OK Status = "ok"
	// Error: the last fetch failed, and Message tells what stays in use; or the
	// file was never good, and the feed has no indicators.
	Error Status = "error"
	// Stale: what is in use is old. The file is bad now and an older version is
	// in use, or the last fetch that succeeded is long ago.
	Stale Status = "stale"
	// Pending: it was never fetched. Nothing is said of it until it was tried.
	Pending Status = "pending"
)

// State is what is to be said of one feed. Its JSON is that of "feed list".
type State struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Path string `json:"path,omitempty"`
	URL  string `json:"url,omitempty"` // where it is fetched from, without keys

	Status  Status `json:"status"`
	Message string `json:"msg"` // for people: what is wrong and what to do, or what was loaded
	// Indicators is how many are in use, without those that are allowed; of an
	// allow list, its entries.
	Indicators int          `json:"indicators"`
	Drops      ingest.Drops `json:"left_out,omitempty"` // ingest.Allowed tells what allow lists took away

	// Change is what the version in use has brought since the one before it.
	Change intel.Change `json:"change,omitzero"`

	LoadedAt time.Time     `json:"loaded,omitzero"` // when the version in use was read or fetched; zero: never
	FreshAt  time.Time     `json:"fresh,omitzero"`  // when it was last known to be the newest; zero: never
	Took     time.Duration `json:"took,omitempty"`  // to read it, in nanoseconds

	// The rest is of feeds that are fetched.

	Every  time.Duration `json:"every,omitempty"` // in nanoseconds
	NextAt time.Time     `json:"next,omitzero"`   // when it is fetched next
	// Fetches counts those that brought a new version, Unchanged those that
	// brought none, Errors what failed, reading files included.
	Fetches   int `json:"fetches,omitempty"`
	Unchanged int `json:"unchanged,omitempty"`
	Errors    int `json:"errors,omitempty"`
}

// isNews reports whether a state is worth a line after the one that was told.
// That a fetch fails again, with other words, is not.
func (s *State) isNews(told *State) bool {
	if s.Status == Pending {
		return false
	}
	if s.URL != "" && s.Status != OK && s.Status == told.Status {
		return s.Indicators != told.Indicators
	}
	return s.Status != told.Status || s.Message != told.Message || !s.LoadedAt.Equal(told.LoadedAt) || s.Indicators != told.Indicators
}
