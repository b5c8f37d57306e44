package query

import (
	"encoding/binary"
	"slices"
)

// fewToSort is how many groups are not worth counting digits for.
const fewToSort = 1024

// digits is a group's place in an order, as a number: what differs among the groups of that by
// which they are ordered.
type digits struct {
	n  uint64
	at uint32
}

// sort brings groups into their order. A series in time has hundreds of thousands of them
// whose keys differ in a few bytes: sorting them byte by byte takes a tenth of the time of
// comparing them.
func (r *ranking) sort() {
	if len(r.groups) >= fewToSort {
		if all, bytes, ok := r.digits(); ok {
			r.arrange(sorted(all, bytes))
			return
		}
	}
	slices.SortFunc(r.groups, func(a, b groupSum) int { return r.compare(&a, &b) })
}

// digits returns the places of all groups, which have so many bytes; false: they have more
// than a number has.
func (r *ranking) digits() (all []digits, bytes int, ok bool) {
	words := 1 + (len(r.groups[0].key)+7)/8
	key := make([]byte, 8*words) // of a group: its value, unless that does not matter, and its key
	differs, first := make([]uint64, words), make([]uint64, words)
	for i := range r.groups {
		r.digitsOf(key, &r.groups[i])
		for w := range words {
			n := binary.BigEndian.Uint64(key[8*w:])
			if i == 0 {
				first[w] = n
			}
			differs[w] |= n ^ first[w]
		}
	}
	var places []int
	for at := range key {
		if byte(differs[at/8]>>(56-8*(at%8))) != 0 {
			places = append(places, at)
		}
	}
	if len(places) > 8 {
		return nil, 0, false
	}
	all = make([]digits, len(r.groups))
	for i := range r.groups {
		r.digitsOf(key, &r.groups[i])
		n := uint64(0)
		for _, at := range places {
			n = n<<8 | uint64(key[at])
		}
		all[i] = digits{n, uint32(i)}
	}
	return all, len(places), true
}

// digitsOf sets key to that by which a group is ordered: bytes that compare as groups do.
func (r *ranking) digitsOf(key []byte, g *groupSum) {
	value := uint64(0)
	switch {
	case r.o.ByKey:
	case r.o.Bottom:
		value = g.value
	default:
		value = ^g.value
	}
	binary.BigEndian.PutUint64(key, value)
	copy(key[8:], g.key)
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

// arrange puts the groups into an order.
func (r *ranking) arrange(order []digits) {
	groups := make([]groupSum, len(order))
	for i := range order {
		groups[i] = r.groups[order[i].at]
	}
	r.groups = groups
}
