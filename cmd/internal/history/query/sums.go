package query

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"math/bits"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
)

// sums adds up a value for each group of records, as one worker finds them.
type sums struct {
	keys   []Key
	value  Value
	raw    bool
	either bool

	share  share   // the groups that are added up
	bounds *bounds // nil as long as all groups fit into the table
	// spill, unless it is nil, lets bounds take over when the table is full. It is told.
	spill func()

	table    *table
	seen     *table // groups with an address each, where addresses are counted
	records  uint64
	total    uint64
	coded    []coded
	address  coded
	groups   numbering
	pairs    numbering
	codes    []uint64
	packed   []byte
	values   []uint64
	added    []uint64
	hashes   []uint64
	pairKeys []byte
	memory   int
}

func newSums(keys []Key, value Value, raw bool, part share, memory int) *sums {
	s := &sums{keys: keys, value: value, raw: raw, share: part, coded: make([]coded, len(keys)), memory: memory}
	for i := range keys {
		s.either = s.either || keys[i].Either
	}
	s.newTables()
	return s
}

func (s *sums) newTables() {
	width := 0
	for i := range s.keys {
		width += s.keys[i].Width()
	}
	if s.value.counts() {
		s.table, s.seen = newTable(width, s.memory/3), newTable(width+16, s.memory*2/3)
	} else {
		s.table = newTable(width, s.memory)
	}
}

// overflow turns the sums that do not fit into the table into bounds.
func (s *sums) overflow() {
	if s.bounds != nil {
		return
	}
	s.bounds = newBounds()
	for i := range s.table.len() {
		s.bounds.add(hashPacked(s.keys, s.table.key(i)), s.table.sum(i))
	}
	s.memory = 0
	s.newTables()
	if s.spill != nil {
		s.spill()
	}
}

