package hit

import "strings"

// Series is the part of the id that all lines of one matter share; "" where there is
// no id.
func (h *Hit) Series() string { return h.ID[:max(strings.LastIndexByte(h.ID, '-'), 0)] }
