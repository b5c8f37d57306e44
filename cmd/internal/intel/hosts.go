package intel

import "slices"

// hosts is a set of single IPv4 addresses, which is what lists are mostly made
// of: 4 bytes each, where the table of prefixes takes 30 to 60 and leaves the
// memory fragmented after every reload.
type hosts struct {
	ips  []uint32          // sorted
	from [1<<16 + 1]uint32 // where each /16 begins in ips
}

// newHosts takes the addresses, in any order and not only once each, and keeps the slice.
func newHosts(ips []uint32) *hosts {
	slices.Sort(ips)
	h := &hosts{ips: slices.Compact(ips)}
	next := 0
	for i, ip := range h.ips {
		for ; next <= int(ip>>16); next++ {
			h.from[next] = uint32(i)
		}
	}
	for ; next < len(h.from); next++ {
		h.from[next] = uint32(len(h.ips))
	}
	return h
}

func (h *hosts) has(ip uint32) bool {
	if h == nil {
		return false
	}
	_, found := slices.BinarySearch(h.ips[h.from[ip>>16]:h.from[ip>>16+1]], ip)
	return found
}