// visit adds the records that were found in a group.
func (s *sums) visit(g *group, found [2][]int32) error {
	for w := range way(2) {
		if len(found[w]) == 0 {
			continue
		}
		mark := g.mark()
		err := s.add(g, w, found[w])
		g.release(mark)
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *sums) add(g *group, w way, sel []int32) error {
	s.valuesOf(g, w, sel)
	s.records += uint64(len(sel))
	for _, v := range s.values {
		s.total = flow.Sum(s.total, v)
	}
	if err := s.addSide(g, w, sel, false); err != nil || !s.either {
		return err
	}
	sel = s.unlike(g, w, sel) // those whose other side is another one count for that, too
	if len(sel) == 0 {
		return nil
	}
	s.valuesOf(g, w, sel)
	return s.addSide(g, w, sel, true)
}

// valuesOf sets values for the rows of sel.
func (s *sums) valuesOf(g *group, w way, sel []int32) {
	s.values = s.values[:0]
	switch s.value {
	case SumBytes:
		s.values = g.numbers(Bytes, w, sel, s.values)
	case SumPackets:
		s.values = g.numbers(Packets, w, sel, s.values)
	case CountFlows:
		for range sel {
			s.values = append(s.values, 1)
		}
	}
}

// unlike returns the rows of sel whose keys of either side differ.
func (s *sums) unlike(g *group, w way, sel []int32) []int32 {
	out := g.list()
	differs := make([]bool, len(sel))
	var one, other coded
	for k := range s.keys {
		key := &s.keys[k]
		if !key.Either {
			continue
		}
		width := key.Width()
		one.code(g, key, key.Field, w, sel)
		other.code(g, key, key.Other, w, sel)
		for i := range sel {
			s.packed = other.append(one.append(s.packed[:0], one.codes[i]), other.codes[i])
			differs[i] = differs[i] || string(s.packed[:width]) != string(s.packed[width:])
		}
	}
	for i, row := range sel {
		if differs[i] {
			out = append(out, row)
		}
	}
	return out
}

// addSide adds the values under the keys, those of either side taken from the source or
// from the destination. It first adds up within the row group, where small numbers
// stand for addresses.
func (s *sums) addSide(g *group, w way, sel []int32, other bool) error {
	for k := range s.keys {
		f := s.keys[k].Field
		if other && s.keys[k].Either {
			f = s.keys[k].Other
		}
		s.coded[k].code(g, &s.keys[k], f, w, sel)
	}
	if s.value.counts() {
		f := SrcIP
		if s.value == CountTargets {
			f = DstIP
		}
		s.address.code(g, &Key{Field: f}, f, w, sel)
	}
	switch {
	case s.bounds != nil:
		s.hashes = hashAll(s.coded, s.hashes)
		if !s.value.counts() {
			for i, h := range s.hashes {
				s.bounds.add(h, s.values[i])
			}
			return nil
		}
	case !s.share.all():
		s.hashes = hashAll(s.coded, s.hashes)
		if !s.sift() {
			return nil
		}
	}
	s.group()
	if s.value.counts() {
		return s.addPairs()
	}
	s.added = append(s.added[:0], make([]uint64, len(s.groups.first))...)
	for i, id := range s.groups.ids {
		s.added[id] = flow.Sum(s.added[id], s.values[i])
	}
	return s.putGroup()
}

// sift leaves of what was coded only what is in the share. It reports whether anything is.
func (s *sums) sift() bool {
	kept := 0
	for i, h := range s.hashes {
		if !s.share.has(h) {
			continue
		}
		for k := range s.coded {
			s.coded[k].codes[kept] = s.coded[k].codes[i]
		}
		if s.value.counts() {
			s.address.codes[kept] = s.address.codes[i]
		} else {
			s.values[kept] = s.values[i]
		}
		kept++
	}
	for k := range s.coded {
		s.coded[k].codes = s.coded[k].codes[:kept]
	}
	return kept > 0
}

// group numbers the different keys among what was coded.
func (s *sums) group() {
	width := 0
	s.codes = s.codes[:0]
	for k := range s.keys {
		c := &s.coded[k]
		if k == 0 {
			s.codes, width = append(s.codes, c.codes...), c.bits
			continue
		}
		if width+c.bits > 64 {
			s.groups.number(s.codes, width)
			for i, id := range s.groups.ids {
				s.codes[i] = uint64(id)
			}
			width = bits.Len(uint(len(s.groups.first)))
		}
		for i, code := range c.codes {
			s.codes[i] = s.codes[i]<<c.bits | code
		}
		width += c.bits
	}
	s.groups.number(s.codes, width)
}

// putGroup adds what was added up within the row group.
func (s *sums) putGroup() error {
	s.packed = s.packed[:0]
	for _, at := range s.groups.first {
		s.packed = s.pack(s.packed, at)
	}
	return s.putShare(s.packed, s.added)
}

// putShare adds sums of packed keys, all of which are in the share.
func (s *sums) putShare(keys []byte, added []uint64) error {
	n, err := s.table.addAll(keys, added)
	if err == nil || s.spill == nil {
		return err
	}
	s.overflow()
	width := s.table.width
	for i := n; i < len(added); i++ {
		s.bounds.add(hashPacked(s.keys, keys[i*width:(i+1)*width]), added[i])
	}
	return nil
}

// putAll adds sums of packed keys, as far as these are in the share.
func (s *sums) putAll(keys []byte, added []uint64) (err error) {
	if s.bounds == nil && s.share.all() {
		return s.putShare(keys, added)
	}
	width := s.table.width
	for i, n := range added {
		err = cmp.Or(err, s.put(keys[i*width:(i+1)*width], n))
	}
	return err
}

// pack packs the keys of the row that was coded at a place.
func (s *sums) pack(b []byte, at int32) []byte {
	for k := range s.coded {
		b = s.coded[k].append(b, s.coded[k].codes[at])
	}
	return b
}

// put adds n to the sum of a packed key, if it is one of the share.
func (s *sums) put(key []byte, n uint64) error {
	if s.bounds == nil && s.share.all() {
		_, err := s.table.add(key, maphash.Bytes(hashSeed, key), n)
		if err == nil || s.spill == nil {
			return err
		}
		s.overflow()
	}
	h := hashPacked(s.keys, key)
	if s.bounds != nil {
		s.bounds.add(h, n)
		return nil
	}
	if !s.share.has(h) {
		return nil
	}
	_, err := s.table.add(key, maphash.Bytes(hashSeed, key), n)
	return err
}

// addPairs counts the addresses of each group.
func (s *sums) addPairs() error {
	width := bits.Len(uint(len(s.groups.first))) + s.address.bits
	s.codes = s.codes[:0]
	for i, id := range s.groups.ids {
		s.codes = append(s.codes, uint64(id)<<s.address.bits|s.address.codes[i])
	}
	s.pairs.number(s.codes, width)
	for _, at := range s.pairs.first {
		s.packed = s.pack(s.packed[:0], at)
		if err := s.putPair(s.packed, s.address.address(s.address.codes[at])); err != nil {
			return err
		}
	}
	return nil
}

// putPair counts an address for a packed key, if it is a new one.
func (s *sums) putPair(key []byte, a flow.Addr) error {
	if s.bounds != nil || !s.share.all() && !s.share.has(hashPacked(s.keys, key)) {
		return s.put(key, 1)
	}
	s.pairKeys = append(s.pairKeys[:0], key...)
	s.pairKeys = binary.BigEndian.AppendUint64(s.pairKeys, a.Hi)
	s.pairKeys = binary.BigEndian.AppendUint64(s.pairKeys, a.Lo)
	isNew, err := s.seen.add(s.pairKeys, maphash.Bytes(hashSeed, s.pairKeys), 0)
	if err != nil && s.spill != nil {
		s.overflow()
		isNew, err = true, nil
	}
	if err != nil || !isNew {
		return err
	}
	return s.put(key, 1)
}

// merge adds what another worker has added up.
func (s *sums) merge(o *sums) error {
	s.records += o.records
	s.total = flow.Sum(s.total, o.total)
	if o.bounds != nil {
		s.overflow()
		s.bounds.merge(o.bounds)
		return nil
	}
	if s.value.counts() && s.bounds == nil {
		width := s.table.width
		for i := range o.seen.len() {
			pair := o.seen.key(i)
			if err := s.putPair(pair[:width], flow.AddrFrom16(pair[width:])); err != nil {
				return err
			}
		}
		return nil
	}
	s.packed, s.added = s.packed[:0], s.added[:0]
	for i := range o.table.len() {
		s.packed, s.added = append(s.packed, o.table.key(i)...), append(s.added, o.table.sum(i))
		if len(s.added) < mostAdded {
			continue
		}
		if err := s.putAll(s.packed, s.added); err != nil {
			return err
		}
		s.packed, s.added = s.packed[:0], s.added[:0]
	}
	return s.putAll(s.packed, s.added)
}

// crowded reports whether there are more groups than one worker holds. How work was shared
// out decides then whether one of them had too many: an answer must not tell.
func (s *sums) crowded() bool {
	return s.table.len() > s.table.room || s.seen != nil && s.seen.len() > s.seen.room
}

// estimate returns about how many groups there are, as bounds would have it.
func (s *sums) estimate() int {
	seen := make(dataset.Sketch, sketchSize)
	for i := range s.table.len() {
		seen.Add(hashPacked(s.keys, s.table.key(i)))
	}
	return seen.Estimate()
}
