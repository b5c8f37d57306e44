// Package watch tells when files have changed: when there is a new version that has
// not changed for a moment, because editors and copies write in several steps. Events
// of the kernel only say when to look; what changed is told by a file's identity, size
// and time, which also holds where links are swapped and where events are lost.
package watch

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/flowhound/flowhound/cmd/internal/file"
)

const (
	settle      = 400 * time.Millisecond
	settleGone  = 1200 * time.Millisecond // of what is gone or empty: more often half of a write
	settleMax   = 10 * time.Second        // a file that never stands still is read as it is
	lookPending = 100 * time.Millisecond
	lookQuiet   = 30 * time.Second // network file systems tell no events
	lookBlind   = time.Second      // no events at all
)

// Files watches files and folders of files, which need not exist. Set may be called at
// any time.
type Files struct {
	// KeepGone: a file that is gone has not changed, unless another one comes. It is set
	// before Run.
	KeepGone bool

	log     *slog.Logger
	changed func(paths []string) // on Run's goroutine

	mu    sync.Mutex
	paths map[string]*state
	news  chan struct{} // of Set
}

type state struct {
	read    version   // the one that was told last
	seen    version   // at the last look
	since   time.Time // when seen first differed from read; zero: it does not
	changed time.Time // when a look last saw a change
}

// due reports whether there is a new version at path that has settled.
func (s *state) due(path string, now time.Time, keepGone bool) bool {
	v := look(path)
	if v == s.read || keepGone && v == (version{}) {
		s.since = time.Time{}
		return false
	}
	if s.since.IsZero() {
		s.since, s.seen = now, s.read
	}
	if v != s.seen {
		s.seen, s.changed = v, now
	}
	wait := settle
	if v.size == 0 {
		wait = settleGone
	}
	if now.Sub(s.changed) < wait && now.Sub(s.since) < settleMax {
		return false
	}
	s.read, s.since = v, time.Time{}
	return true
}

// New returns Files that watches nothing yet and tells changes to changed, those that
// settled at the same time together.
func New(log *slog.Logger, changed func(paths []string)) *Files {
	return &Files{log: log, changed: changed, paths: map[string]*state{}, news: make(chan struct{}, 1)}
}

// Set says which files are watched from now on. Their versions as of now are known:
// read them after Set, not before.
func (f *Files) Set(paths []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := make(map[string]*state, len(paths))
	for _, p := range paths {
		if next[p] = f.paths[p]; next[p] == nil {
			next[p] = &state{read: look(p)}
		}
	}
	f.paths = next
	select {
	case f.news <- struct{}{}:
	default:
	}
}

// Unread has the version of a file that is there told as a new one, once it has settled:
// what was read was read before Set.
func (f *Files) Unread(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.paths[path]; s != nil {
		s.read = version{}
	}
}

// Run watches until ctx ends.
func (f *Files) Run(ctx context.Context) {
	var events chan fsnotify.Event // nil without a watcher: then looks remain
	var failures chan error
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		f.log.Warn("cannot watch files, looking at them every second instead", "err", err)
		watcher = nil
	} else {
		events, failures = watcher.Events, watcher.Errors
		defer func() { _ = watcher.Close() }()
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	pending := true
	hasten := func() {
		if !pending { // a folder in which much happens must not put the look off
			pending = true
			timer.Reset(lookPending)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
			hasten()
		case <-f.news:
			hasten()
		case err := <-failures:
			f.log.Debug("watching files", "err", err)
			hasten()
		case <-timer.C:
			watched := f.follow(watcher)
			if pending = f.poll(time.Now()); pending {
				timer.Reset(lookPending)
			} else if watched {
				timer.Reset(lookQuiet)
			} else {
				timer.Reset(lookBlind)
			}
		}
	}
}

// poll tells which files have settled; pending: others are changing.
func (f *Files) poll(now time.Time) (pending bool) {
	var due []string
	f.mu.Lock()
	for path, s := range f.paths {
		if s.due(path, now, f.KeepGone) {
			due = append(due, path)
		}
		pending = pending || !s.since.IsZero()
	}
	f.mu.Unlock()
	if len(due) > 0 {
		slices.Sort(due)
		f.changed(due)
	}
	return pending
}

// follow watches the folders of all files, and of what they link to. It reports
// whether all of them could be.
func (f *Files) follow(w *fsnotify.Watcher) bool {
	if w == nil {
		return false
	}
	wanted := map[string]bool{}
	f.mu.Lock()
	for path, s := range f.paths {
		for _, dir := range file.Folders(path) {
			wanted[dir] = true
		}
		if s.read.folder {
			wanted[path] = true
		}
	}
	f.mu.Unlock()
	all := true
	for dir := range wanted {
		all = w.Add(dir) == nil && all
	}
	for _, dir := range w.WatchList() {
		if !wanted[dir] {
			_ = w.Remove(dir)
		}
	}
	return all
}
