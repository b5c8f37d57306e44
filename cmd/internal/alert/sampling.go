package alert

import (
	"math"
	"math/bits"
)

// scaleBySampling multiplies a counter of a sampling exporter by its rate: by how
// many packets were on the wire for one that was counted. It saturates.
func scaleBySampling(n uint64, rate uint32) uint64 {
	hi, lo := bits.Mul64(n, uint64(max(rate, 1)))
	if hi != 0 {
		return math.MaxUint64
	}
	return lo
}
