package dataset

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"os"
	"slices"
	"sort"
	"sync"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/flow"
)

var errIndex = errors.New("the address index is damaged")

// addressIndex is the address index of a day that is open for reading, by one goroutine.
type addressIndex struct {
	f      *os.File
	size   int64
	files  []indexedFile
	blocks []block
	old    bool // an earlier version of this program wrote it

	directorySize int64

	buffer     []byte
	bufferFrom int64 // of the file
	buffered   []byte
}

func openIndex(path string) (*addressIndex, error) {
	f, st, err := file.Open(path)
	if err != nil {
		return nil, err
	}
	x := &addressIndex{f: f, size: st.Size()}
	if err := x.open(); err != nil {
		_ = f.Close()
		return nil, err
	}
	return x, nil
}

func (x *addressIndex) close() { _ = x.f.Close() }

// open reads the directory.
func (x *addressIndex) open() error {
	end := make([]byte, indexEnd)
	if x.size < int64(len(indexMagic)+indexEnd) || x.size > indexLimit {
		return errIndex
	}
	if _, err := x.f.ReadAt(end, x.size-int64(indexEnd)); err != nil {
		return err
	}
	n := int64(binary.LittleEndian.Uint32(end))
	x.old = string(end[8:]) == oldIndexMagic
	if !x.old && string(end[8:]) != indexMagic || n > x.size-int64(indexEnd) {
		return errIndex
	}
	x.directorySize = n
	b := make([]byte, n)
	if _, err := x.f.ReadAt(b, x.size-int64(indexEnd)-n); err != nil {
		return err
	}
	if crc32.Checksum(b, castagnoli) != binary.LittleEndian.Uint32(end[4:]) {
		return errIndex
	}
	if x.old {
		return x.oldDirectory(b)
	}
	return x.directory(b)
}

// nothingElse reports what an index holds besides its blocks and its directory: that is
// never read.
func (x *addressIndex) nothingElse() error {
	if x.old {
		return nil
	}
	begin := make([]byte, len(indexMagic))
	if _, err := x.f.ReadAt(begin, 0); err != nil {
		return err
	}
	size := int64(len(indexMagic)+indexEnd) + x.directorySize
	for i := range x.blocks {
		size += int64(x.blocks[i].addresses.length) + int64(x.blocks[i].groups.length)
	}
	if string(begin) != indexMagic || size != x.size {
		return errIndex
	}
	return nil
}

// blockSize is what a block takes in the directory.
const blockSize = 16 + 2*16

func (x *addressIndex) directory(b []byte) error {
	le := binary.LittleEndian
	count := func() (int, bool) {
		if len(b) < 4 {
			return 0, false
		}
		n := le.Uint32(b)
		b = b[4:]
		return int(n), int64(n) <= int64(len(b))
	}
	n, ok := count()
	for ; ok && n > 0; n-- {
		if len(b) < 5 || len(b) < 5+int(b[4]) {
			return errIndex
		}
		x.files = append(x.files, indexedFile{string(b[5 : 5+b[4]]), le.Uint32(b)})
		b = b[5+b[4]:]
	}
	if n, ok = count(); !ok || len(b) != n*blockSize {
		return errIndex
	}
	x.blocks = make([]block, n)
	partOf := func(b []byte) part {
		return part{int64(le.Uint64(b)), int(le.Uint32(b[8:])), le.Uint32(b[12:])}
	}
	for i := range x.blocks {
		e := b[i*blockSize:]
		x.blocks[i] = block{flow.Addr{Hi: le.Uint64(e), Lo: le.Uint64(e[8:])}, partOf(e[16:]), partOf(e[32:])}
	}
	return nil
}

// read returns a part of the index. ahead is how many bytes from its first on are going to
// be asked for soon.
func (x *addressIndex) read(p part, ahead int64) ([]byte, error) {
	if p.offset < 0 || p.offset > x.size || int64(p.length) > x.size-p.offset {
		return nil, errIndex
	}
	at := p.offset - x.bufferFrom
	if at < 0 || at+int64(p.length) > int64(len(x.buffered)) {
		n := min(max(int64(p.length), ahead), x.size-p.offset)
		x.buffer = slices.Grow(x.buffer[:0], int(n))[:n]
		if _, err := x.f.ReadAt(x.buffer, p.offset); err != nil {
			return nil, err
		}
		x.bufferFrom, x.buffered, at = p.offset, x.buffer, 0
	}
	b := x.buffered[at : at+int64(p.length)]
	if crc32.Checksum(b, castagnoli) != p.sum {
		return nil, errIndex
	}
	return b, nil
}

