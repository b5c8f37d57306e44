package intel

import (
	"cmp"
	"slices"
)

// chunks grow without leaving behind as garbage several times what they keep, as one slice
// does that doubles.
type chunks[T any] struct {
	full [][]T // the last one has room
	n    int
}

const chunkLen = 4096

func (c *chunks[T]) add(t T) {
	if c.n%chunkLen == 0 {
		c.full = append(c.full, make([]T, 0, chunkLen))
	}
	last := &c.full[len(c.full)-1]
	*last = append(*last, t)
	c.n++
}

func (c *chunks[T]) at(i uint32) *T { return &c.full[i/chunkLen][i%chunkLen] }

// sorted4 returns rows by address, and spends the chunks: put in the order of the last 11 bits of their addresses,
// then of those before, then of the first 10, which for 100,000 takes a fifth of the time of
// comparing them.
func sorted4(c chunks[row4]) []row4 {
	var from [3][1 << 11]uint32 // where rows with such bits go next
	digits := func(r row4) [3]uint32 { return [3]uint32{r.ip() & 2047, r.ip() >> 11 & 2047, r.ip() >> 22} }
	for _, chunk := range c.full {
		for _, r := range chunk {
			d := digits(r)
			from[0][d[0]]++
			from[1][d[1]]++
			from[2][d[2]]++
		}
	}
	for d := range from {
		sum := uint32(0)
		for i, n := range from[d] {
			from[d][i], sum = sum, sum+n
		}
	}
	rows := make([]row4, c.n)
	for _, chunk := range c.full {
		for _, r := range chunk {
			at := &from[0][digits(r)[0]]
			rows[*at] = r
			*at++
		}
	}
	for _, r := range rows { // the chunks have room
		at := &from[1][digits(r)[1]]
		*c.at(*at) = r
		*at++
	}
	for _, chunk := range c.full {
		for _, r := range chunk {
			at := &from[2][digits(r)[2]]
			rows[*at] = r
			*at++
		}
	}
	return rows
}

// sorted6 returns rows by address.
func sorted6(c chunks[row6]) []row6 {
	rows := slices.Concat(c.full...)
	slices.SortFunc(rows, func(x, y row6) int {
		if c := cmp.Compare(x.hi, y.hi); c != 0 {
			return c
		}
		return cmp.Compare(x.lo, y.lo)
	})
	return rows
}

// distinct puts rows that are in the order of their addresses, in place, into that of their
// prefix lengths, best first: each that is distinct once, and no more than the best maxReasons
// of one prefix. same tells whether two are on one address.
func distinct[R any](rows []R, same func(x, y R) bool, fact func(R) *fact) (kept []R, crowded int) {
	compare := func(x, y R) int {
		a, b := fact(x), fact(y)
		return cmp.Or(cmp.Compare(a.bits, b.bits), compareFacts(a, b))
	}
	kept = rows[:0]
	for from := 0; from < len(rows); {
		to := from + 1
		for to < len(rows) && same(rows[from], rows[to]) {
			to++
		}
		if to == from+1 { // mostly
			kept = append(kept, rows[from])
			from = to
			continue
		}
		slices.SortFunc(rows[from:to], compare)
		run := 0 // of one prefix
		for i := from; i < to; i++ {
			if i > from {
				last, f := fact(rows[i-1]), fact(rows[i])
				if *f == *last {
					continue
				}
				if run++; f.bits != last.bits {
					run = 0
				}
			}
			if run < maxReasons {
				kept = append(kept, rows[i])
			} else {
				crowded++
			}
		}
		from = to
	}
	if cap(kept) > len(kept)+len(kept)/4 {
		kept = slices.Clone(kept)
	}
	return kept, crowded
}
