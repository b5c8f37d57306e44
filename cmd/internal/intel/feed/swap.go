package feed

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/plugin/text"
)

// describe says what of a good version is in use, and what is not.
func (s *source) describe(size intel.FeedSize) {
	drops := s.good.drops
	if size.Allowed > 0 {
		drops = maps.Clone(drops)
		drops[ingest.Allowed] = ingest.Drop{Count: size.Allowed, Text: ingest.Text(size.AllowedBy.String()+" of "+size.AllowedBy.List, 120)}
	}
	if size.Expired > 0 {
		drops = maps.Clone(drops)
		seen := drops[ingest.Expired]
		seen.Count += size.Expired
		drops[ingest.Expired] = seen
	}
	s.state.Indicators, s.state.Drops = size.Indicators, drops
	if s.state.Status != OK {
		return // its message says what is wrong
	}
	s.state.Message = s.count(size.Indicators)
	if s.state.Change != (intel.Change{}) {
		s.state.Message += " (" + s.state.Change.String() + ")"
	}
	if len(drops) > 0 {
		s.state.Message += "; left out: " + drops.String()
	}
	if s.good.block != nil && s.good.block.Unnamed() > 0 {
		s.state.Message += fmt.Sprintf("; %d have no name or reference, because the feed has too many different ones", s.good.block.Unnamed())
	}
}

func (s *source) count(n int) string {
	if s.cfg.Type == TypeAllow {
		return text.Count(n, "allowed entry", "allowed entries")
	}
	return text.Count(n, "indicator", "indicators")
}

// tell says each state that is news.
func (f *Feeds) tell() {
	f.telling.Lock()
	defer f.telling.Unlock()
	for _, s := range f.sources {
		f.mu.Lock()
		state, waits := s.state, s.waits
		f.mu.Unlock()
		if waits {
			continue // the swap tells
		}
		told := s.told
		if !state.isNews(&told) {
			continue
		}
		s.told = state
		level := slog.LevelInfo
		if state.Status != OK {
			level = slog.LevelWarn
		}
		f.o.Log.Log(context.Background(), level, "feed", "name", state.Name, "status", state.Status, "indicators", state.Indicators,
			"took", state.Took, "msg", state.Message)
		if f.o.OnState != nil {
			f.o.OnState(state)
		}
	}
}

// swap builds a Set of the sources' versions, notes how much of each is in use,
// and hands it out.
func (f *Feeds) swap(start time.Time) {
	f.swapping.Lock()
	defer f.swapping.Unlock()
	var blocks []*intel.Block
	var allows []*intel.Allow
	f.mu.Lock()
	for _, s := range f.sources {
		blocks = append(blocks, s.good.block)
		if s.good.allow.Len() > 0 {
			allows = append(allows, s.good.allow)
		}
	}
	f.mu.Unlock()
	for i, b := range blocks {
		if b != nil {
			f.compare(f.sources[i], b)
		}
	}
	for _, more := range []*intel.Allow{f.o.exempt(), f.o.Known.Allow()} {
		if more.Len() > 0 {
			allows = append(allows, more)
		}
	}
	set := intel.NewSetExcept(intel.JoinAllow(allows...), blocks...)
	set.Label(f.o.Known.Labels())
	f.mu.Lock()
	for i, s := range f.sources {
		s.waits = s.waits && s.good.block != blocks[i] // a newer one has come meanwhile
	}
	for _, size := range set.Feeds() {
		for _, s := range f.sources {
			if s.cfg.Name == size.Feed {
				s.size = size
				s.describe(size)
			}
		}
	}
	f.mu.Unlock()
	if f.o.OnSwap != nil {
		f.o.OnSwap(set, time.Since(start))
	}
}

// States returns the state of each feed and allow list, in the order of the configuration. It is
// safe for concurrent use.
func (f *Feeds) States() []State {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]State, len(f.sources))
	for i, s := range f.sources {
		out[i] = s.state
	}
	return out
}
