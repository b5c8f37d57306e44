package query

import (
	"errors"
	"hash/maphash"
)

// table adds up numbers by packed keys of one width. It is an open hash table; keys and
// sums stand in blocks that are never moved, without a pointer for each.
type table struct {
	width int
	most  int // entries; more is errFull
	count int
	slots []uint32
	keys  [][]byte
	sums  [][]uint64
}

// block is how many entries a block holds, as a power of two.
const block = 12

// errFull is returned when a table has as many keys as its memory allows.
var errFull = errors.New("too many different values for the memory that a question may take")

var hashSeed = maphash.MakeSeed()

func newTable(width, memory int) *table {
	// Two to four slots of 4 bytes stand for an entry, and half of them twice while the
	// table grows.
	return &table{width: width, most: max(1024, memory/(width+8+16)), slots: make([]uint32, 1<<10)}
}

func (t *table) len() int { return t.count }

func (t *table) key(i int) []byte {
	at := i & (1<<block - 1) * t.width
	return t.keys[i>>block][at : at+t.width]
}

func (t *table) sum(i int) uint64 { return t.sums[i>>block][i&(1<<block-1)] }

// add adds n to the sum of a key, whose hash is h. It reports whether the key is new.
func (t *table) add(key []byte, h, n uint64) (isNew bool, err error) {
	mask := uint64(len(t.slots) - 1)
	p := h & mask
	for ; t.slots[p] != 0; p = (p + 1) & mask {
		i := int(t.slots[p] - 1)
		if string(t.key(i)) == string(key) {
			t.sums[i>>block][i&(1<<block-1)] += n
			return false, nil
		}
	}
	if t.count >= t.most {
		return false, errFull
	}
	if t.count&(1<<block-1) == 0 {
		t.keys = append(t.keys, make([]byte, t.width<<block))
		t.sums = append(t.sums, make([]uint64, 1<<block))
	}
	copy(t.key(t.count), key)
	t.sums[t.count>>block][t.count&(1<<block-1)] = n
	t.count++
	t.slots[p] = uint32(t.count)
	if 2*t.count > len(t.slots) {
		t.grow()
	}
	return true, nil
}

func (t *table) grow() {
	t.slots = make([]uint32, 2*len(t.slots))
	mask := uint64(len(t.slots) - 1)
	for i := range t.count {
		p := maphash.Bytes(hashSeed, t.key(i)) & mask
		for t.slots[p] != 0 {
			p = (p + 1) & mask
		}
		t.slots[p] = uint32(i + 1)
	}
}

// numbering gives the different codes among the rows of a group numbers from 0 on. Its
// memory is reused.
type numbering struct {
	slots []uint32
	codes []uint64
	first []int32 // for each number the place of its code in what was numbered
	ids   []int32
	dense []int32
}

// denseBits is how many bits codes may have for a plain array to be quicker than
// hashing.
const denseBits = 18

// number sets ids for each code. Codes have at most the given number of bits.
func (n *numbering) number(codes []uint64, bits int) {
	n.codes, n.first = n.codes[:0], n.first[:0]
	n.ids = n.ids[:0]
	if bits <= denseBits {
		n.numberDense(codes, bits)
		return
	}
	size := 1 << 10
	for size < 2*len(codes) {
		size <<= 1
	}
	if len(n.slots) < size {
		n.slots = make([]uint32, size)
	} else {
		n.slots = n.slots[:size]
		clear(n.slots)
	}
	mask := uint64(size - 1)
	for at, c := range codes {
		p := (c * 0x9e3779b97f4a7c15 >> 20) & mask
		for n.slots[p] != 0 && n.codes[n.slots[p]-1] != c {
			p = (p + 1) & mask
		}
		if n.slots[p] == 0 {
			n.codes = append(n.codes, c)
			n.first = append(n.first, int32(at))
			n.slots[p] = uint32(len(n.codes))
		}
		n.ids = append(n.ids, int32(n.slots[p]-1))
	}
}

func (n *numbering) numberDense(codes []uint64, bits int) {
	if n.dense == nil {
		n.dense = make([]int32, 1<<denseBits)
	}
	dense := n.dense[:1<<bits]
	clear(dense)
	for at, c := range codes {
		if dense[c] == 0 {
			n.first = append(n.first, int32(at))
			dense[c] = int32(len(n.first))
		}
		n.ids = append(n.ids, dense[c]-1)
	}
}
