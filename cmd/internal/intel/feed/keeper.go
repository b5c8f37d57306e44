package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/plugin/hit"
)

// Dependencies are what a Keeper needs besides its Config. All but Dir may be zero.
type Dependencies struct {
	Dir     string // keeps what is fetched, a folder for each feed
	Version string
	Fetch   fetch.Options // how feeds are fetched; who asks is set here
	Log     *slog.Logger
	// OnSwap receives each new Set. It is never called twice at a time.
	OnSwap func(*intel.Set)
	// Report writes a status line. It must not wait. nil: nobody hears.
	Report func(*hit.Status)
	// OnRequest: nothing is fetched but by Update.
	OnRequest bool
}

// options are those of Feeds for c.
func (d *Dependencies) options(c *Config) Options {
	how := d.Fetch
	how.Version, how.Contact = d.Version, c.Contact
	return Options{Local: c.Local, Exporters: c.Exporters, Known: c.Known, Categories: c.Categories, Dir: d.Dir, Fetch: how, Log: d.Log, OnRequest: d.OnRequest}
}

// Keeper keeps a Set as the configured feeds are, from Start to Stop. New makes one
// that has touched nothing yet. Its methods may be called concurrently, but for
// Start, Apply and Stop, which one goroutine calls.
type Keeper struct {
	d Dependencies

	mu      sync.Mutex // guards what follows
	feeds   *Feeds     // what is in use
	stop    func()     // stops feeds and waits for it; nil: nothing runs
	swapped time.Time
	took    time.Duration
}

// New returns a Keeper for c.
func New(c Config, d Dependencies) (*Keeper, error) {
	k := &Keeper{d: d}
	var err error
	k.feeds, err = k.open(c, nil)
	return k, err
}

// big is how many indicators make it worth a full garbage collection to give the
// memory of the old Set back to the system at once.
const big = 100_000

// open returns Feeds that hold nothing yet but what previous lends them.
func (k *Keeper) open(c Config, previous *Feeds) (*Feeds, error) {
	o := k.d.options(&c)
	o.Previous = previous
	o.OnSwap = func(set *intel.Set, took time.Duration) {
		k.mu.Lock()
		k.swapped, k.took = time.Now(), took
		k.mu.Unlock()
		set.Prepare() // so that no flow waits for it
		if k.d.OnSwap != nil {
			k.d.OnSwap(set)
		}
		if set.Len() >= big {
			debug.FreeOSMemory()
		}
	}
	o.OnState = func(s State) {
		if k.d.Report == nil {
			return
		}
		k.d.Report(&hit.Status{Part: hit.Feed, ID: s.Name, Status: string(s.Status), Indicators: s.Indicators, Msg: s.Message})
	}
	return open(c.sources(), o)
}

// Start loads the feeds, hands out their Set and keeps it fresh from then on. A
// feed that cannot be read is said and does not stop the others; the end of ctx
// does, and is the error.
func (k *Keeper) Start(ctx context.Context) error { return k.run(ctx, k.feeds) }

// Load reads what is there and fetches nothing, without starting anything.
func (k *Keeper) Load(ctx context.Context) error {
	if err := k.feeds.Load(ctx); ctx.Err() != nil {
		return err
	}
	return nil // the states tell
}

// Apply puts c in the place of the Config so far. When it fails nothing has
// changed, but for the end of ctx, which ends the Keeper too.
func (k *Keeper) Apply(ctx context.Context, c Config) error {
	next, err := k.open(c, k.feeds)
	if err != nil {
		return err
	}
	_ = k.Stop(ctx)
	return k.run(ctx, next)
}

func (k *Keeper) run(ctx context.Context, feeds *Feeds) error {
	if err := feeds.Load(ctx); ctx.Err() != nil {
		return err // other failures are said by OnState
	}
	running, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		feeds.Run(running)
	}()
	k.mu.Lock()
	k.feeds, k.stop = feeds, func() { cancel(); <-done }
	k.mu.Unlock()
	return nil
}

// Stop stops keeping the Set fresh. It may be called again.
func (k *Keeper) Stop(context.Context) error {
	k.mu.Lock()
	stop := k.stop
	k.stop = nil
	k.mu.Unlock()
	if stop != nil {
		stop()
	}
	return nil
}

func (k *Keeper) now() *Feeds {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.feeds
}

// States returns the state of each feed and allow list, in the order of the configuration.
func (k *Keeper) States() []State { return k.now().States() }

// Update fetches feeds now, as Feeds.Update does.
func (k *Keeper) Update(ctx context.Context, names []string, progress func(Progress)) ([]Outcome, error) {
	return k.now().Update(ctx, names, progress)
}

// Findings tells doctor and /healthz what is wrong with the feeds.
func (k *Keeper) Findings(l *finding.List) {
	for _, s := range k.States() {
		switch s.Status {
		case OK:
		case Pending:
			l.Warn(s.fix(), "feed %s: %s", s.Name, s.Message)
		default:
			l.Bad(s.fix(), "%s", s.Message)
		}
	}
}

// fix is what a person can do about a feed that is not as it should be.
func (s *State) fix() string {
	switch {
	case strings.HasPrefix(s.Message, "feed "+s.Name+": key:"), strings.Contains(s.Message, "api_key_file"):
		return "see whether the key is right and flowhound's user can read it (sudo -u flowhound cat FILE), then: flowhound feed update " + s.Name
	case s.URL != "" || s.Path == "":
		return "flowhound feed update " + s.Name + " (and see whether this host reaches the server and resolves its name)"
	case strings.Contains(s.Message, "permission denied"):
		return "sudo chgrp flowhound " + s.Path + " && sudo chmod g+r " + s.Path
	case strings.Contains(s.Message, "does not exist"), strings.Contains(s.Message, "no such file"):
		return "put the list there, or: flowhound feed remove " + s.Name
	}
	return "look at the file: head " + s.Path
}

// LoadSet reads the feeds and allow lists of c once, those that are fetched from the
// last good copies in dir: it never fetches. One that cannot be read is warned of;
// when no feed can, that is the error.
func LoadSet(ctx context.Context, c Config, dir string, log *slog.Logger) (*intel.Set, error) {
	var set *intel.Set
	d := Dependencies{Dir: dir}
	o := d.options(&c)
	o.Past = true
	o.OnSwap = func(s *intel.Set, _ time.Duration) { set = s }
	f, err := open(c.sources(), o)
	if err != nil {
		return nil, err
	}
	err = f.Load(ctx)
	if ctx.Err() != nil {
		return nil, err
	}
	bad := 0
	for _, s := range f.States() {
		switch s.Status {
		case Pending:
			log.Warn("feed " + s.Name + " was never fetched: the running agent does that, or flowhound feed update " + s.Name)
			bad++
		case Error:
			log.Warn(s.Message)
			if s.URL != "" && s.LoadedAt.IsZero() {
				log.Warn("feed " + s.Name + " was never fetched: the running agent does that, or flowhound feed update " + s.Name)
			}
			if s.Type != TypeAllow {
				bad++
			}
		}
	}
	switch {
	case bad == 0 || bad < len(c.Feeds):
	case err == nil:
		return nil, errors.New("no indicators: no feed was fetched yet")
	default:
		return nil, fmt.Errorf("no indicators: %w", err)
	}
	return set, nil
}
