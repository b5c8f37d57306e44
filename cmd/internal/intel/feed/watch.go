package feed

import (
	"context"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/flowhound/flowhound/cmd/internal/file"
)

// When a change counts as done. Editors and copies write in several steps; a
// version is read when its file has stood still for a while.
const (
	settle     = 400 * time.Millisecond
	settleGone = 1200 * time.Millisecond // for one that is gone or empty: more often half of a write
	settleMax  = 10 * time.Second        // a file that never stands still is read as it is

	pollPending   = 100 * time.Millisecond // while a change has not settled
	pollUnwatched = time.Second            // while a folder cannot be watched
	pollQuiet     = 30 * time.Second       // in case the kernel tells nothing: network file systems
)

// watch is what is known of one file.
type watch struct {
	read    fingerprint // what was read last, good or bad
	seen    fingerprint // what the last look saw
	since   time.Time   // when seen first differed from read; zero: it does not
	changed time.Time   // when a look last saw a change
}

// due looks at the file and reports whether there is a new version that has
// settled; the caller reads it then.
func (w *watch) due(path string, now time.Time) bool {
	v := look(path)
	if v == w.read {
		w.since = time.Time{}
		return false
	}
	if w.since.IsZero() {
		w.since, w.seen = now, w.read
	}
	if v != w.seen {
		w.seen, w.changed = v, now
	}
	wait := settle
	if v.empty() {
		wait = settleGone
	}
	if now.Sub(w.changed) < wait && now.Sub(w.since) < settleMax {
		return false
	}
	w.read, w.since = v, time.Time{}
	return true
}

func (w *watch) pending() bool { return !w.since.IsZero() }

// swapWait is how long a swap waits for further feeds that come at the same time,
// as all do at the first start: building the Set costs as much for one as for all.
const swapWait = 500 * time.Millisecond

// Run keeps the feeds fresh until ctx ends: it watches the files, fetches the
// others, and hands out a new Set whenever one of them has changed. It may be
// called once. Of files the kernel's events only say when to look: what changed is
// told by their identity, size and time, which also holds for folders whose links
// are swapped, and where events are lost.
func (f *Feeds) Run(ctx context.Context) {
	var keepers sync.WaitGroup
	defer func() {
		keepers.Wait()
		f.client.Close()
		close(f.stopped)
	}()
	for _, s := range f.sources {
		if s.net != nil {
			keepers.Go(func() { f.keep(ctx, s) })
		}
	}
	close(f.running)
	f.watchFiles(ctx)
}

// watchFiles is Run for what is read from files; it also swaps for what is fetched.
func (f *Feeds) watchFiles(ctx context.Context) {
	var events chan fsnotify.Event // nil without a watcher: then the polls remain
	var failures chan error
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		f.o.Log.Warn("cannot watch files, looking at them every second instead", "err", err)
	} else {
		events, failures = watcher.Events, watcher.Errors
		defer func() { _ = watcher.Close() }()
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	swap := time.NewTimer(time.Hour)
	swap.Stop()
	defer swap.Stop()
	next := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.changed:
			swap.Reset(swapWait)
			continue
		case <-swap.C:
			f.swap(time.Now())
			f.tell()
			continue
		case <-events:
		case err := <-failures:
			f.o.Log.Debug("watching files", "err", err) // events were lost: look at all files
		case <-timer.C:
			watched := f.follow(watcher)
			f.poll(ctx)
			next = f.nextPoll(watched)
			timer.Reset(next)
			continue
		}
		if next > pollPending { // a folder in which much happens must not put the look off
			next = pollPending
			timer.Reset(next)
		}
	}
}

// follow watches the folders of all files, and of what they link to. It reports
// whether all of them could be; folders may come and go.
func (f *Feeds) follow(w *fsnotify.Watcher) bool {
	if w == nil {
		return false
	}
	wanted := make(map[string]bool)
	all := true
	for _, s := range f.sources {
		if s.net != nil {
			continue
		}
		dirs := file.Folders(s.cfg.Path)
		if s.watch.read.folder {
			dirs = append(dirs, s.cfg.Path)
		}
		for _, dir := range dirs {
			wanted[dir] = true
			all = w.Add(dir) == nil && all
		}
	}
	for _, dir := range w.WatchList() {
		if !wanted[dir] {
			_ = w.Remove(dir)
		}
	}
	return all
}

// poll reads the feeds whose files have a new version, and hands out one Set for
// all of them.
func (f *Feeds) poll(ctx context.Context) {
	start := time.Now()
	swap := false
	for _, s := range f.sources {
		if s.net != nil || !s.watch.due(s.cfg.Path, time.Now()) && !s.good.ended(time.Now()) {
			continue
		}
		block, allow := s.good.block, s.good.allow
		if err := f.reload(ctx, s); err != nil && ctx.Err() != nil {
			return
		}
		swap = swap || s.good.block != block || s.good.allow != allow
	}
	if swap {
		f.swap(start)
	}
	f.tell()
}

func (f *Feeds) nextPoll(watched bool) time.Duration {
	for _, s := range f.sources {
		if s.net == nil && s.watch.pending() {
			return pollPending
		}
	}
	if !watched {
		return pollUnwatched
	}
	return pollQuiet
}
