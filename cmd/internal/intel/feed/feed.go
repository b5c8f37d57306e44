// Package feed loads the configured feeds and allow lists into an intel.Set and
// keeps it fresh: it watches the files that they are read from, fetches the others
// each on its own schedule, and builds a new Set when one of them changes. One
// that turns bad keeps the last version that was good, which for fetched feeds is
// on disk, so that a start without network matches at once. It knows which formats
// there are, and leaves reading them to the packages below it; it decides nothing
// about flows.
package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"reflect"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/file/watch"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/cmd/internal/intel/known"
)

// TypeAllow is no feed but its contrary, which is read and watched like one: a
// list, or a MISP warninglist, of what no feed may name. The types of feeds are
// those of Types.
const TypeAllow = "allow"

// Options say what all feeds have in common. The zero value works.
type Options struct {
	Local []netip.Prefix // own networks: indicators that overlap them are rejected
	Log   *slog.Logger   // nil: silent
	// Exporters are the addresses of exporters that the configuration names. No
	// feed may name them.
	Exporters []netip.Prefix
	// Known says what of the embedded lists of well-known addresses counts: all.
	Known known.Config
	// Categories overrides what tags and malware families mean.
	Categories map[string]intel.Category
	// Past: the Set is held against captures, at whose time what has expired by now
	// may have been live.
	Past bool

	// Dir keeps what is fetched, a folder for each feed. "": there can be no
	// feeds that are fetched. Only one Feeds may Run on it; Load only reads.
	Dir   string
	Fetch fetch.Options
	// OnRequest: nothing is fetched but by Update.
	OnRequest bool

	// OnSwap receives each new Set and how long reading what changed and building
	// it took. It is called from Load, Run and Update, never twice at a time, and
	// what it returns from holding the old Set is freed at once.
	OnSwap func(set *intel.Set, took time.Duration)
	// OnState receives a feed's state whenever it changes, from Load, Run and Update.
	OnState func(State)

	// Previous, when set, lends its last good versions to feeds that are
	// configured the same, in case their files are bad now.
	Previous *Feeds
}

// Feeds is all configured feeds and allow lists. Load comes first, then Run, never both at a time;
// States and Update may be called at any time.
type Feeds struct {
	o      Options
	policy *ingest.Policy
	client *fetch.Client
	// parsing is held while reading what was fetched: one at a time, for the memory.
	// Fetching is not limited: a server that hangs must hold up its own feed alone.
	parsing sync.Mutex
	changed chan struct{} // holds one value when a fetched feed waits for a swap

	running chan struct{} // closed when Run begins
	stopped chan struct{} // closed when Run has ended

	files     *watch.Files    // those that feeds are read from
	reading   context.Context // of Run
	rereading sync.Mutex      // held while files are read again

	swapping sync.Mutex // held while a Set is built and handed out
	telling  sync.Mutex // guards told of sources

	mu      sync.Mutex // guards good and state of sources
	sources []*source
}

// source is one feed or allow list: its last good version and what is known of
// where it comes from.
type source struct {
	cfg   Source
	typ   Type // zero for an allow list
	good  content
	used  *intel.Block   // what the last Set holds of it; swap's
	size  intel.FeedSize // of good in the last Set
	state State
	told  State    // the last one that was
	waits bool     // good is not in a Set yet: how much of it is in use is not known
	net   *network // nil: it is read from Path
}

// content is what one reading gave.
type content struct {
	block *intel.Block // nil: none was ever good, or it is an allow list
	allow *intel.Allow // nil: none was ever good, or it is a feed
	ends  time.Time    // when the first entry of allow does; zero: none does
	drops ingest.Drops
}

func (v *content) loaded() bool { return v.block != nil || v.allow != nil }

// ended reports whether an entry has come to its end since the list was read.
func (v *content) ended(now time.Time) bool { return !v.ends.IsZero() && !now.Before(v.ends) }

// len returns how many indicators or entries there are.
func (v *content) len() int {
	if v.block != nil {
		return v.block.Len()
	}
	return v.allow.Len()
}

