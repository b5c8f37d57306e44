package query

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
)

// bounds say how much groups have at most, when there are too many to add each up: what
// all groups of a bucket have together. Who has the most is then found among the buckets
// that have the most, whose groups are added up exactly when the files are read again.
type bounds struct {
	sums []uint64
	done []uint64 // a bit for each bucket that was added up
	zero []uint64 // and for those that have groups of 0
	seen dataset.Sketch
}

// bucketBits: a million buckets of 8 bytes for each worker. Of 10 M groups the 10 largest
// are then among the 2,000 largest buckets.
const bucketBits = 20

// sketchSize is how large the sketch of all groups is: it is right to 0.6%.
const sketchSize = 1 << 15

func bucketOf(h uint64) uint64 { return h >> (64 - bucketBits) }

func newBounds() *bounds {
	const words = 1 << bucketBits / 64
	return &bounds{sums: make([]uint64, 1<<bucketBits), done: make([]uint64, words), zero: make([]uint64, words), seen: make(dataset.Sketch, sketchSize)}
}

// add adds n to what the bucket of a group has.
func (b *bounds) add(h, n uint64) {
	at := bucketOf(h)
	b.sums[at] = flow.Sum(b.sums[at], n)
	if n == 0 { // seldom
		b.zero[at>>6] |= 1 << (at & 63)
	}
	b.seen.Add(h)
}

func (b *bounds) merge(o *bounds) {
	for i, n := range o.sums {
		b.sums[i] = flow.Sum(b.sums[i], n)
	}
	for i, w := range o.zero {
		b.zero[i] |= w
	}
	b.seen.Merge(o.seen)
}

// class ranks sums roughly: to a sixteenth of their size.
func class(n uint64) int {
	if n < 32 {
		return int(n)
	}
	l := bits.Len64(n)
	return 32 + (l-6)*16 + int(n>>(l-5)&15)
}

const classes = 32 + 59*16

// take returns those of the buckets that are not done and have need or more which have
// the most, about as many as size and never more. nil: there are none.
func (b *bounds) take(size int, need uint64) []uint64 {
	var counts [classes]int
	b.each(need, func(at int) { counts[class(b.sums[at])]++ })
	lowest, count := classes, 0
	for lowest > 0 && (count == 0 || count+counts[lowest-1] <= size) {
		lowest--
		count += counts[lowest]
	}
	if count == 0 {
		return nil
	}
	out, left := make([]uint64, len(b.done)), size
	b.each(need, func(at int) {
		if left > 0 && class(b.sums[at]) >= lowest {
			out[at>>6] |= 1 << (at & 63)
			left--
		}
	})
	return out
}

// each calls do for the buckets that have groups, are not done and have need or more.
func (b *bounds) each(need uint64, do func(at int)) {
	for i, n := range b.sums {
		if n >= need && b.done[i>>6]>>(i&63)&1 == 0 && (n > 0 || b.zero[i>>6]>>(i&63)&1 != 0) {
			do(i)
		}
	}
}

// finish says that buckets were added up.
func (b *bounds) finish(taken []uint64) {
	for i, w := range taken {
		b.done[i] |= w
	}
}

// share is the part of all groups that is added up in one reading of the files: all of
// them, those of some buckets, or every so many-th.
type share struct {
	buckets      []uint64 // bits; nil: all
	pass, passes uint64   // 0 passes: one
}

func (s *share) all() bool { return s.buckets == nil && s.passes <= 1 }

// has reports whether the groups of a hash are added up.
func (s *share) has(h uint64) bool {
	if s.buckets != nil {
		at := bucketOf(h)
		return s.buckets[at>>6]>>(at&63)&1 != 0
	}
	return s.passes <= 1 || h%s.passes == s.pass
}

// The hash of a group is made of its keys one after another, either packed or as they
// stand in columns. It is the same in each run, as what is printed depends on it.
const (
	hash0 = 0x9e3779b97f4a7c15
	hash1 = 0xa0761d6478bd642f
	hash2 = 0xe7037ed1a0b428db
)

func hashNext(h, n uint64) uint64 { return dataset.Mix(h^n^hash1, hash2) }

func hashAddress(a flow.Addr) uint64 { return dataset.Mix(a.Hi^hash1, a.Lo^hash2) }

// hashPacked returns the hash of packed keys.
func hashPacked(keys []Key, b []byte) uint64 {
	h := uint64(hash0)
	for i := range keys {
		n := keys[i].Width()
		switch v := b[:n]; n {
		case 16:
			h = hashNext(h, hashAddress(flow.AddrFrom16(v)))
		case 8:
			h = hashNext(h, binary.BigEndian.Uint64(v)^1<<63)
		case 4:
			h = hashNext(h, uint64(binary.BigEndian.Uint32(v)))
		case 2:
			h = hashNext(h, uint64(binary.BigEndian.Uint16(v)))
		default:
			h = hashNext(h, uint64(v[0]))
		}
		b = b[n:]
	}
	return h
}

// hashAll sets hashes to those of coded keys.
func hashAll(coded []coded, hashes []uint64) []uint64 {
	hashes = slices.Grow(hashes[:0], len(coded[0].codes))[:len(coded[0].codes)]
	for i := range hashes {
		hashes[i] = hash0
	}
	for k := range coded {
		c := &coded[k]
		switch {
		case c.key.Width() == 16:
			of := c.addressHashes()
			for i, code := range c.codes {
				hashes[i] = hashNext(hashes[i], of[code])
			}
		case c.key.Step > 0:
			for i, code := range c.codes {
				hashes[i] = hashNext(hashes[i], uint64(c.base+int64(code)))
			}
		default:
			for i, code := range c.codes {
				hashes[i] = hashNext(hashes[i], code)
			}
		}
	}
	return hashes
}
