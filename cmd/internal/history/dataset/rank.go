package dataset

import (
	"context"
	"maps"
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// A file has millions of different ends, of which hundreds are listed. It is read twice:
// at first ends are added up in cells, by their hash. An end has at most what its cell
// has, so that only those of the largest cells are added up each by itself.
const (
	// listedFrom is how many flows a country has at least in a file for having lists:
	// with less, reading the file is quick.
	listedFrom = 16384
	// listLength is about how many ends a list has.
	listLength = 256
	// listCells is the number of cells of a list, as a power of two: 128 kB.
	listCells = 14
	// mostHours bounds the hours of a file: flows begin in the hour of their arrival or
	// shortly before, and only those of a wrong clock do not.
	mostHours = 8
	// mostLists bounds the lists of a file, and mostCounted the ends that are added up each
	// by itself: 34 and 24 MB.
	mostLists   = 256
	mostCounted = 400_000
)

// ranker makes the lists of a file.
type ranker struct {
	codes   [][2]byte // of countries, by their numbers
	numbers map[[2]byte]int
	lists   [sides][]*countryLists // by the numbers of countries; nil: too small for lists
	all     []*countryLists
	second  bool // the file is read for the second time
	sampled bool // there are sampled flows
	tooMany bool // hours, lists or ends: there are no lists
	made    int  // lists
	counted int  // ends

	cols     [column.Columns]column.Column
	src, dst []int // the numbers of the countries in the dictionaries
}

// countryLists are the lists of a country, of each hour. They list the same ends: one that
// is in any of them and lacks in another has nothing there.
type countryLists struct {
	side    Side
	country [2]byte
	hours   []*counting
	counted []bool // cells whose ends are counted
}

// counting is a list while it is made.
type counting struct {
	EndList
	cells  []uint64
	counts map[end]uint64
}

// rankFile returns the section of a file, of which rows are the sums.
func rankFile(ctx context.Context, f *column.File, rows []CountryHour) ([]byte, error) {
	r := newRanker(rows)
	for _, second := range []bool{false, true} {
		if r.second = second; second {
			for _, l := range r.all {
				l.begin()
			}
		}
		for g := range f.Groups {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if err := r.group(f, g); err != nil {
				return nil, err
			}
			if r.tooMany {
				return []byte{listsNone}, nil
			}
		}
	}
	var lists []EndList
	for _, l := range r.all {
		lists = l.choose(lists)
	}
	kind := byte(listsPlain)
	if r.sampled {
		kind = listsSampled
	}
	return encodeLargest(lists, kind), nil
}

// newRanker returns a ranker for the countries that are large enough.
func newRanker(rows []CountryHour) *ranker {
	r := &ranker{numbers: map[[2]byte]int{}}
	var flows [sides]map[int]uint64
	for side := range sides {
		flows[side] = map[int]uint64{}
	}
	for i := range rows {
		x := &rows[i]
		src, dst := r.number(x.Src), r.number(x.Dst)
		flows[Sent][src] += x.Flows
		flows[Received][dst] += x.Flows
		flows[Either][src] += x.Flows
		if dst != src {
			flows[Either][dst] += x.Flows
		}
	}
	for side := range sides {
		r.lists[side] = make([]*countryLists, len(r.codes))
		for _, at := range slices.Sorted(maps.Keys(flows[side])) {
			n := flows[side][at]
			l := &countryLists{side: side, country: r.codes[at]}
			if r.all = append(r.all, l); n >= listedFrom {
				l.counted = make([]bool, 1<<listCells)
				r.lists[side][at] = l
			}
		}
	}
	return r
}

// number returns the number of a country, a new one where it has none.
func (r *ranker) number(country [2]byte) int {
	n, ok := r.numbers[country]
	if !ok {
		n = len(r.codes)
		r.numbers[country], r.codes = n, append(r.codes, country)
	}
	return n
}

// group adds the rows of a row group.
func (r *ranker) group(f *column.File, g int) error {
	for _, id := range ranked {
		if err := f.Column(g, id, &r.cols[id]); err != nil {
			return err
		}
	}
	r.src, r.dst = r.numbered(column.SrcCC, r.src[:0]), r.numbered(column.DstCC, r.dst[:0])
	x := rowEnds{cols: &r.cols}
	for x.row = range f.GroupLen(g) {
		src, dst := r.src[r.cols[column.SrcCC].Index[x.row]], r.dst[r.cols[column.DstCC].Index[x.row]]
		start, sampling := x.value(column.Start), max(uint64(x.value(column.Sampling)), 1)
		r.sampled = r.sampled || sampling > 1
		from, to := x.forward()
		r.record(hourAt(start), src, dst, from, to, times(uint64(x.value(column.Bytes)), sampling))
		octets := uint64(x.value(column.RevBytes))
		if x.value(column.RevHas) != 0 {
			start = reverseStart(start, x.value(column.StartNS), x.value(column.RevDelay), x.value(column.RevDelayNS))
		} else if octets == 0 && x.value(column.RevPackets) == 0 {
			continue
		}
		from, to = x.answer()
		r.record(hourAt(start), dst, src, from, to, times(octets, sampling))
	}
	return nil
}

// numbered appends the numbers of the countries in a column's dictionary.
func (r *ranker) numbered(id column.ID, to []int) []int {
	c := &r.cols[id]
	for i := range len(c.Bytes) / 2 {
		to = append(to, r.number(c.Country(int32(i))))
	}
	return to
}

// record adds a record to the lists of both countries.
func (r *ranker) record(hour int64, src, dst int, from, to end, n uint64) {
	hashFrom, hashTo := EndHash(from.addr, from.port), EndHash(to.addr, to.port)
	if l := r.lists[Sent][src]; l != nil {
		r.add(l, r.of(l, hour, n), from, hashFrom, n)
	}
	if l := r.lists[Received][dst]; l != nil {
		r.add(l, r.of(l, hour, n), to, hashTo, n)
	}
	for i, country := range [2]int{src, dst} {
		l := r.lists[Either][country]
		if l == nil || i == 1 && src == dst {
			continue
		}
		c := r.of(l, hour, n)
		r.add(l, c, from, hashFrom, n)
		if from != to {
			r.add(l, c, to, hashTo, n)
		}
	}
}

// of returns the list of an hour, and counts a record for it; nil when there are too many.
func (r *ranker) of(l *countryLists, hour int64, n uint64) *counting {
	at := slices.IndexFunc(l.hours, func(c *counting) bool { return c.Hour == hour })
	if at < 0 {
		if r.made++; r.made > mostLists || len(l.hours) == mostHours {
			r.tooMany = true
			return nil
		}
		at = len(l.hours)
		l.hours = append(l.hours, &counting{EndList: EndList{Hour: hour, Side: l.side, Country: l.country, Seen: NewEndSketch()}, cells: make([]uint64, 1<<listCells)})
	}
	c := l.hours[at]
	if !r.second {
		c.Flows, c.Bytes = c.Flows+1, flow.Sum(c.Bytes, n)
	}
	return c
}

// add adds what an end of a record has.
func (r *ranker) add(l *countryLists, c *counting, e end, hash, n uint64) {
	cell := hash >> (64 - listCells)
	switch {
	case r.tooMany:
	case !r.second:
		c.Seen.Add(hash)
		c.cells[cell] = flow.Sum(c.cells[cell], n)
	case l.counted[cell]:
		before := len(c.counts)
		c.counts[e] = flow.Sum(c.counts[e], n)
		r.counted += len(c.counts) - before
		r.tooMany = r.counted > mostCounted
	}
}

// begin prepares the second reading: the ends of the largest cells of any hour are counted.
func (l *countryLists) begin() {
	for _, c := range l.hours {
		c.counts = map[end]uint64{}
		least := nth(slices.Clone(c.cells), l.length())
		for i, n := range c.cells {
			l.counted[i] = l.counted[i] || n >= least
		}
	}
	for _, c := range l.hours {
		for i, n := range c.cells {
			if !l.counted[i] {
				c.Rest = max(c.Rest, n)
			}
		}
		c.cells = nil
	}
}

// length returns about how many ends are listed.
func (l *countryLists) length() int {
	if l.side == Either {
		return 2 * listLength // of both sides
	}
	return listLength
}

// nth returns the nth largest of numbers that are not 0, and 1 where there are fewer. It
// sorts them.
func nth(numbers []uint64, n int) uint64 {
	slices.Sort(numbers)
	return max(numbers[max(len(numbers)-n, 0)], 1)
}

// choose appends the lists, with the largest of the ends that were counted.
func (l *countryLists) choose(out []EndList) []EndList {
	if l.counted == nil {
		return append(out, EndList{Side: l.side, Country: l.country})
	}
	chosen := map[end]bool{}
	for _, c := range l.hours {
		all := slices.AppendSeq(make([]uint64, 1, 1+len(c.counts)), maps.Values(c.counts))
		least := nth(all, l.length())
		for e, n := range c.counts {
			if n >= least {
				chosen[e] = true
			}
		}
	}
	for _, c := range l.hours {
		for e, n := range c.counts {
			switch {
			case !chosen[e]:
				c.Rest = max(c.Rest, n)
			case n > 0:
				c.Ends = append(c.Ends, End{e.addr, e.port, n})
			}
		}
		slices.SortFunc(c.Ends, func(a, b End) int { return a.compare(&b) })
		out = append(out, c.EndList)
	}
	return out
}
