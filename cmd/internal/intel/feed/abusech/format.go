package abusech

import (
	"io"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// ReadFeodo is ParseFeodo in the words of package feed.
func ReadFeodo(in io.Reader, o ingest.Options, keep func(intel.Indicator) ingest.Reason) (ingest.Drops, error) {
	st, err := ParseFeodo(in, Options{Template: o.Template}, keep)
	return st.Drops, err
}

// ReadThreatFox is ParseThreatFox in the words of package feed.
func ReadThreatFox(in io.Reader, o ingest.Options, keep func(intel.Indicator) ingest.Reason) (ingest.Drops, error) {
	st, err := ParseThreatFox(in, Options{Template: o.Template}, keep)
	return st.Drops, err
}

// ReadURLhaus is ParseURLhaus in the words of package feed.
func ReadURLhaus(in io.Reader, o ingest.Options, keep func(intel.Indicator) ingest.Reason) (ingest.Drops, error) {
	st, err := ParseURLhaus(in, Options{Template: o.Template}, keep)
	return st.Drops, err
}
