package dataset

import (
	"math"
	"math/bits"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// Sketch estimates how many different hashes it was told of (HyperLogLog). Its length is a
// power of two: 2,048 estimate to 2%, 32,768 to 0.6%.
type Sketch []uint8

// sketchSize is the length of the sketches of the roll-up.
const sketchSize = 2048

// NewEndSketch returns a sketch of ends, as those of the roll-up are.
func NewEndSketch() Sketch { return make(Sketch, sketchSize) }

// EndHash is the hash of an end. It is a part of the format of the roll-up: sketches of
// different files are merged.
func EndHash(a flow.Addr, port uint16) uint64 {
	return Mix(Mix(a.Hi^0x9e3779b97f4a7c15, a.Lo^0xa0761d6478bd642f)^uint64(port), 0xe7037ed1a0b428db)
}

// Mix makes a hash of two numbers: the halves of their product.
func Mix(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

// Add tells of a hash.
func (s Sketch) Add(h uint64) {
	n := bits.TrailingZeros(uint(len(s))) & 63 // how many bits of the hash are the place
	at, zeros := h&uint64(len(s)-1), bits.TrailingZeros64(h>>n|1<<(64-n))
	if most := uint8(zeros + 1); most > s[at] { // seldom
		s[at] = most
	}
}

// Merge tells of all that o, which is as long, was told of.
func (s Sketch) Merge(o Sketch) {
	for i, n := range o {
		s[i] = max(s[i], n)
	}
}

// Estimate returns how many different hashes there were.
func (s Sketch) Estimate() int {
	m := float64(len(s))
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
