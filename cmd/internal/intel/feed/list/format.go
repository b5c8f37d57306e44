package list

import (
	"io"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// Reader reads lists of one format.
type Reader struct {
	Format Format
	Column string
}

// Parse is the function Parse.
func (r Reader) Parse(in io.Reader, o ingest.Options, keep func(intel.Indicator) ingest.Reason) (ingest.Drops, error) {
	st, err := Parse(in, Options{Format: r.Format, Column: r.Column, Template: o.Template}, keep)
	return st.Drops, err
}
