package column

import (
	"encoding/binary"
	"math/bits"
)

// A list of arrivals is packed as differences in Rice's code: the low k bits as they are,
// what is above them as so many ones and a zero. Datagrams come at random, so that this
// takes 2.2 bytes an arrival, within 1% of what is possible; each block has the k that is
// best for it.
const (
	riceBlock = 256
	riceMost  = 32 // ones; as many say that the whole difference follows
)

// unpackArrivals reads the list of files that earlier versions wrote: how many arrivals there
// are, the first one, and all differences behind each other.
func unpackArrivals(b []byte) (arrivals, error) {
	n, size := binary.Uvarint(b)
	switch {
	case size <= 0 || n > 8*uint64(len(b)):
		return nil, errArrivals
	case n == 0:
		return nil, nil
	case len(b) < size+8:
		return nil, errArrivals
	}
	at := int64(binary.LittleEndian.Uint64(b[size:]))
	a := append(make(arrivals, 0, n), at)
	r := bitReader{b: b[size+8:]}
	for len(a) < int(n) {
		var ok bool
		if a, ok = r.block(a, min(int(n)-len(a), riceBlock)); !ok {
			return nil, errArrivals
		}
	}
	return a, nil
}

// riceCost returns how many bits differences take with k.
func riceCost(d []uint64, k uint) (bits uint64) {
	for _, v := range d {
		if q := v >> k; q < riceMost {
			bits += q + 1 + uint64(k)
		} else {
			bits += riceMost + 64
		}
	}
	return bits
}

// bitWriter appends bits, the lowest first.
type bitWriter struct {
	b    []byte
	word uint64
	n    uint // bits in word, fewer than 8
}

// put appends up to 32 bits.
func (w *bitWriter) put(v uint64, n uint) {
	w.word |= v << w.n
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.b = append(w.b, byte(w.word))
		w.word >>= 8
	}
}

// block appends the differences between up to riceBlock arrivals.
func (w *bitWriter) block(a arrivals) {
	var differences [riceBlock]uint64
	d := differences[:len(a)-1]
	for i := range d {
		d[i] = uint64(a[i+1]) - uint64(a[i])
	}
	if len(d) == 0 {
		return
	}
	sum := uint64(0)
	for _, v := range d {
		sum += min(v, 1<<40)
	}
	k := min(uint(bits.Len64(sum/uint64(len(d)))), 32) // the best one is near the logarithm of the mean
	for k > 0 && riceCost(d, k-1) <= riceCost(d, k) {
		k--
	}
	w.put(uint64(k), 6)
	for _, v := range d {
		if q := uint(min(v>>k, riceMost)); q < riceMost {
			w.put(1<<q-1, q+1)
			w.put(v&(1<<k-1), k)
		} else {
			w.put(1<<riceMost-1, riceMost)
			w.put(v&0xffffffff, 32)
			w.put(v>>32, 32)
		}
	}
}

// end fills the last byte up.
func (w *bitWriter) end() {
	if w.n > 0 {
		w.b = append(w.b, byte(w.word))
	}
	w.word, w.n = 0, 0
}

// bitReader reads what bitWriter wrote.
type bitReader struct {
	b    []byte
	at   uint // bit
	over bool // more was read than there is
}

// word returns the next 57 bits at least, zeros behind the end.
func (r *bitReader) word() uint64 {
	if from := int(r.at / 8); from+8 <= len(r.b) {
		return binary.LittleEndian.Uint64(r.b[from:]) >> (r.at % 8)
	} else if from < len(r.b) {
		var end [8]byte
		copy(end[:], r.b[from:])
		return binary.LittleEndian.Uint64(end[:]) >> (r.at % 8)
	}
	return 0
}

func (r *bitReader) skip(n uint) {
	r.at += n
	r.over = r.over || r.at > 8*uint(len(r.b))
}

// bits reads up to 32 bits.
func (r *bitReader) bits(n uint) uint64 {
	v := r.word() & (1<<n - 1)
	r.skip(n)
	return v
}

// block appends n arrivals to those before them.
func (r *bitReader) block(a arrivals, n int) (out arrivals, ok bool) {
	if n == 0 {
		return a, true
	}
	at := a[len(a)-1]
	k := uint(min(r.bits(6), 32))
	for range n {
		d, ok := r.rice(k)
		if !ok {
			d = r.bits(32)
			d |= r.bits(32) << 32
		}
		next := int64(uint64(at) + d)
		if next < at || r.over {
			return a, false
		}
		at = next
		a = append(a, at)
	}
	return a, true
}

// rice reads a difference of k low bits. ok is false where riceMost ones say that the whole
// difference follows. Up to 57 bits are one look: nearly always.
func (r *bitReader) rice(k uint) (d uint64, ok bool) {
	word := r.word()
	n := uint(bits.TrailingZeros64(^word))
	switch {
	case n >= riceMost:
		r.skip(riceMost)
		return 0, false
	case n+1+k <= 57:
		r.skip(n + 1 + k)
		return uint64(n)<<k | word>>(n+1)&(1<<k-1), true
	}
	r.skip(n + 1)
	return uint64(n)<<k | r.bits(k), true
}
