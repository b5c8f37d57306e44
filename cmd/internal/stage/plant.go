package stage

import (
	"net/netip"

	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/match"
)

// Test lets in what one socket of this host sends, for a flow that somebody plants to
// see whether its hit arrives. It comes through the real sockets and is decoded and
// matched as any; but it makes its sender no exporter, is held against its own
// indicators alone, and reaches no Sink.
type Test struct {
	From netip.AddrPort
	Set  *intel.Set
}

// Plant begins a test, or ends it with nil.
func (s *Stage) Plant(t *Test) { s.Change(func(st *State) { st.test = t }) }

// planted takes a datagram of a test.
func (w *Worker) planted(t *Test, data []byte, from netip.AddrPort, received int64) (flows int) {
	w.batch.Reset()
	_ = netflow.NewDecoder(netflow.Options{}).Decode(data, from, received, &w.batch) // what cannot be read matches nothing
	for i := range w.batch.Records {
		r := &w.batch.Records[i]
		if sides := match.Sides(t.Set, r); sides != 0 {
			w.pass(r, sides, t.Set, false)
		}
	}
	return len(w.batch.Records)
}
