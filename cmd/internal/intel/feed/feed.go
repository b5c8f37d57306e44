// Package feed loads the configured feeds into an intel.Set, watches the files
// that they are read from, and builds a new Set when one of them changes. A feed
// that turns bad keeps the last version that was good. It knows which formats
// there are, and leaves reading them to the packages below it; it decides nothing
// about flows.
package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// The types of feeds.
const (
	TypeList = "list" // package list
	TypeOTX  = "otx"  // package otx
)

// Config is one entry of the configuration's feeds.
type Config struct {
	Name string // unique
	Type string // TypeList or TypeOTX
	Path string // the file; symbolic links are followed

	Format, Column string // of a list: see list.Options

	// Category, Confidence and Reference hold for indicators that bring none of
	// their own. HasCategory says that Category is given: otherwise it is other
	// for a list and malware for OTX, whose pulses are about little else.
	Category    intel.Category
	HasCategory bool
	Confidence  int // 0-100
	Reference   string
}

// Options say what all feeds have in common. The zero value works.
type Options struct {
	Local []netip.Prefix // own networks: indicators that overlap them are refused
	Log   *slog.Logger   // nil: silent

	// OnSwap receives each new Set and how long reading what changed and building
	// it took. It is called from Load and Run, and what it returns from holding
	// the old Set is freed at once.
	OnSwap func(set *intel.Set, took time.Duration)
	// OnState receives a feed's state whenever it changes, from Load and Run.
	OnState func(State)

	// Previous, when set, lends its last good versions to feeds that are
	// configured the same, in case their files are bad now.
	Previous *Feeds
}

// Status says how a feed is.
type Status string

// The values of Status. They are those of the feed line in the log.
const (
	OK    Status = "ok"
	Error Status = "error" // never loaded: the feed has no indicators
	Stale Status = "stale" // its file is bad now; an older version is in use
)

// State is what is to be said of one feed.
type State struct {
	Name, Type, Path string

	Status     Status
	Message    string // for people: what is wrong and what to do, or what was loaded
	Indicators int    // in use
	Drops      ingest.Drops
	LoadedAt   time.Time     // when the version in use was read; zero: never
	Took       time.Duration // to read it
}

// Feeds is all configured feeds. Load comes first, then Run, never both at a time;
// States may be called at any time.
type Feeds struct {
	o      Options
	policy *ingest.Policy

	mu      sync.Mutex // guards block and state of sources
	sources []*source
}

// source is one feed: its last good version and what is known of its file.
type source struct {
	cfg   Config
	block *intel.Block // nil: none was ever good
	state State
	watch watch
}

// New checks the configuration and returns Feeds that hold nothing until Load. It
// starts nothing.
func New(cfgs []Config, o Options) (*Feeds, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f := &Feeds{o: o, policy: ingest.NewPolicy(o.Local)}
	names := make(map[string]bool)
	for _, c := range cfgs {
		if err := c.check(); err != nil {
			return nil, err
		}
		if names[c.Name] {
			return nil, fmt.Errorf("feed %s: there are two of this name", c.Name)
		}
		names[c.Name] = true
		s := &source{cfg: c, state: State{Name: c.Name, Type: c.Type, Path: c.Path}}
		s.block, s.state = o.Previous.last(c, s.state)
		f.sources = append(f.sources, s)
	}
	f.o.Previous = nil // it has a Previous of its own
	return f, nil
}

// last returns the good version that f has of a feed configured as c.
func (f *Feeds) last(c Config, otherwise State) (*intel.Block, State) {
	if f != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, s := range f.sources {
			if s.cfg == c && s.block != nil {
				return s.block, s.state
			}
		}
	}
	return nil, otherwise
}

// Load reads all feeds and hands out the Set. A feed that fails does not keep the
// others from being used; the error joins what is wrong with each, or is that of
// ctx, in which case nothing was handed out.
func (f *Feeds) Load(ctx context.Context) error {
	start := time.Now()
	var failed []error
	for _, s := range f.sources {
		s.watch = watch{read: look(s.cfg.Path)}
		if err := f.reload(ctx, s); err != nil {
			failed = append(failed, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	f.swap(start)
	return errors.Join(failed...)
}

// reload reads one feed again, and keeps its last good version when that fails.
func (f *Feeds) reload(ctx context.Context, s *source) error {
	start := time.Now()
	block, drops, err := f.read(ctx, s)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	state := s.state
	if err == nil {
		state.Status, state.Message = OK, describe(block, drops)
		state.Indicators, state.Drops, state.LoadedAt, state.Took = block.Len(), drops, start, time.Since(start)
		f.set(s, block, state)
		return nil
	}
	err = fmt.Errorf("feed %s: %w", s.cfg.Name, err)
	state.Status, state.Message = Error, err.Error()
	if s.block != nil {
		state.Status = Stale
		state.Message += fmt.Sprintf("; the %d indicators of %s stay in use", s.block.Len(), state.LoadedAt.UTC().Format(time.RFC3339))
	}
	f.set(s, s.block, state)
	return err
}

// set stores what is now known of a feed, and tells it when it is news.
func (f *Feeds) set(s *source, block *intel.Block, state State) {
	news := state.Status != s.state.Status || state.Message != s.state.Message || state.LoadedAt != s.state.LoadedAt
	f.mu.Lock()
	s.block, s.state = block, state
	f.mu.Unlock()
	if !news {
		return
	}
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

// describe says what was loaded and what was not.
func describe(b *intel.Block, drops ingest.Drops) string {
	text := fmt.Sprintf("%d indicators", b.Len())
	if len(drops) > 0 {
		text += "; left out: " + drops.String()
	}
	if n := b.Unnamed(); n > 0 {
		text += fmt.Sprintf("; %d have no name or reference, because the feed has too many different ones", n)
	}
	return text
}

// big is how many indicators make it worth a full garbage collection to give the
// memory of the old Set back to the system at once.
const big = 100_000

// swap builds a Set of the feeds' versions and hands it out.
func (f *Feeds) swap(start time.Time) {
	blocks := make([]*intel.Block, len(f.sources))
	for i, s := range f.sources {
		blocks[i] = s.block
	}
	set := intel.NewSet(blocks...)
	if f.o.OnSwap != nil {
		f.o.OnSwap(set, time.Since(start))
	}
	if set.Len() >= big {
		debug.FreeOSMemory()
	}
}

// States returns the state of each feed, in the order of the configuration. It is
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
