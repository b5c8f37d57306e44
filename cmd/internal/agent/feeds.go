package agent

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/plugin/hit"
)

// feeds runs the configured feeds and tells the agent of each new set. A reload
// that changes feeds builds new ones beside the old and then stops those.
type feeds struct {
	mu      sync.Mutex
	current *feed.Feeds
	stop    func() // stops current and waits for it; nil: nothing runs

	swapped time.Time
	took    time.Duration
}

// feedConfigs is the configuration's feeds and allow lists in the words of package
// feed.
func feedConfigs(cfg *config.Config) []feed.Config {
	out := make([]feed.Config, 0, len(cfg.Feeds)+len(cfg.Allow))
	for _, f := range cfg.Feeds {
		format := f.Format
		if format == config.FormatAuto {
			format = ""
		}
		out = append(out, feed.Config{
			Name: f.Name, Type: f.Type, Path: f.Path, Format: format, Column: f.Column,
			Category: f.Category, HasCategory: f.Type == config.FeedList, Confidence: f.Confidence, Reference: f.Reference,
		})
	}
	for _, path := range cfg.Allow {
		// No feed can have such a name.
		out = append(out, feed.Config{Name: "allow:" + path, Type: feed.TypeAllow, Path: path})
	}
	return out
}

// start loads the feeds of cfg, hands their set to swap and watches them from
// then on. A feed that cannot be read is said and does not stop the others; the
// end of loading does.
func (f *feeds) start(loading context.Context, a *Agent, cfg *config.Config) error {
	f.mu.Lock()
	previous := f.current
	f.mu.Unlock()
	next, err := feed.New(feedConfigs(cfg), feed.Options{
		Local: cfg.Networks.Local, Log: a.log, Previous: previous,
		OnSwap: func(set *intel.Set, took time.Duration) {
			a.swapSet(set)
			f.mu.Lock()
			f.swapped, f.took = time.Now(), took
			f.mu.Unlock()
			a.exports.changed()
		},
		OnState: func(s feed.State) {
			a.file.status(&hit.Status{Part: hit.Feed, ID: s.Name, Status: string(s.Status), Indicators: s.Indicators, Msg: s.Message})
		},
	})
	if err != nil {
		return err
	}
	f.halt()
	if err := next.Load(loading); loading.Err() != nil {
		return err // other failures are said by OnState
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		next.Run(ctx)
	}()
	f.mu.Lock()
	f.current, f.stop = next, func() { cancel(); <-done }
	f.mu.Unlock()
	return nil
}

// halt stops watching. It may be called again.
func (f *feeds) halt() {
	f.mu.Lock()
	stop := f.stop
	f.stop = nil
	f.mu.Unlock()
	if stop != nil {
		stop()
	}
}

func (f *feeds) states() []feed.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.current == nil {
		return nil
	}
	return f.current.States()
}

// lastSwap returns when the set was last replaced and how long building it took.
func (f *feeds) lastSwap() (at time.Time, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.swapped, f.took
}

// LoadSet reads the feeds and allow lists of cfg once. One that cannot be read is warned of;
// when no feed can, that is the error.
func LoadSet(ctx context.Context, cfg *config.Config, log *slog.Logger) (*intel.Set, error) {
	var set *intel.Set
	f, err := feed.New(feedConfigs(cfg), feed.Options{
		Local:  cfg.Networks.Local,
		Past:   true,
		OnSwap: func(s *intel.Set, _ time.Duration) { set = s },
	})
	if err != nil {
		return nil, err
	}
	if err := f.Load(ctx); err != nil {
		bad := 0
		for _, s := range f.States() {
			if s.Status == feed.Error {
				log.Warn(s.Message)
				if s.Type != feed.TypeAllow {
					bad++
				}
			}
		}
		if ctx.Err() != nil || bad == len(cfg.Feeds) {
			return nil, fmt.Errorf("no indicators: %w", err)
		}
	}
	return set, nil
}
