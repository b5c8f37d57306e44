package flow

import "math"

// Sum adds two counters. They come from outside and may be anything: it saturates.
func Sum(a, b uint64) uint64 {
	if b > math.MaxUint64-a {
		return math.MaxUint64
	}
	return a + b
}

// IsICMP reports whether an IP protocol has types and codes in place of ports.
func IsICMP(proto uint8) bool { return proto == 1 || proto == 58 }
