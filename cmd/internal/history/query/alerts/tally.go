package alerts

import (
	"github.com/flowhound/flowhound/cmd/internal/alert/series"
	"github.com/flowhound/flowhound/plugin/hit"
)

// Tally sums up lines by their series, for those who read them from a log. It belongs to one
// goroutine.
type Tally map[string]*series.Series

// Add takes in a line.
func (t Tally) Add(h *hit.Hit) {
	id := h.Series()
	x := t[id]
	if x == nil {
		x = &series.Series{ID: id}
		t[id] = x
	}
	x.Add(h)
}

// Accepts reports whether the series of a line is wanted.
func (t Tally) Accepts(e *Expression, h *hit.Hit) bool {
	x := t[h.Series()]
	return x != nil && e.Accepts(x)
}
