package site

import (
	"fmt"
	"strconv"
	"strings"
)

// PortRange is the ports First to Last, both included, 1-65535.
type PortRange struct{ First, Last uint16 }

// UnmarshalText reads "443" or "8000-8100".
func (r *PortRange) UnmarshalText(b []byte) error {
	first, last, ranged := strings.Cut(string(b), "-")
	if !ranged {
		last = first
	}
	lo, err1 := strconv.ParseUint(first, 10, 16)
	hi, err2 := strconv.ParseUint(last, 10, 16)
	if err1 != nil || err2 != nil || lo == 0 || lo > hi {
		return fmt.Errorf("ports %q: want 443 or 8000-8100", b)
	}
	*r = PortRange{uint16(lo), uint16(hi)}
	return nil
}

// MarshalText returns what UnmarshalText reads.
func (r PortRange) MarshalText() ([]byte, error) {
	if r.First == r.Last {
		return strconv.AppendUint(nil, uint64(r.First), 10), nil
	}
	return fmt.Appendf(nil, "%d-%d", r.First, r.Last), nil
}
