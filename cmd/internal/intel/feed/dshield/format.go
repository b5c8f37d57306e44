package dshield

import (
	"io"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// Read is Parse in the words of package feed.
func Read(in io.Reader, o ingest.Options, keep func(intel.Indicator) ingest.Reason) (ingest.Drops, error) {
	st, err := Parse(in, Options{Template: o.Template}, keep)
	return st.Drops, err
}
