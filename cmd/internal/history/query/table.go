package query

import (
	"errors"
	"hash/maphash"
)

// table adds up numbers by packed keys of one width. It is an open hash table; keys and
// sums stand in two blocks of memory, without a pointer for each.
type table struct {
	width int
	most  int // entries; more is errFull
	slots []uint32
	keys  []byte
	sums  []uint64
}

// errFull is returned when a table has as many keys as its memory allows.
var errFull = errors.New("too many different values for the memory that a question may take")

var hashSeed = maphash.MakeSeed()

func newTable(width, memory int) *table {
	// A key and a sum may be copied while their blocks grow; two to four slots of 4 bytes.
	return &table{width: width, most: max(1024, memory/(2*(width+8)+16)), slots: make([]uint32, 1<<10)}
}

func (t *table) len() int { return len(t.sums) }

func (t *table) key(i int) []byte { return t.keys[i*t.width : (i+1)*t.width] }

// add adds n to the sum of a key, whose hash is h. It reports whether the key is new.
func (t *table) add(key []byte, h, n uint64) (isNew bool, err error) {
	mask := uint64(len(t.slots) - 1)
	p := h & mask
	for ; t.slots[p] != 0; p = (p + 1) & mask {
		i := int(t.slots[p] - 1)
		if string(t.key(i)) == string(key) {
			t.sums[i] += n
			return false, nil
		}
	}
	if len(t.sums) >= t.most {
		return false, errFull
	}
	t.keys = append(t.keys, key...)
	t.sums = append(t.sums, n)
	t.slots[p] = uint32(len(t.sums))
	if 2*len(t.sums) > len(t.slots) {
		t.grow()
	}
	return true, nil
}

func (t *table) grow() {
	t.slots = make([]uint32, 2*len(t.slots))
	mask := uint64(len(t.slots) - 1)
	for i := range t.sums {
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
