package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
)

// The paths of the control socket that are about feeds.
const (
	controlFeedList   = "/feed/list"   // {} -> a feed.State for each feed, allow list and DNS blacklist
	controlFeedUpdate = "/feed/update" // FeedUpdate -> FeedEvents
)

// typeDNSBL is what stands as the type of DNS blacklists among those of feeds.
const typeDNSBL = "dnsbl"

// progressEvery is the least time between two FeedEvents with progress.
const progressEvery = 100 * time.Millisecond

// FeedUpdate names the feeds to fetch now; none: all that are fetched.
type FeedUpdate struct {
	Names []string `json:"names"`
}

// FeedEvent is one thing that happens during an update: progress, or at its end
// what came of a feed.
type FeedEvent struct {
	Progress *feed.Progress `json:"progress,omitempty"`
	Outcome  *FeedOutcome   `json:"outcome,omitempty"`
}

// FeedOutcome is what came of updating one feed, and how it is now.
type FeedOutcome struct {
	Changed bool       `json:"changed,omitempty"`
	Error   string     `json:"error,omitempty"`
	NotYet  bool       `json:"not_yet,omitempty"` // Error says why it was not asked
	State   feed.State `json:"state"`
}

func (a *Agent) controlFeedList(_ context.Context, r *control.Request) error {
	states := a.feeds.states()
	for _, z := range a.zones() {
		states = append(states, feed.State{Name: z.Name, Type: typeDNSBL, Status: feed.Status(z.Status), Message: z.Message, Indicators: z.Listed})
	}
	for _, s := range states {
		if err := r.Send(s); err != nil {
			return err
		}
	}
	return nil
}

func (a *Agent) controlFeedUpdate(ctx context.Context, r *control.Request) error {
	var wish FeedUpdate
	if err := r.Decode(&wish); err != nil {
		return err
	}
	a.feeds.mu.Lock()
	feeds := a.feeds.current
	a.feeds.mu.Unlock()
	err := updateFeeds(ctx, feeds, wish.Names, func(e FeedEvent) error { return r.Send(e) })
	if errors.Is(err, feed.ErrNoFeed) {
		return &control.Problem{Code: control.BadRequest, Text: err.Error()}
	}
	return err
}

// updateFeeds runs an update and hands out what happens, on the caller's goroutine.
func updateFeeds(ctx context.Context, feeds *feed.Feeds, names []string, each func(FeedEvent) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		outcomes []feed.Outcome
		err      error
	}
	progress := make(chan feed.Progress, 1)
	done := make(chan result, 1)
	go func() { // ends with ctx at the latest, and is waited for below
		outcomes, err := feeds.Update(ctx, names, throttled(progress))
		done <- result{outcomes, err}
	}()
	var eachErr error
	for {
		select {
		case p := <-progress:
			if eachErr == nil {
				if eachErr = each(FeedEvent{Progress: &p}); eachErr != nil {
					cancel()
				}
			}
		case r := <-done:
			if eachErr != nil || r.err != nil {
				return errors.Join(eachErr, r.err)
			}
			return tellOutcomes(feeds, r.outcomes, each)
		}
	}
}

// throttled passes on what the receiver has time for.
func throttled(out chan<- feed.Progress) func(feed.Progress) {
	last := map[string]time.Time{}
	return func(p feed.Progress) {
		now := time.Now()
		if now.Sub(last[p.Feed]) < progressEvery && p.Done != p.Total {
			return
		}
		select {
		case out <- p:
			last[p.Feed] = now
		default:
		}
	}
}

func tellOutcomes(feeds *feed.Feeds, outcomes []feed.Outcome, each func(FeedEvent) error) error {
	states := map[string]feed.State{}
	for _, s := range feeds.States() {
		states[s.Name] = s
	}
	for _, o := range outcomes {
		out := FeedOutcome{Changed: o.Changed, NotYet: errors.Is(o.Err, feed.ErrNotYet), State: states[o.Name]}
		if o.Err != nil {
			out.Error = o.Err.Error()
		}
		if err := each(FeedEvent{Outcome: &out}); err != nil {
			return err
		}
	}
	return nil
}

// FeedStates tells how feeds and DNS blacklists are, by the running agent's word, or
// else by what lies in the data_dir.
func FeedStates(ctx context.Context, cfg *config.Config) ([]feed.State, error) {
	var states []feed.State
	err := streamInto(ctx, cfg.RunDir, controlFeedList, struct{}{}, func(s feed.State) error {
		states = append(states, s)
		return nil
	})
	if !errors.Is(err, control.ErrNoAgent) {
		return states, err
	}
	f, err := feed.New(feedConfigs(cfg), feedOptions(cfg, fetch.Options{}, ""))
	if err != nil {
		return nil, err
	}
	if err := f.Load(ctx); err != nil && ctx.Err() != nil {
		return nil, err // otherwise the states tell
	}
	states = f.States()
	for _, z := range cfg.DNSBL.Zones {
		states = append(states, feed.State{Name: z.Name, Type: typeDNSBL, Status: feed.Pending, Message: "only a running agent asks it"})
	}
	return states, nil
}

// UpdateFeeds fetches feeds now: it asks the running agent to, or else does it
// itself, with the data_dir's lock. each is called with what happens; its error
// ends the update.
func UpdateFeeds(ctx context.Context, cfg *config.Config, version string, log *slog.Logger, names []string, each func(FeedEvent) error) error {
	err := streamInto(ctx, cfg.RunDir, controlFeedUpdate, FeedUpdate{names}, each)
	if !errors.Is(err, control.ErrNoAgent) {
		return err
	}
	lock, err := lockDataDir(cfg.DataDir)
	if err != nil {
		return fmt.Errorf("%w; and that one cannot be asked: %w", err, control.ErrNoAgent)
	}
	defer func() { _ = lock.Close() }()
	o := feedOptions(cfg, fetch.Options{}, version)
	o.Log, o.OnRequest = log, true
	feeds, err := feed.New(feedConfigs(cfg), o)
	if err != nil {
		return err
	}
	if err := feeds.Load(ctx); err != nil && ctx.Err() != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); feeds.Run(running) }()
	defer func() { stop(); <-ended }()
	return updateFeeds(ctx, feeds, names, each)
}

// streamInto asks the agent and calls each with the answer's values.
func streamInto[T any](ctx context.Context, runDir, path string, request any, each func(T) error) error {
	return control.Stream(ctx, runDir, path, request, func(raw json.RawMessage) error {
		var v T
		if err := json.Unmarshal(raw, &v); err != nil {
			return fmt.Errorf("the agent's answer: %w", err)
		}
		return each(v)
	})
}
