package column

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
)

// arrivals are the times at which the records of a file arrived, in Unix
// nanoseconds, each once, in order. All records of a datagram arrived at once, so
// there are few, and the place of a record among those of its second is a small
// number: kept so, the exact time of arrival costs 0.5 B a flow; nanoseconds in a
// column cost 4. The list stands behind the last row group, where other readers do not
// look (see pack).
type arrivals []int64

// collect makes the list of the arrivals of records.
func (a arrivals) collect(received []int64) arrivals {
	a = a[:0]
	sorted := true
	for _, t := range received {
		if n := len(a); n > 0 {
			if a[n-1] == t {
				continue
			}
			sorted = sorted && a[n-1] < t
		}
		a = append(a, t)
	}
	if !sorted {
		slices.Sort(a)
		a = slices.Compact(a)
	}
	return a
}

// places sets, for each record, its arrival's place in the list and in its second. Those
// that arrived together mostly stand together.
func (a arrivals) places(received []int64, ranks, nths []int32) {
	var last int64
	var rank, nth int32
	var second, first int64 = -1 << 63, 0
	for i, t := range received {
		if i == 0 || t != last {
			if int(rank)+1 < len(a) && a[rank+1] == t {
				rank++
			} else {
				rank = a.rank(t)
			}
			if s := floor(t, 1e9); s != second {
				second, first = s, int64(a.firstOf(s))
			}
			last, nth = t, rank-int32(first)
		}
		ranks[i], nths[i] = rank, nth
	}
}

// rank returns the place of t in the whole list.
func (a arrivals) rank(t int64) int32 {
	i, _ := slices.BinarySearch(a, t)
	return int32(i)
}

// firstOf returns the place of the first arrival of a second.
func (a arrivals) firstOf(second int64) int32 {
	i, _ := slices.BinarySearchFunc(a, second, func(t, second int64) int {
		if floor(t, 1e9) < second {
			return -1
		}
		return 1
	})
	return int32(i)
}

// ranks returns the place of each of part's arrivals, all of which the list has.
func (a arrivals) ranks(part arrivals) []int32 {
	out := make([]int32, len(part))
	at := 0
	for i, t := range part {
		for a[at] < t {
			at++
		}
		out[i] = int32(at)
	}
	return out
}

// seconds answers firstOf at once, for the seconds between the first arrival and the
// last unless they lie weeks apart.
type seconds struct {
	a     arrivals
	begin int64
	at    []int32
}

func (a arrivals) seconds() seconds {
	s := seconds{a: a}
	if len(a) == 0 {
		return s
	}
	s.begin = floor(a[0], 1e9)
	n := uint64(floor(a[len(a)-1], 1e9)) - uint64(s.begin) + 1
	if n > 1<<20 {
		return s
	}
	s.at = make([]int32, n)
	next := 0
	for i := range s.at {
		for next < len(a) && floor(a[next], 1e9) < s.begin+int64(i) {
			next++
		}
		s.at[i] = int32(next)
	}
	return s
}

// first is firstOf.
func (s *seconds) first(second int64) int32 {
	if i := second - s.begin; i >= 0 && i < int64(len(s.at)) {
		return s.at[i]
	}
	return s.a.firstOf(second)
}

var errArrivals = fmt.Errorf("%w: its list of arrivals cannot be read", ErrDamaged)

// decodeArrivals reads the list of files that earlier versions wrote: in letters, in the
// footer.
func decodeArrivals(s []byte) (arrivals, error) {
	b, err := base64.StdEncoding.AppendDecode(nil, s)
	if err != nil {
		return nil, errArrivals
	}
	a := make(arrivals, 0, len(b)/3)
	before := int64(0)
	for len(b) > 0 {
		d, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errArrivals
		}
		before = int64(uint64(before) + d)
		a = append(a, before)
		b = b[n:]
	}
	if !slices.IsSorted(a) {
		return nil, errArrivals
	}
	return a, nil
}
