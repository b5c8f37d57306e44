package column

import (
	"encoding/binary"
	"math"
	"slices"
	"sort"
	"sync/atomic"

	"github.com/flowhound/flowhound/cmd/internal/bounded"
)

// timeline is the arrivals of a file that is open, in blocks of riceBlock. A block is read
// when it is first asked for: the list of a busy hour takes as long as all else that is done
// to show two of its rows. It may be used concurrently.
type timeline struct {
	n      int
	blocks []timeBlock
	load   func(b *timeBlock) (arrivals, error)
}

type timeBlock struct {
	first, last  int64 // last is a bound: the first arrival of the next block
	rows         int
	offset, size int64 // in the file
	times        atomic.Pointer[arrivals]
}

// whole returns a timeline of a list.
func (a arrivals) whole() *timeline {
	t := &timeline{n: len(a)}
	if len(a) > 0 {
		t.blocks = make([]timeBlock, 1)
		t.blocks[0].first, t.blocks[0].last, t.blocks[0].rows = a[0], math.MaxInt64, len(a)
		t.blocks[0].times.Store(&a)
	}
	return t
}

// readTimeline reads the directory that pack wrote, of blocks that stand in a file from an
// offset on.
func readTimeline(directory []byte, offset int64, load func(*timeBlock) (arrivals, error)) (*timeline, error) {
	b := bounded.Reader{B: directory}
	n := b.Uvarint()
	count := (n + riceBlock - 1) / riceBlock
	if b.Bad || count > uint64(len(b.B))/2 || n > math.MaxInt32 {
		return nil, errArrivals
	}
	t := &timeline{n: int(n), blocks: make([]timeBlock, count), load: load}
	first := int64(math.MinInt64)
	for i := range t.blocks {
		at := &t.blocks[i]
		before := first
		first = int64(uint64(first) + b.Uvarint())
		size := b.Uvarint()
		if first < before || size > math.MaxInt32 {
			return nil, errArrivals
		}
		at.first, at.last, at.rows = first, math.MaxInt64, min(t.n-i*riceBlock, riceBlock)
		at.offset, at.size = offset, int64(size)
		offset += at.size
		if i > 0 {
			t.blocks[i-1].last = first
		}
	}
	if b.Bad || len(b.B) > 0 {
		return nil, errArrivals
	}
	return t, nil
}

// block returns the arrivals of a block.
func (t *timeline) block(i int) (arrivals, error) {
	b := &t.blocks[i]
	if times := b.times.Load(); times != nil {
		return *times, nil
	}
	times, err := t.load(b)
	if err != nil {
		return nil, err
	}
	b.times.Store(&times)
	return times, nil
}

// all returns the whole list. It must not be changed.
func (t *timeline) all() (arrivals, error) {
	if len(t.blocks) == 1 {
		return t.block(0)
	}
	all := make(arrivals, 0, t.n)
	for i := range t.blocks {
		some, err := t.block(i)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// search returns the place of the first arrival that is not before another time.
func (t *timeline) search(before func(int64) bool) (int, error) {
	i := sort.Search(len(t.blocks), func(i int) bool { return !before(t.blocks[i].first) }) - 1
	if i < 0 {
		return 0, nil
	}
	times, err := t.block(i)
	if err != nil {
		return 0, err
	}
	return i*riceBlock + sort.Search(len(times), func(i int) bool { return !before(times[i]) }), nil
}

// get returns the arrival at a place, ok is false where there is none.
func (t *timeline) get(place int64) (at int64, ok bool, err error) {
	if place < 0 || place >= int64(t.n) {
		return 0, false, nil
	}
	i := 0
	if len(t.blocks) > 1 {
		i = int(place / riceBlock)
	}
	times, err := t.block(i)
	if err != nil {
		return 0, false, err
	}
	return times[int(place)-i*riceBlock], true, nil
}

// at returns the nth arrival of a second: the second alone where the file does not know it.
func (t *timeline) at(second int64, nth int32) (int64, error) {
	first, err := t.search(func(at int64) bool { return floor(at, 1e9) < second })
	if err != nil {
		return 0, err
	}
	at, ok, err := t.get(int64(first) + int64(nth))
	if err != nil {
		return 0, err
	}
	if ok && floor(at, 1e9) == second {
		return at, nil
	}
	return second * 1e9, nil
}

// after returns the arrival that is n places after another one.
func (t *timeline) after(at int64, n int32) (int64, error) {
	rank, err := t.search(func(other int64) bool { return other < at })
	if err != nil {
		return 0, err
	}
	later, ok, err := t.get(int64(rank) + int64(n))
	if err != nil || !ok {
		return at, err
	}
	return later, nil
}

// need reads the blocks that the arrivals of rows stand in, so that received finds them.
func (t *timeline) need(rows []Row) error {
	if len(rows) > len(t.blocks) { // there is hardly a block that none of them is in
		for i := range t.blocks {
			if _, err := t.block(i); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range rows {
		if _, _, err := t.received(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// received returns when the record of a row and that of the opposite direction arrived.
func (t *timeline) received(row *Row) (record, reverse int64, err error) {
	_, last := row.times()
	if record, err = t.at(floor(last, 1e9)+row.ReceivedLag, row.ReceivedNth); err == nil {
		reverse, err = t.after(record, row.RevReceived)
	}
	return record, reverse, err
}

// pack writes the list: blocks of differences, and a directory of them: how many arrivals
// there are, and of each block its first one, as the difference to that of the block before,
// and its length. The directory takes 1% of the list.
func (a arrivals) pack() (list, directory []byte) {
	w := bitWriter{}
	directory = binary.AppendUvarint(nil, uint64(len(a)))
	before := int64(math.MinInt64)
	for some := range slices.Chunk(a, riceBlock) {
		begin := len(w.b)
		w.block(some)
		w.end()
		directory = binary.AppendUvarint(directory, uint64(some[0])-uint64(before))
		directory = binary.AppendUvarint(directory, uint64(len(w.b)-begin))
		before = some[0]
	}
	return w.b, directory
}

// unpack reads the arrivals of a block.
func (b *timeBlock) unpack(packed []byte) (arrivals, error) {
	r := bitReader{b: packed}
	times := append(make(arrivals, 0, b.rows), b.first)
	times, ok := r.block(times, b.rows-1)
	if !ok || times[len(times)-1] > b.last {
		return nil, errArrivals
	}
	return times, nil
}
