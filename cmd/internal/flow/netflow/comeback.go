package netflow

import (
	"hash/maphash"
	"time"
)

// comeback remembers, of many more exporters than a Decoder keeps, in how many
// seconds they sent. While a flood of forged exporters takes each place as it
// becomes free, one that comes again is told from them by it.
type comeback struct {
	seed  maphash.Seed
	slots []slotSeen // nil: not needed yet
}

// slotSeen is one exporter by a part of its hash. Two with the same slot share it: who
// has it keeps it until it was silent for a while.
type slotSeen struct {
	tag     uint32
	second  uint32 // the last in which it sent
	seconds uint8
}

const (
	comebackSlots = 1 << 14 // 192 KiB
	comebackIdle  = 3       // seconds
)

// again counts a datagram and reports whether the exporter has sent in an earlier
// second.
func (c *comeback) again(key exporterKey, now int64) bool {
	if c.slots == nil {
		c.seed, c.slots = maphash.MakeSeed(), make([]slotSeen, comebackSlots)
	}
	h := maphash.Comparable(c.seed, key)
	s, tag, second := &c.slots[h%comebackSlots], uint32(h>>32), uint32(now/int64(time.Second))
	switch {
	case s.tag != tag:
		if age := second - s.second; s.seconds > 0 && age <= comebackIdle {
			return false
		}
		*s = slotSeen{tag: tag, second: second, seconds: 1}
	case s.second != second:
		s.second = second
		s.seconds = min(s.seconds+1, 9)
	}
	return s.seconds > 1
}
