package query

import (
	"encoding/binary"
	"errors"
	"hash/maphash"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// table adds up numbers by packed keys of one width. It is an open hash table; entries
// stand in blocks that are never moved, without a pointer for each: a sum, then its key.
type table struct {
	width int
	room  int // entries that a new table may have
	most  int // entries; more is errFull
	count int
	// slots hold the number of an entry from 1 on and, above, eight bits of its hash,
	// which spare nearly all looks at entries with another key.
	slots  []uint32
	blocks [][]byte
}

// block is how many entries a block holds, as a power of two.
const block = 12

const (
	tagShift   = 24
	maxEntries = 1<<tagShift - 1
)

// errFull is returned when a table has as many keys as its memory allows.
var errFull = errors.New("too many different values for the memory that a question may take")

var hashSeed = maphash.MakeSeed()

func newTable(width, memory int) *table {
	// Two to four slots of 4 bytes stand for an entry, and half of them twice while the
	// table grows.
	most := min(max(1024, memory/(width+8+16)), maxEntries)
	return &table{width: width, room: most, most: most, slots: make([]uint32, 1<<10)}
}

// widen gives the table the room of several.
func (t *table) widen(several int) { t.most = min(t.room*several, maxEntries) }

func (t *table) len() int { return t.count }

func (t *table) entry(i int) []byte {
	size := t.width + 8
	at := i & (1<<block - 1) * size
	return t.blocks[i>>block][at : at+size]
}

func (t *table) key(i int) []byte { return t.entry(i)[8:] }

func (t *table) sum(i int) uint64 { return binary.LittleEndian.Uint64(t.entry(i)) }

// raise adds n to the sum of an entry.
func raise(entry []byte, n uint64) {
	binary.LittleEndian.PutUint64(entry, flow.Sum(binary.LittleEndian.Uint64(entry), n))
}

// batch is how many keys are looked for side by side.
const batch = 128

// addAll adds to the sums of several different keys, which stand one after another in
// keys. Looking for many at once lets the processor wait for their memory at once: one by
// one it takes three times as long. It returns how many it has added before an error.
func (t *table) addAll(keys []byte, sums []uint64) (added int, err error) {
	var hashes [batch]uint64
	var slots [batch]uint32
	for first := 0; first < len(sums); first += batch {
		n := min(batch, len(sums)-first)
		some := keys[first*t.width : (first+n)*t.width]
		mask := uint64(len(t.slots) - 1)
		for i := range n {
			h := maphash.Bytes(hashSeed, some[i*t.width:(i+1)*t.width])
			hashes[i], slots[i] = h, t.slots[h&mask]
		}
		for i := range n {
			key := some[i*t.width : (i+1)*t.width]
			if s := slots[i]; s != 0 && s>>tagShift == uint32(hashes[i]>>56) {
				if e := t.entry(int(s&maxEntries) - 1); string(e[8:]) == string(key) {
					raise(e, sums[first+i])
					continue
				}
			}
			if _, err := t.add(key, hashes[i], sums[first+i]); err != nil {
				return first + i, err
			}
		}
	}
	return len(sums), nil
}

// add adds n to the sum of a key, whose hash is h. It reports whether the key is new.
func (t *table) add(key []byte, h, n uint64) (isNew bool, err error) {
	mask := uint64(len(t.slots) - 1)
	tag := uint32(h >> 56)
	p := h & mask
	for ; t.slots[p] != 0; p = (p + 1) & mask {
		if t.slots[p]>>tagShift != tag {
			continue
		}
		if e := t.entry(int(t.slots[p]&maxEntries) - 1); string(e[8:]) == string(key) {
			raise(e, n)
			return false, nil
		}
	}
	if t.count >= t.most {
		return false, errFull
	}
	if t.count&(1<<block-1) == 0 {
		t.blocks = append(t.blocks, make([]byte, (t.width+8)<<block))
	}
	e := t.entry(t.count)
	binary.LittleEndian.PutUint64(e, n)
	copy(e[8:], key)
	t.count++
	t.slots[p] = tag<<tagShift | uint32(t.count)
	if 2*t.count > len(t.slots) {
		t.grow()
	}
	return true, nil
}

// expect makes an empty table large enough for so many keys, if it may have them: to grow
// while it is filled takes it a sixth of the time.
func (t *table) expect(keys int) {
	size := len(t.slots)
	for size < 2*min(keys, t.most) {
		size *= 2
	}
	if size > len(t.slots) && t.count == 0 {
		t.slots = make([]uint32, size)
		clear(t.slots)
	}
}

func (t *table) grow() {
	t.slots = make([]uint32, 2*len(t.slots))
	clear(t.slots) // memory that is first read and then written costs the kernel three times as much
	mask := uint64(len(t.slots) - 1)
	for i := range t.count {
		h := maphash.Bytes(hashSeed, t.key(i))
		p := h & mask
		for t.slots[p] != 0 {
			p = (p + 1) & mask
		}
		t.slots[p] = uint32(h>>56)<<tagShift | uint32(i+1)
	}
}
