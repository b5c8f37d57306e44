package query

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
