package bounded

import (
	"encoding/binary"
	"math"
	"testing"
)

// Each value is read as it was written; with fewer bytes, none is read beyond them.
func TestReader(t *testing.T) {
	t.Parallel()
	var b []byte
	for _, n := range []uint64{0, 127, 128, math.MaxUint64} {
		b = binary.AppendUvarint(b, n)
	}
	b = append(b, "\x03abc"...)
	for cut := range len(b) + 1 {
		r := Reader{B: b[:cut]}
		a, c, d, e, text := r.Uvarint(), r.Uvarint(), r.Uvarint(), r.Uvarint(), r.Prefixed()
		if cut < len(b) {
			if !r.Bad || len(r.B) > 0 || text != nil {
				t.Errorf("with %d bytes: bad %v, %d are left, text %q", cut, r.Bad, len(r.B), text)
			}
			continue
		}
		if a != 0 || c != 127 || d != 128 || e != math.MaxUint64 || string(text) != "abc" || r.Bad || len(r.B) > 0 {
			t.Errorf("%d %d %d %d %q, bad %v, %d bytes are left", a, c, d, e, text, r.Bad, len(r.B))
		}
	}
	for _, n := range []uint64{1, math.MaxInt64 + 1, math.MaxUint64} {
		r := Reader{}
		if r.Take(n) != nil || !r.Bad {
			t.Errorf("%d bytes of none: bad %v", n, r.Bad)
		}
	}
	long := Reader{B: append(make([]byte, 0, 11), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1)}
	if long.Uvarint() != 0 || !long.Bad {
		t.Error("a number of more than 64 bits is read")
	}
}
