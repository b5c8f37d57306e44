package feed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/flowhound/flowhound/plugin/text"
)

// restore reads the last good copy of a feed that is fetched. That there is none
// yet is no error.
func (f *Feeds) restore(ctx context.Context, s *source) error {
	n := s.net
	start := time.Now()
	var known bool
	n.saved, known = loadSaved(n.folder, s.cfg.Type)
	n.resume(start)
	if !known {
		return nil
	}
	read, err := f.readKept(ctx, s)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, fs.ErrNotExist) {
		if !n.saved.NotBefore.After(start) {
			n.due = start // whatever a former run planned: there is nothing to use
		}
		if n.saved.Problem != "" {
			s.state.Status = Error
			s.state.Message = "feed " + s.cfg.Name + ": " + n.saved.Problem
		}
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		err = fmt.Errorf("feed %s: the copy on disk: %w; it is fetched again", s.cfg.Name, err)
		s.state.Status, s.state.Message = Error, err.Error()
		s.state.Errors++
		n.saved.Documents, n.due = nil, start
		return err
	}
	s.good = read
	s.state.LoadedAt, s.state.Took = n.saved.Loaded, time.Since(start)
	s.state.Status = OK
	s.size = read.size()
	s.describe(s.size)
	f.refreshStatus(s, start)
	return nil
}

// readKept reads what is on disk of a feed that is fetched. The error wraps
// fs.ErrNotExist where there is nothing.
func (f *Feeds) readKept(ctx context.Context, s *source) (content, error) {
	n := s.net
	if s.typ.IsServer() {
		return f.readCopy(ctx, s)
	}
	if !n.holdsAny() {
		return content{}, fs.ErrNotExist
	}
	paths := make([]string, len(n.docs))
	for i := range n.docs {
		if n.holds(i) {
			paths[i] = n.document(i)
		}
	}
	read, _, err := f.readDocuments(ctx, s, paths)
	return read, err
}

// refreshStatus sets a state's times and lets what is in use age by them, and sets its
// status to Stale where they say so. f.mu must be held.
func (f *Feeds) refreshStatus(s *source, now time.Time) {
	n := s.net
	s.state.FreshAt, s.state.NextAt = n.fresh, n.due
	if s.good.block != nil && !n.fresh.IsZero() {
		s.good.block.Confirm(n.fresh)
	}
	if !s.good.loaded() || n.fresh.IsZero() || now.Sub(n.fresh) <= n.staleAfter() || s.state.Status == Stale {
		return
	}
	s.state.Status = Stale
	problem := n.saved.Problem
	if problem == "" {
		problem = "it was not fetched since"
	}
	s.state.Message = fmt.Sprintf("feed %s: its %s of %s: %s", s.cfg.Name, text.Count(s.state.Indicators, "indicator is", "indicators are"), n.fresh.UTC().Format(time.RFC3339), problem)
}

// keep fetches one feed whenever it is due or wanted, until ctx ends.
func (f *Feeds) keep(ctx context.Context, s *source) {
	n := s.net
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		wait := n.due.Sub(now)
		if !n.fresh.IsZero() && s.good.loaded() {
			if old := n.fresh.Add(n.staleAfter()).Sub(now) + time.Second; old > 0 {
				wait = min(wait, old)
			}
		}
		if f.o.OnRequest {
			wait = time.Hour
		}
		timer.Reset(max(wait, 0))
		select {
		case <-ctx.Done():
			return
		case u := <-n.kick:
			u.done <- f.asked(ctx, s, u)
		case <-timer.C:
			if f.o.OnRequest || time.Now().Before(n.due) {
				f.mu.Lock()
				f.refreshStatus(s, time.Now())
				f.mu.Unlock()
				f.tell()
				continue
			}
			if changed, _ := f.attempt(ctx, s, nil); changed {
				select {
				case f.changed <- struct{}{}:
				default: // one swap is for all
				}
			} else {
				f.tell()
			}
		}
	}
}

// attempt fetches one feed and notes what came of it, on disk too.
func (f *Feeds) attempt(ctx context.Context, s *source, progress func(Progress)) (changed bool, err error) {
	n := s.net
	start := time.Now()
	changed, err = f.refresh(ctx, s, progress)
	if ctx.Err() != nil {
		return changed, ctx.Err()
	}
	now := time.Now()
	n.saved.Attempt, n.saved.NotBefore = start.Round(0), time.Time{}
	if err != nil {
		n.saved.Failures++
		n.saved.Problem = err.Error()
		wait, asked := n.retry(n.saved.Failures, err)
		n.due = now.Add(wait)
		if asked {
			n.saved.NotBefore = n.due.Round(0)
		}
	} else {
		n.saved.Failures, n.saved.Problem = 0, ""
		n.saved.Fresh, n.fresh = start.Round(0), start
		n.due = now.Add(n.next())
	}
	if changed {
		n.saved.Loaded, n.saved.Indicators = start.Round(0), s.good.len()
	}
	saveErr := n.save()
	f.note(s, changed, errors.Join(err, saveErr), now.Sub(start))
	return changed, err
}

// note makes the state what came of a fetch.
func (f *Feeds) note(s *source, changed bool, err error, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	st := &s.state
	switch {
	case changed:
		st.Fetches++
		st.LoadedAt, st.Took = s.net.saved.Loaded, took
		s.size, s.waits = s.good.size(), true // until the swap
	case err == nil:
		st.Unchanged++
	}
	if err == nil {
		st.Status = OK
		s.describe(s.size)
	} else {
		st.Errors++
		st.Status = Error
		st.Message = fmt.Sprintf("feed %s: %v", s.cfg.Name, err)
		switch {
		case changed:
			st.Message += "; the rest is used"
		case s.good.loaded():
			st.Message += fmt.Sprintf("; the %s of %s stay in use", text.Count(st.Indicators, "indicator", "indicators"), s.net.fresh.UTC().Format(time.RFC3339))
		}
	}
	f.refreshStatus(s, time.Now())
}