// block gives the addresses of a block to each, with their row groups, which are valid
// during the call.
func (x *addressIndex) block(i int, each func(a flow.Addr, groups []uint32)) error {
	b := &x.blocks[i]
	if x.old {
		content, err := x.read(b.addresses, 0)
		if err != nil {
			return err
		}
		return oldBlock(content, each)
	}
	content, err := x.read(b.addresses, 0)
	if err != nil {
		return err
	}
	addresses, err := b.decode(content)
	if err != nil {
		return err
	}
	if content, err = x.read(b.groups, 0); err != nil {
		return err
	}
	var groups []uint32
	for _, a := range addresses {
		if content, groups, err = nextGroups(content, groups[:0]); err != nil {
			return err
		}
		each(a, groups)
	}
	if len(content) > 0 {
		return errIndex
	}
	return nil
}

// decode returns the addresses of a block.
func (b *block) decode(content []byte) ([]flow.Addr, error) {
	all := []flow.Range{{First: flow.Addr{}, Last: flow.Addr{Hi: math.MaxUint64, Lo: math.MaxUint64}}}
	var out []flow.Addr
	_, err := b.among(content, all, nil, func(a flow.Addr) { out = append(out, a) })
	return out, err
}

// among appends which of a block's addresses, counted from 0 on, lie in ranges, which are
// sorted and do not overlap. each is told of them.
func (b *block) among(content []byte, ranges []flow.Range, found []int32, each func(flow.Addr)) ([]int32, error) {
	if len(content) == 0 {
		return nil, errIndex
	}
	both := content[0] == bothHalves
	if content[0] > bothHalves {
		return nil, errIndex
	}
	a := b.first
	r := 0
	from, to := within(ranges, &r, a)
	for i, content := int32(0), content[1:]; ; i++ {
		if a.Lo > to {
			if from, to = within(ranges, &r, a); r == len(ranges) {
				return found, nil
			}
		}
		if a.Lo >= from {
			found = append(found, i)
			each(a)
		}
		if len(content) == 0 {
			return found, nil
		}
		d, n := uint64(content[0]), 1
		if d >= 0x80 {
			if d, n = binary.Uvarint(content); n <= 0 {
				return nil, errIndex
			}
		}
		if content = content[n:]; !both || d == 0 {
			if both {
				if d, n = binary.Uvarint(content); n <= 0 {
					return nil, errIndex
				}
				content = content[n:]
			}
			a.Lo += d
			continue
		}
		if len(content) < 8 {
			return nil, errIndex
		}
		a.Hi, a.Lo = a.Hi+d, binary.BigEndian.Uint64(content)
		content = content[8:]
		from, to = within(ranges, &r, a)
		if r == len(ranges) {
			return found, nil
		}
	}
}

// within moves r to the first of ranges that does not end before an address, and returns
// which lower halves with the upper half of that address lie in it: where from is above to,
// none.
func within(ranges []flow.Range, r *int, a flow.Addr) (from, to uint64) {
	for *r < len(ranges) && ranges[*r].Last.Compare(a) < 0 {
		*r++
	}
	if *r == len(ranges) {
		return 1, 0
	}
	x := &ranges[*r]
	switch {
	case x.First.Hi > a.Hi:
		return math.MaxUint64, math.MaxUint64 - 1
	case x.First.Hi == a.Hi:
		from = x.First.Lo
	}
	if to = math.MaxUint64; x.Last.Hi == a.Hi {
		to = x.Last.Lo
	}
	return from, to
}

// nextGroups appends the row groups that b begins with, and returns what follows them.
func nextGroups(b []byte, groups []uint32) (rest []byte, out []uint32, err error) {
	count, n := binary.Uvarint(b)
	if n <= 0 || count > uint64(len(b)) {
		return nil, nil, errIndex
	}
	b = b[n:]
	last := uint32(0)
	for range count {
		d, n := uint64(0), 1
		if len(b) > 0 && b[0] < 0x80 { // nearly always
			d = uint64(b[0])
		} else if d, n = binary.Uvarint(b); n <= 0 {
			return nil, nil, errIndex
		}
		last += uint32(d)
		groups = append(groups, last)
		b = b[n:]
	}
	return b, groups, nil
}

// finds is what an index says of ranges of addresses.
type finds struct {
	groups []bool // which row groups hold one of them
	// addresses are which of them it has, in order, unless they are too many.
	addresses []flow.Addr
	many      bool
}

// mostFound is how many addresses are told of all days: 4 MB of them.
const mostFound = 1 << 18

