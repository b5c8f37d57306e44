// Package feeds is what commands ask of feeds: the running agent over its control
// socket or, where none runs, the data_dir itself, under its lock.
package feeds

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/cmd/internal/datadir"
	"github.com/flowhound/flowhound/cmd/internal/intel/dnsbl"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
)

// The paths of the control socket that are about feeds.
const (
	listPath   = "/feed/list"   // {} -> a feed.State for each feed, allow list and DNS blacklist
	updatePath = "/feed/update" // Wish -> Events
)

// typeDNSBL is what stands as the type of DNS blacklists among those of feeds.
const typeDNSBL = "dnsbl"

// progressEvery is the least time between two Events with progress.
const progressEvery = 100 * time.Millisecond

// Wish names the feeds to fetch now; none: all that are fetched.
type Wish struct {
	Names []string `json:"names"`
}

// Event is one thing that happens during an update: progress, or at its end
// what came of a feed.
type Event struct {
	Progress *feed.Progress `json:"progress,omitempty"`
	Outcome  *Outcome       `json:"outcome,omitempty"`
}

// Outcome is what came of updating one feed, and how it is now.
type Outcome struct {
	Changed bool       `json:"changed,omitempty"`
	Error   string     `json:"error,omitempty"`
	NotYet  bool       `json:"not_yet,omitempty"` // Error says why it was not asked
	State   feed.State `json:"state"`
}

// Handlers answer for a running agent. zones are the states of DNS blacklists.
func Handlers(k *feed.Keeper, zones func() []dnsbl.State) map[string]control.Handler {
	return map[string]control.Handler{
		listPath: func(_ context.Context, r *control.Request) error {
			states := k.States()
			for _, z := range zones() {
				states = append(states, feed.State{Name: z.Name, Type: typeDNSBL, Status: feed.Status(z.Status), Message: z.Message, Indicators: z.Listed})
			}
			for _, s := range states {
				if err := r.Send(s); err != nil {
					return err
				}
			}
			return nil
		},
		updatePath: func(ctx context.Context, r *control.Request) error {
			var wish Wish
			if err := r.Decode(&wish); err != nil {
				return err
			}
			err := update(ctx, k, wish.Names, func(e Event) error { return r.Send(e) })
			if errors.Is(err, feed.ErrNoFeed) {
				return &control.Problem{Code: control.BadRequest, Text: err.Error()}
			}
			return err
		},
	}
}

// update runs an update and hands out what happens, on the caller's goroutine.
func update(ctx context.Context, feeds *feed.Keeper, names []string, each func(Event) error) error {
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
				if eachErr = each(Event{Progress: &p}); eachErr != nil {
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

func tellOutcomes(feeds *feed.Keeper, outcomes []feed.Outcome, each func(Event) error) error {
	states := map[string]feed.State{}
	for _, s := range feeds.States() {
		states[s.Name] = s
	}
	for _, o := range outcomes {
		out := Outcome{Changed: o.Changed, NotYet: errors.Is(o.Err, feed.ErrNotYet), State: states[o.Name]}
		if o.Err != nil {
			out.Error = o.Err.Error()
		}
		if err := each(Event{Outcome: &out}); err != nil {
			return err
		}
	}
	return nil
}

// Agent is whom commands ask, and what they do without.
type Agent struct {
	RunDir, DataDir, FeedDir string
	Config                   feed.Config
	Zones                    []string // names of DNS blacklists
	Version                  string
}

func (a *Agent) keeper(log *slog.Logger, onRequest bool) (*feed.Keeper, error) {
	return feed.New(a.Config, feed.Dependencies{Dir: a.FeedDir, Version: a.Version, Fetch: fetch.Options{}, Log: log, OnRequest: onRequest})
}

// States tells how feeds and DNS blacklists are, by the running agent's word, or
// else by what lies in the data_dir.
func (a *Agent) States(ctx context.Context) ([]feed.State, error) {
	var states []feed.State
	err := control.StreamAs(ctx, a.RunDir, listPath, struct{}{}, func(s feed.State) error {
		states = append(states, s)
		return nil
	})
	if !errors.Is(err, control.ErrNoAgent) {
		return states, err
	}
	k, err := a.keeper(nil, true)
	if err != nil {
		return nil, err
	}
	if err := k.Load(ctx); err != nil {
		return nil, err
	}
	states = k.States()
	for _, z := range a.Zones {
		states = append(states, feed.State{Name: z, Type: typeDNSBL, Status: feed.Pending, Message: "only a running agent asks it"})
	}
	return states, nil
}

// Update fetches feeds now: it asks the running agent to, or else does it itself,
// with the data_dir's lock. each is called with what happens; its error ends the
// update.
func (a *Agent) Update(ctx context.Context, log *slog.Logger, names []string, each func(Event) error) error {
	err := control.StreamAs(ctx, a.RunDir, updatePath, Wish{names}, each)
	if !errors.Is(err, control.ErrNoAgent) {
		return err
	}
	if err := datadir.Foreign(a.DataDir); err != nil {
		return err
	}
	lock, err := datadir.Lock(a.DataDir)
	if err != nil {
		return fmt.Errorf("%w; and the agent cannot be reached: %w", err, control.ErrNoAgent)
	}
	defer func() { _ = lock.Close() }()
	k, err := a.keeper(log, true)
	if err != nil {
		return err
	}
	if err := k.Start(ctx); err != nil {
		return err
	}
	defer func() { _ = k.Stop(ctx) }() // never fails
	return update(ctx, k, names, each)
}
