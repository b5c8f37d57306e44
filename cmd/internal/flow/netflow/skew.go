package netflow

import "time"

// An exporter's clock is taken for wrong when skewSteady datagrams in a row arrived
// about equally long after they say that they were sent (within skewSpread), and that
// is more than skewFrom: datagrams do not travel for so long. Flows of exporters whose
// clocks differ could not be held against each other otherwise.
const (
	skewSteady = 16
	skewSpread = int64(2 * time.Second)
	skewFrom   = int64(5 * time.Second)
	// skewMost is where a clock is not set at all, and times mean nothing: a flow is
	// taken to have ended when it arrived, as before.
	skewMost = int64(24 * time.Hour)
)

// skew follows one exporter's clock. The zero value has seen nothing.
type skew struct {
	base   int64 // mean of received - exported of late, ns
	steady int   // datagrams that agreed with it
	slow   int64 // the offset in use, ns
}

// see takes how long after its own time a datagram arrived, and returns how much the
// exporter's clock is slow.
func (s *skew) see(late int64) int64 {
	off := late - s.base
	if s.steady == 0 || off > skewSpread || off < -skewSpread {
		s.base, s.steady = late, 1
		return s.slow
	}
	s.base += off / 16
	if s.steady++; s.steady >= skewSteady {
		s.steady = skewSteady
		s.slow = 0
		if far := max(s.base, -s.base); far > skewFrom && far < skewMost {
			s.slow = s.base
		}
	}
	return s.slow
}
