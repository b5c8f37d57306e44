package dataset

import (
	"math"
	"math/bits"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// Sketch estimates how many different ends it was told of, to 2% (HyperLogLog).
type Sketch [1 << sketchBits]uint8

const sketchBits = 11

// EndHash is the hash of an end. It is a part of the format of the roll-up: sketches of
// different files are merged.
func EndHash(a flow.Addr, port uint16) uint64 {
	return foldHash(foldHash(a.Hi^0x9e3779b97f4a7c15, a.Lo^0xa0761d6478bd642f)^uint64(port), 0xe7037ed1a0b428db)
}

func foldHash(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

// Add tells of an end, by its hash.
func (s *Sketch) Add(h uint64) {
	at, zeros := h&(1<<sketchBits-1), bits.TrailingZeros64(h>>sketchBits|1<<(64-sketchBits))
	if n := uint8(zeros + 1); n > s[at] { // seldom
		s[at] = n
	}
}

// Merge tells of all ends that o was told of.
func (s *Sketch) Merge(o *Sketch) {
	for i, n := range o {
		s[i] = max(s[i], n)
	}
}

// Estimate returns how many different ends there were.
func (s *Sketch) Estimate() int {
	const m = 1 << sketchBits
	sum, empty := 0.0, 0
	for _, n := range s {
		sum += math.Ldexp(1, -int(n))
		if n == 0 {
			empty++
		}
	}
	e := 0.7213 / (1 + 1.079/m) * m * m / sum
	if e <= 2.5*m && empty > 0 {
		e = m * math.Log(m/float64(empty))
	}
	return int(math.Round(e))
}
