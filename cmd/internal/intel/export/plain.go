package export

import (
	"bufio"
	"iter"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// writePlain writes one address, network, domain or URL a line, without a word
// about why: the form that any script and every feed of type list reads.
func writePlain(w *bufio.Writer, entries iter.Seq[intel.Indicator], _ *Options, s *Stats) error {
	for i := range entries {
		w.WriteString(written(&i))
		w.WriteByte('\n')
		s.Written++
	}
	return nil
}
