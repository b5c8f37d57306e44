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

// pack writes the list: how many there are, the first one, the differences.
func (a arrivals) pack() []byte {
	w := bitWriter{b: binary.AppendUvarint(nil, uint64(len(a)))}
	if len(a) == 0 {
		return w.b
	}
	w.b = binary.LittleEndian.AppendUint64(w.b, uint64(a[0]))
	var d [riceBlock]uint64
	for before := a[0]; len(a) > 1; {
		n := min(len(a)-1, riceBlock)
		for i, t := range a[1 : 1+n] {
			d[i] = uint64(t) - uint64(before)
			before = t
		}
		w.block(d[:n])
		a = a[n:]
	}
	return w.end()
}

// unpackArrivals reads what pack wrote.
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
	k := uint(0)
	for i := 0; len(a) < int(n); i++ {
		if i%riceBlock == 0 {
			k = uint(min(r.bits(6), 32))
		}
		d, ok := r.rice(k)
		if !ok {
			d = r.bits(32)
			d |= r.bits(32) << 32
		}
		next := int64(uint64(at) + d)
		if next < at || r.over {
			return nil, errArrivals
		}
		at = next
		a = append(a, at)
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

// block appends differences.
func (w *bitWriter) block(d []uint64) {
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

func (w *bitWriter) end() []byte {
	if w.n > 0 {
		w.b = append(w.b, byte(w.word))
	}
	return w.b
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
