// Package feed loads the configured feeds and allow lists into an intel.Set,
// watches the files that they are read from, and builds a new Set when one of
// them changes. One that turns bad keeps the last version that was good. It knows which formats
// there are, and leaves reading them to the packages below it; it decides nothing
// about flows.
package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
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
	// TypeAllow is no feed but its contrary, which is read and watched like one:
	// a list, or a MISP warninglist, of what no feed may name.
	TypeAllow = "allow"
)

// Config is one entry of the configuration's feeds or allow lists. An allow list
// has a name, type and path only.
type Config struct {
	Name string // unique
	Type string // TypeList, TypeOTX or TypeAllow
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

	Status  Status
	Message string // for people: what is wrong and what to do, or what was loaded
	// Indicators is how many are in use, without those that are allowed; of an
	// allow list, its entries.
	Indicators int
	Drops      ingest.Drops  // ingest.Allowed tells what allow lists took away
	LoadedAt   time.Time     // when the version in use was read; zero: never
	Took       time.Duration // to read it
}

// Feeds is all configured feeds and allow lists. Load comes first, then Run, never both at a time;
// States may be called at any time.
type Feeds struct {
	o      Options
	policy *ingest.Policy

	mu      sync.Mutex // guards good and state of sources
	sources []*source
}

// source is one feed or allow list: its last good version and what is known of
// its file.
type source struct {
	cfg   Config
	good  content
	state State
	told  State // the last one that was
	watch watch
}

// content is what one reading gave.
type content struct {
	block *intel.Block // nil: none was ever good, or it is an allow list
	allow *intel.Allow // nil: none was ever good, or it is a feed
	drops ingest.Drops
}

func (v *content) loaded() bool { return v.block != nil || v.allow != nil }

// len returns how many indicators or entries there are.
func (v *content) len() int {
	if v.block != nil {
		return v.block.Len()
	}
	return v.allow.Len()
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
		s.good, s.state = o.Previous.last(c, s.state)
		f.sources = append(f.sources, s)
	}
	f.o.Previous = nil // it has a Previous of its own
	return f, nil
}

// last returns the good version that f has of a feed configured as c.
func (f *Feeds) last(c Config, otherwise State) (content, State) {
	if f != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, s := range f.sources {
			if s.cfg == c && s.good.loaded() {
				return s.good, s.state
			}
		}
	}
	return content{}, otherwise
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
	f.tell()
	return errors.Join(failed...)
}

// reload reads one feed again, and keeps its last good version when that fails.
func (f *Feeds) reload(ctx context.Context, s *source) error {
	start := time.Now()
	read, err := f.read(ctx, s)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		s.good = read
		s.state.Status, s.state.LoadedAt, s.state.Took = OK, start, time.Since(start)
		s.describe(intel.FeedSize{Indicators: read.len()})
		return nil
	}
	what := "feed"
	if s.cfg.Type == TypeAllow {
		what = "allow list"
	}
	err = fmt.Errorf("%s %s: %w", what, s.cfg.Name, err)
	s.state.Status, s.state.Message = Error, err.Error()
	if s.good.loaded() {
		s.state.Status = Stale
		s.state.Message += fmt.Sprintf("; the %s of %s stay in use", s.count(s.good.len()), s.state.LoadedAt.UTC().Format(time.RFC3339))
	}
	return err
}

// describe says what of a good version is in use, and what is not.
func (s *source) describe(size intel.FeedSize) {
	drops := s.good.drops
	if size.Allowed > 0 {
		drops = maps.Clone(drops)
		drops[ingest.Allowed] = ingest.Drop{Count: size.Allowed, Text: ingest.Text(size.AllowedBy.String()+" of "+size.AllowedBy.List, 120)}
	}
	s.state.Indicators, s.state.Drops = size.Indicators, drops
	if s.state.Status != OK {
		return // its message says what is wrong
	}
	s.state.Message = s.count(size.Indicators)
	if len(drops) > 0 {
		s.state.Message += "; left out: " + drops.String()
	}
	if s.good.block != nil && s.good.block.Unnamed() > 0 {
		s.state.Message += fmt.Sprintf("; %d have no name or reference, because the feed has too many different ones", s.good.block.Unnamed())
	}
}

func (s *source) count(n int) string {
	if s.cfg.Type == TypeAllow {
		return fmt.Sprintf("%d allowed entries", n)
	}
	return fmt.Sprintf("%d indicators", n)
}

// tell says each state that is news.
func (f *Feeds) tell() {
	for _, s := range f.sources {
		state, told := s.state, s.told
		s.told = state
		if state.Status == told.Status && state.Message == told.Message && state.LoadedAt.Equal(told.LoadedAt) && state.Indicators == told.Indicators {
			continue
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
}

// big is how many indicators make it worth a full garbage collection to give the
// memory of the old Set back to the system at once.
const big = 100_000

// swap builds a Set of the sources' versions, notes how much of each is in use,
// and hands it out.
func (f *Feeds) swap(start time.Time) {
	var blocks []*intel.Block
	var allows []*intel.Allow
	for _, s := range f.sources {
		blocks = append(blocks, s.good.block)
		if s.good.allow.Len() > 0 {
			allows = append(allows, s.good.allow)
		}
	}
	set := intel.NewSetExcept(intel.JoinAllow(allows...), blocks...)
	f.mu.Lock()
	for _, size := range set.Feeds() {
		for _, s := range f.sources {
			if s.cfg.Name == size.Feed {
				s.describe(size)
			}
		}
	}
	f.mu.Unlock()
	if f.o.OnSwap != nil {
		f.o.OnSwap(set, time.Since(start))
	}
	if set.Len() >= big {
		debug.FreeOSMemory()
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
