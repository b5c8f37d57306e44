package query

import (
	"encoding/binary"
	"slices"
)

// fewRowsToSort is how many rows are not worth counting digits for.
const fewRowsToSort = 1024

// digits is a row's place in an order, as a number: what differs among the rows of that by
// which they are ordered.
type digits struct {
	n   uint64
	row uint32
}

// sort brings rows into their order. A series in time has hundreds of thousands of rows
// whose keys differ in a few bytes: sorting them byte by byte takes a tenth of the time of
// comparing them.
func (r *ranking) sort() {
	if len(r.rows) >= fewRowsToSort {
		if all, bytes, ok := r.digits(); ok {
			r.arrange(sorted(all, bytes))
			return
		}
	}
	slices.SortFunc(r.rows, func(a, b TopRow) int { return r.compare(&a, &b) })
}

// digits returns the places of all rows, which have so many bytes; false: they have more
// than a number has.
func (r *ranking) digits() (all []digits, bytes int, ok bool) {
	width := len(r.rows[0].Packed)
	key := make([]byte, 8+width) // of a row: its value, unless that does not matter, and its key
	differs := make([]byte, len(key))
	first := slices.Clone(r.digitsOf(key, &r.rows[0]))
	for i := range r.rows {
		for at, b := range r.digitsOf(key, &r.rows[i]) {
			differs[at] |= b ^ first[at]
		}
	}
	var places []int
	for at, d := range differs {
		if d != 0 {
			places = append(places, at)
		}
	}
	if len(places) > 8 {
		return nil, 0, false
	}
	all = make([]digits, len(r.rows))
	for i := range r.rows {
		r.digitsOf(key, &r.rows[i])
		n := uint64(0)
		for _, at := range places {
			n = n<<8 | uint64(key[at])
		}
		all[i] = digits{n, uint32(i)}
	}
	return all, len(places), true
}

// digitsOf sets key to that by which a row is ordered: bytes that compare as rows do.
func (r *ranking) digitsOf(key []byte, row *TopRow) []byte {
	value := uint64(0)
	switch {
	case r.o.ByKey:
	case r.o.Bottom:
		value = row.Value
	default:
		value = ^row.Value
	}
	binary.BigEndian.PutUint64(key, value)
	copy(key[8:], row.Packed)
	return key
}

// sorted sorts numbers of so many bytes, byte by byte from the last one on.
func sorted(all []digits, bytes int) []digits {
	other := make([]digits, len(all))
	for shift := 0; shift < 8*bytes; shift += 8 {
		var next [256]int
		for i := range all {
			next[byte(all[i].n>>shift)]++
		}
		at := 0
		for b, n := range next {
			next[b] = at
			at += n
		}
		for _, d := range all {
			b := byte(d.n >> shift)
			other[next[b]] = d
			next[b]++
		}
		all, other = other, all
	}
	return all
}

// arrange puts the rows into an order.
func (r *ranking) arrange(order []digits) {
	rows := make([]TopRow, len(order))
	for i := range order {
		rows[i] = r.rows[order[i].row]
	}
	r.rows = rows
}
