package flow

import (
	"net/netip"
	"slices"
)

// Compare orders addresses by number: IPv4 lies together, within IPv6.
func (a Addr) Compare(b Addr) int {
	switch {
	case a.Hi < b.Hi, a.Hi == b.Hi && a.Lo < b.Lo:
		return -1
	case a == b:
		return 0
	}
	return 1
}

// Next returns the address after a; after the last one comes the zero address.
func (a Addr) Next() Addr {
	if a.Lo++; a.Lo == 0 {
		a.Hi++
	}
	return a
}

// Prev returns the address before a; before the zero address comes the last one.
func (a Addr) Prev() Addr {
	if a.Lo == 0 {
		a.Hi--
	}
	a.Lo--
	return a
}

// Range is the addresses First to Last, both included.
type Range struct{ First, Last Addr }

// RangeOf returns the addresses of a network.
func RangeOf(p netip.Prefix) Range {
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	first := AddrFrom(p.Masked().Addr())
	last := first
	if bits < 64 {
		last.Hi |= ^uint64(0) >> bits
		last.Lo = ^uint64(0)
	} else if bits < 128 {
		last.Lo |= ^uint64(0) >> (bits - 64)
	}
	return Range{first, last}
}

// Contains reports whether a lies in r.
func (r Range) Contains(a Addr) bool { return r.First.Compare(a) <= 0 && a.Compare(r.Last) <= 0 }

// Merged reports whether Merge would change nothing: ranges are sorted, and between any two
// of them there is an address.
func Merged(ranges []Range) bool {
	for i := 1; i < len(ranges); i++ {
		if last := ranges[i-1].Last; ranges[i].First.Compare(last) <= 0 || ranges[i].First == last.Next() {
			return false
		}
	}
	return true
}

// Merge sorts ranges, in place, and joins those that overlap or touch.
func Merge(ranges []Range) []Range {
	slices.SortFunc(ranges, func(a, b Range) int { return a.First.Compare(b.First) })
	out := ranges[:0]
	for _, r := range ranges {
		if n := len(out); n > 0 && (r.First.Compare(out[n-1].Last) <= 0 || out[n-1].Last.Next() == r.First) {
			if r.Last.Compare(out[n-1].Last) > 0 {
				out[n-1].Last = r.Last
			}
			continue
		}
		out = append(out, r)
	}
	return out
}