// find asks for ranges, which are sorted and do not overlap. Each worker looks at a part of
// the blocks. More than most addresses are too many.
func (x *addressIndex) find(ranges []flow.Range, workers, most int) (out finds, err error) {
	n := 0
	for _, f := range x.files {
		n += int(f.Groups)
	}
	workers = min(workers, len(ranges)/indexBlock+1) // few are found at once
	parts, errs := make([]finds, workers), make([]error, workers)
	var all sync.WaitGroup
	for i := range workers {
		part := addressIndex{f: x.f, size: x.size, old: x.old, blocks: x.blocks[i*len(x.blocks)/workers : (i+1)*len(x.blocks)/workers]}
		all.Go(func() { parts[i], errs[i] = part.findIn(ranges, n, most) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return finds{}, err
	}
	out = parts[0]
	for _, p := range parts[1:] {
		for g, found := range p.groups {
			out.groups[g] = out.groups[g] || found
		}
		out.take(p.addresses, p.many, most)
	}
	return out, nil
}

// take adds addresses, which are behind those that are there.
func (f *finds) take(addresses []flow.Addr, many bool, most int) {
	if f.many = f.many || many || len(f.addresses)+len(addresses) > most; f.many {
		f.addresses = nil
		return
	}
	f.addresses = append(f.addresses, addresses...)
}

// findIn is find for the blocks of a part of the index, which has n row groups.
func (x *addressIndex) findIn(ranges []flow.Range, n, most int) (finds, error) {
	f := finding{x: x, beside: &addressIndex{f: x.f, size: x.size}, dense: len(ranges) > len(x.blocks)/8, most: most}
	f.groups = make([]bool, n)
	if len(x.blocks) > 0 { // what lies before another worker has
		ranges = ranges[sort.Search(len(ranges), func(k int) bool { return ranges[k].Last.Compare(x.blocks[0].first) >= 0 }):]
	}
	for i := 0; len(ranges) > 0 && i < len(x.blocks); {
		r := &ranges[0]
		// The last block that does not begin behind the range is the first that can have
		// an address of it.
		i += max(sort.Search(len(x.blocks)-i, func(k int) bool { return x.blocks[i+k].first.Compare(r.First) > 0 })-1, 0)
		if x.blocks[i].first.Compare(r.Last) > 0 {
			ranges = ranges[1:]
			continue
		}
		if err := f.block(i, ranges); err != nil {
			return finds{}, err
		}
		if i++; i == len(x.blocks) {
			break
		}
		next := x.blocks[i].first
		for len(ranges) > 0 && ranges[0].Last.Compare(next) < 0 {
			ranges = ranges[1:]
		}
	}
	return f.finds, nil
}

// finding is a search in an index.
type finding struct {
	finds
	x      *addressIndex
	beside *addressIndex // reads row groups, as the buffer of x has the addresses of the next blocks
	most   int
	dense  bool // nearly all blocks are looked at
	found  []int32
	named  []flow.Addr // those of found
	in     []uint32
}

// block takes what a block says of the addresses that lie in ranges.
func (f *finding) block(i int, ranges []flow.Range) error {
	f.named = f.named[:0]
	name := func(a flow.Addr) { f.named = append(f.named, a) }
	if f.x.old {
		err := f.oldBlock(i, ranges, name)
		f.take(f.named, false, f.most)
		return err
	}
	b := &f.x.blocks[i]
	ahead := int64(0)
	if f.dense {
		ahead = f.x.run(i)
	}
	content, err := f.x.read(b.addresses, ahead)
	if err != nil {
		return err
	}
	if f.found, err = b.among(content, ranges, f.found[:0], name); err != nil || len(f.found) == 0 {
		return err
	}
	f.take(f.named, false, f.most)
	if content, err = f.beside.read(b.groups, 0); err != nil {
		return err
	}
	next := int32(0)
	for _, at := range f.found {
		for ; next <= at; next++ {
			if content, f.in, err = nextGroups(content, f.in[:0]); err != nil {
				return err
			}
		}
		f.mark(f.in)
	}
	return nil
}

func (f *finding) mark(groups []uint32) {
	for _, g := range groups {
		if int(g) < len(f.groups) {
			f.groups[g] = true
		}
	}
}

// runAtMost is how much is read at once: what a processor's cache holds.
const runAtMost = 128 << 10

// run returns how many bytes the addresses of a block and of those behind it take that
// follow it at once, runAtMost and a block at most.
func (x *addressIndex) run(i int) int64 {
	begin := x.blocks[i].addresses.offset
	end := begin + int64(x.blocks[i].addresses.length)
	for i++; i < len(x.blocks) && x.blocks[i].addresses.offset == end && end < begin+runAtMost; i++ {
		end += int64(x.blocks[i].addresses.length)
	}
	return end - begin
}
