package output

import (
	"slices"

	"github.com/flowhound/flowhound/plugin/hit"
)

// Filter says which hits an output wants. Empty lists take all.
type Filter struct {
	MinSeverity hit.Severity
	Kinds       []hit.Kind
	Directions  []hit.Direction
	Categories  []string
	Feeds       []string // that name any of the hit's indicators
}

// Wants reports whether the filter lets h pass.
func (f *Filter) Wants(h *hit.Hit) bool {
	return h.Severity >= f.MinSeverity && has(f.Kinds, h.Kind) && has(f.Directions, h.Direction) &&
		has(f.Categories, h.Category) && f.wantsFeed(h)
}

func (f *Filter) wantsFeed(h *hit.Hit) bool {
	return has(f.Feeds, h.Feed) || slices.ContainsFunc(h.Indicators, func(i hit.Indicator) bool { return has(f.Feeds, i.Feed) })
}

func has[T comparable](list []T, v T) bool { return len(list) == 0 || slices.Contains(list, v) }