// size is the content's before allow lists are heard.
func (v *content) size() intel.FeedSize {
	if v.block != nil {
		return intel.FeedSize{Indicators: v.block.Len() - v.block.Expired(), Expired: v.block.Expired()}
	}
	return intel.FeedSize{Indicators: v.allow.Len()}
}

// open checks the configuration and returns Feeds that hold nothing until Load. It
// starts nothing.
func open(cfgs []Source, o Options) (*Feeds, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Fetch.Log == nil {
		o.Fetch.Log = o.Log
	}
	f := &Feeds{
		o: o, policy: ingest.NewPolicy(o.Local, o.Exporters...), client: fetch.New(o.Fetch),
		changed: make(chan struct{}, 1),
		running: make(chan struct{}), stopped: make(chan struct{}),
	}
	f.files = watch.New(f.o.Log, f.filesChanged)
	names := make(map[string]bool)
	for _, c := range cfgs {
		if err := c.check(); err != nil {
			return nil, err
		}
		if names[c.Name] {
			return nil, fmt.Errorf("feed %s: two feeds have this name; rename one", c.Name)
		}
		names[c.Name] = true
		s := &source{cfg: c, state: State{Name: c.Name, Type: c.Type, Path: c.Path}}
		s.typ, _ = Find(c.Type)
		if c.Path == "" {
			if o.Dir == "" {
				return nil, fmt.Errorf("feed %s: no folder to keep what is fetched", c.Name)
			}
			s.net = newNetwork(&s.cfg, &s.typ, filepath.Join(o.Dir, c.Name))
			s.state.Every, s.state.Status, s.state.Message = s.net.every, Pending, "never fetched yet"
			s.state.URL = s.redacted()
		}
		s.good, s.state = o.Previous.last(c, s.state)
		s.used = s.good.block
		f.sources = append(f.sources, s)
	}
	f.o.Previous = nil // it has a Previous of its own
	return f, nil
}

// last returns the good version that f has of a feed configured as c.
func (f *Feeds) last(c Source, otherwise State) (content, State) {
	if f != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, s := range f.sources {
			if reflect.DeepEqual(s.cfg, c) && s.good.loaded() {
				return s.good, s.state
			}
		}
	}
	return content{}, otherwise
}

// Load reads all feeds from their files, those that are fetched from their last
// good copies, and hands out the Set. It never fetches. A feed that fails does not
// keep the others from being used; the error joins what is wrong with each, or is
// that of ctx, in which case nothing was handed out.
func (f *Feeds) Load(ctx context.Context) error {
	start := time.Now()
	var paths []string
	for _, s := range f.sources {
		if s.net == nil {
			paths = append(paths, s.cfg.Path)
		}
	}
	f.files.Set(paths) // before they are read
	var failed []error
	for _, s := range f.sources {
		var err error
		if s.net != nil {
			err = f.restore(ctx, s)
		} else {
			err = f.reload(ctx, s)
		}
		if err != nil {
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

// reload reads one feed's file again, and keeps its last good version when that fails.
func (f *Feeds) reload(ctx context.Context, s *source) error {
	start := time.Now()
	read, err := f.read(ctx, s)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil || read.loaded() && !s.good.loaded() { // some files of a folder are better than none
		s.good, s.state.Indicators = read, read.size().Indicators
		s.state.LoadedAt, s.state.FreshAt, s.state.Took = start, start, time.Since(start)
	}
	if err == nil {
		s.state.Status = OK
		s.describe(read.size())
		return nil
	}
	what := "feed"
	if s.cfg.Type == TypeAllow {
		what = "allow list"
	}
	err = fmt.Errorf("%s %s: %w", what, s.cfg.Name, err)
	s.state.Status, s.state.Message = Error, err.Error()
	s.state.Errors++
	if s.good.loaded() {
		s.state.Status = Stale
		s.state.Message += fmt.Sprintf("; the %s of %s stay in use", s.count(s.state.Indicators), s.state.LoadedAt.UTC().Format(time.RFC3339))
	}
	return err
}
