package feed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

var (
	// ErrNotRunning says that Run has ended, or ended meanwhile.
	ErrNotRunning = errors.New("a reload is replacing the feeds: try again")
	// ErrNotYet says that a feed was not asked, because its publisher does not want to be.
	ErrNotYet = errors.New("not asked")
	// ErrNoFeed says that there is no feed of a name, or none that is fetched.
	ErrNoFeed = errors.New("nothing to fetch")
)

// Outcome is what came of updating one feed.
type Outcome struct {
	Name    string
	Changed bool  // there is a new version, and it is in use
	Err     error // nil: it is the newest now. A part of it may have changed
}

// update is a wish to fetch a feed now.
type update struct {
	progress func(Progress)
	done     chan Outcome // has room for it
}

// Update fetches the named feeds, or without names all that are fetched, now and
// puts what is new in use; it waits for Run to begin. progress, where there is
// one, is called while something comes, never twice at a time. The error says that
// there is no such feed to fetch, or is that of ctx; what went wrong with a feed is
// in its Outcome.
func (f *Feeds) Update(ctx context.Context, names []string, progress func(Progress)) ([]Outcome, error) {
	wanted, err := f.fetched(names)
	if err != nil {
		return nil, err
	}
	if progress != nil {
		var mu sync.Mutex
		tell := progress
		progress = func(p Progress) { mu.Lock(); defer mu.Unlock(); tell(p) }
	}
	select {
	case <-f.running:
	case <-f.stopped:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	outcomes := make([]Outcome, len(wanted))
	var wait sync.WaitGroup
	for i, s := range wanted {
		wait.Go(func() { outcomes[i] = f.ask(ctx, s, progress) })
	}
	wait.Wait()
	return outcomes, ctx.Err()
}

// fetched returns the sources of those names, all without names.
func (f *Feeds) fetched(names []string) (wanted []*source, err error) {
	for _, s := range f.sources {
		if s.net != nil && len(names) == 0 {
			wanted = append(wanted, s)
		}
	}
	for _, name := range names {
		var found *source
		for _, s := range f.sources {
			if s.cfg.Name == name && s.cfg.Type != TypeAllow {
				found = s
			}
		}
		switch {
		case found == nil:
			return nil, fmt.Errorf("%w: there is no feed %q", ErrNoFeed, name)
		case found.net == nil:
			return nil, fmt.Errorf("%w: feed %s is read from %s, whose changes a running flowhound sees at once", ErrNoFeed, name, found.cfg.Path)
		}
		wanted = append(wanted, found)
	}
	if len(wanted) == 0 {
		return nil, fmt.Errorf("%w: all feeds are read from files", ErrNoFeed)
	}
	return wanted, nil
}

// ask hands the wish to the feed's goroutine and waits for what comes of it.
func (f *Feeds) ask(ctx context.Context, s *source, progress func(Progress)) Outcome {
	u := &update{progress: progress, done: make(chan Outcome, 1)}
	select {
	case s.net.kick <- u:
	case <-f.stopped:
		return Outcome{Name: s.cfg.Name, Err: ErrNotRunning}
	case <-ctx.Done():
		return Outcome{Name: s.cfg.Name, Err: ctx.Err()}
	}
	select {
	case o := <-u.done:
		return o
	case <-f.stopped:
		return Outcome{Name: s.cfg.Name, Err: ErrNotRunning}
	case <-ctx.Done():
		return Outcome{Name: s.cfg.Name, Err: ctx.Err()} // the fetch goes on
	}
}

// asked fetches a feed because somebody wants it, unless its publisher does not.
func (f *Feeds) asked(ctx context.Context, s *source, u *update) Outcome {
	n, o := s.net, Outcome{Name: s.cfg.Name}
	now := time.Now()
	switch {
	case n.saved.NotBefore.After(now) && now.Before(n.due):
		o.Err = fmt.Errorf("%w: the server asks not to be called before %s", ErrNotYet, n.due.UTC().Format(time.RFC3339))
		return o
	case n.saved.Failures == 0 && !n.fresh.IsZero() && now.Sub(n.fresh) < n.least && s.good.loaded():
		o.Err = fmt.Errorf("%w: it was fetched %s ago, and its publisher asks for %s between two fetches", ErrNotYet, now.Sub(n.fresh).Round(time.Second), n.least)
		return o
	}
	o.Changed, o.Err = f.attempt(ctx, s, u.progress)
	if o.Changed {
		f.swap(now)
	}
	f.tell()
	return o
}
