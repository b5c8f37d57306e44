// Package bounded reads numbers and bytes from the front of what somebody else may have
// written: never beyond its end, and without an error to be looked at after each value.
package bounded

import "encoding/binary"

// Reader reads from the front of B. What cannot be read sets Bad, and there is nothing
// more to read then: all later values are 0 or nil.
type Reader struct {
	B   []byte
	Bad bool
}

// Fail says that what was read cannot be.
func (r *Reader) Fail() { r.B, r.Bad = nil, true }

// Uvarint reads an unsigned number as encoding/binary writes it.
func (r *Reader) Uvarint() uint64 {
	if len(r.B) > 0 && r.B[0] < 0x80 { // most are small
		v := r.B[0]
		r.B = r.B[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(r.B)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.B = r.B[n:]
	return v
}

// Take returns the next n bytes, which are those of B; nil where there are not so many.
func (r *Reader) Take(n uint64) []byte {
	if n > uint64(len(r.B)) {
		r.Fail()
		return nil
	}
	b := r.B[:n]
	r.B = r.B[n:]
	return b
}

// Prefixed takes bytes whose number stands before them.
func (r *Reader) Prefixed() []byte { return r.Take(r.Uvarint()) }
