package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/otx"
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
		format, p := f.Format, f.Pulses
		if format == config.FormatAuto {
			format = ""
		}
		out = append(out, feed.Config{
			Name: f.Name, Type: f.Type, Path: f.Path,
			URL: f.URL, Every: f.Every, Key: f.APIKey, KeyFile: f.APIKeyFile, MaxShrink: f.MaxShrink,
			Collections: f.Collections, Username: f.Username, Password: f.Password, PasswordFile: f.PasswordFile,
			Member: f.Member, Format: format, Column: f.Column,
			Category: f.Category, HasCategory: true, Confidence: f.Confidence, Reference: f.Reference,
			Pulses: otx.Choice{
				Authors: p.Authors, DenyAuthors: p.DenyAuthors, Tags: p.Tags, DenyTags: p.DenyTags,
				Pulses: p.IDs, DenyPulses: p.DenyIDs, TLPs: p.TLP, DenyTLPs: p.DenyTLP, MinSubscribers: p.MinSubscribers,
			},
		})
	}
	for _, path := range cfg.Allow {
		// No feed can have such a name.
		out = append(out, feed.Config{Name: "allow:" + path, Type: feed.TypeAllow, Path: path})
	}
	return out
}

// feedOptions are what feeds have in common, but for what is done with them.
func feedOptions(cfg *config.Config, how fetch.Options, version string) feed.Options {
	how.Version, how.Contact = version, cfg.Contact
	return feed.Options{
		Local: cfg.Networks.Local, Exporters: cfg.Exporters.Named(), Categories: cfg.Categories,
		Dir: filepath.Join(cfg.DataDir, "feeds"), Fetch: how,
	}
}

// start loads the feeds of cfg, hands their set to swap and watches them from
// then on. A feed that cannot be read is said and does not stop the others; the
// end of loading does.
func (f *feeds) start(loading context.Context, a *Agent, cfg *config.Config) error {
	f.mu.Lock()
	previous := f.current
	f.mu.Unlock()
	o := feedOptions(cfg, a.options.Fetch, a.options.Version)
	o.Log, o.Previous = a.log, previous
	o.OnSwap = func(set *intel.Set, took time.Duration) {
		a.swapSet(set)
		f.mu.Lock()
		f.swapped, f.took = time.Now(), took
		f.mu.Unlock()
		a.exports.changed()
	}
	o.OnState = func(s feed.State) {
		a.file.status(&hit.Status{Part: hit.Feed, ID: s.Name, Status: string(s.Status), Indicators: s.Indicators, Msg: s.Message})
	}
	next, err := feed.New(feedConfigs(cfg), o)
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

// LoadSet reads the feeds and allow lists of cfg once, those that are fetched from
// the last good copies in its data_dir: it never fetches. One that cannot be read
// is warned of; when no feed can, that is the error.
func LoadSet(ctx context.Context, cfg *config.Config, log *slog.Logger) (*intel.Set, error) {
	var set *intel.Set
	o := feedOptions(cfg, fetch.Options{}, "")
	o.Past = true
	o.OnSwap = func(s *intel.Set, _ time.Duration) { set = s }
	f, err := feed.New(feedConfigs(cfg), o)
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
		case feed.Pending:
			log.Warn("feed " + s.Name + " was never fetched: the running agent does that, or flowhound feed update " + s.Name)
			bad++
		case feed.Error:
			log.Warn(s.Message)
			if s.Type != feed.TypeAllow {
				bad++
			}
		}
	}
	switch {
	case bad == 0 || bad < len(cfg.Feeds):
	case err == nil:
		return nil, errors.New("no indicators: none of the feeds was ever fetched")
	default:
		return nil, fmt.Errorf("no indicators: %w", err)
	}
	return set, nil
}
