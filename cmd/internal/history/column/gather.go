package column

import (
	"unsafe"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// gathered is a column of the row group that is being written. Its memory is reused.
type gathered struct {
	dict   dict
	rows   int
	places []int32 // of each row; none while all rows have the first value, as half of the columns do
	last   int32   // place of the last row: the next one mostly has the same
	size   int     // rows of the row group
	values []int64 // where there is no dictionary
}

// reset begins a row group of so many rows.
func (g *gathered) reset(size int) {
	g.dict.reset()
	g.places, g.values, g.rows, g.last, g.size = g.places[:0], g.values[:0], 0, 0, size
}

const rowSize = unsafe.Sizeof(Row{})

// add takes a column out of rows.
func (g *gathered) add(rows []Row, s *spec) {
	// A field is found by its offset: with reflection a row takes 2 us.
	field := unsafe.Add(unsafe.Pointer(unsafe.SliceData(rows)), s.offset) //nolint:gosec // the offset is that of a field of Row
	if s.kind == Address {
		var values [batchRows]flow.Addr
		v := values[:len(rows)]
		for i := range v {
			v[i] = flow.AddrFrom16((*[16]byte)(unsafe.Add(field, uintptr(i)*rowSize))[:])
		}
		g.addresses(v)
		return
	}
	var values [batchRows]int64
	v := values[:len(rows)]
	switch s.kind {
	case Int32:
		for i := range v {
			v[i] = int64(*(*int32)(unsafe.Add(field, uintptr(i)*rowSize)))
		}
	case Country:
		for i := range v {
			cc := *(*string)(unsafe.Add(field, uintptr(i)*rowSize))
			v[i] = int64(cc[0])<<8 | int64(cc[1])
		}
	default:
		for i := range v {
			v[i] = *(*int64)(unsafe.Add(field, uintptr(i)*rowSize))
		}
	}
	if s.dict {
		g.numbers(v)
		return
	}
	if cap(g.values) < g.size {
		g.values = make([]int64, 0, g.size)
	}
	g.values = append(g.values, v...)
}

func (g *gathered) numbers(v []int64) { gatherPlaces(g, v, &g.dict.numbers, g.dict.number) }

func (g *gathered) addresses(v []flow.Addr) {
	gatherPlaces(g, v, &g.dict.addresses, g.dict.address)
}

// gatherPlaces adds the places of values in a dictionary, which has these values.
func gatherPlaces[T comparable](g *gathered, v []T, values *[]T, place func(T) int32) {
	if g.rows == 0 {
		_ = place(v[0])
	}
	last := (*values)[g.last]
	if len(g.places) == 0 && allAre(v, last) {
		g.rows += len(v)
		return
	}
	places := g.extend(len(v))
	for i, x := range v {
		if x != last {
			g.last, last = place(x), x
		}
		places[i] = g.last
	}
}

func allAre[T comparable](v []T, x T) bool {
	for i := range v {
		if v[i] != x {
			return false
		}
	}
	return true
}

// extend returns the places of the next n rows, to be set. Those before the first call
// all had the first value.
func (g *gathered) extend(n int) []int32 {
	if len(g.places) == 0 {
		g.places = grow(g.places, g.size)[:g.rows]
		clear(g.places)
	}
	g.rows += n
	g.places = g.places[:g.rows]
	return g.places[g.rows-n:]
}
