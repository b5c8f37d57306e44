// Package watch tells when files have changed: when there is a new version that has
// stood still for a moment, because editors and copies write in several steps. Events
// of the kernel only say when to look; what changed is told by a file's identity, size
// and time, which also holds where links are swapped and where events are lost.
package watch

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/flowhound/flowhound/cmd/internal/file"
)

const (
	settle      = 400 * time.Millisecond
	settleMax   = 10 * time.Second // a file that never stands still is read as it is
	lookPending = 100 * time.Millisecond
	lookQuiet   = 30 * time.Second // network file systems tell no events
	lookBlind   = time.Second      // no events at all
)

// Files watches files, which need not exist. Set may be called at any time.
type Files struct {
	log     *slog.Logger
	changed func(path string) // on Run's goroutine

	mu    sync.Mutex
	paths map[string]*state
	news  chan struct{} // of Set
}

type state struct {
	read    stamp     // the version that was told last
	seen    stamp     // at the last look
	since   time.Time // when seen first differed from read; zero: it does not
	changed time.Time // when a look last saw a change
}

// stamp tells one version of a file from another; zero: there is none.
type stamp struct {
	size     int64
	time     time.Time
	dev, ino uint64
}

func look(path string) (s stamp) {
	info, err := os.Stat(path)
	if err != nil {
		return s
	}
	s = stamp{size: info.Size(), time: info.ModTime()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.dev, s.ino = uint64(sys.Dev), sys.Ino //nolint:unconvert,gosec // a signed number elsewhere
	}
	return s
}

// New returns Files that watches nothing yet and tells changes to changed.
func New(log *slog.Logger, changed func(path string)) *Files {
	return &Files{log: log, changed: changed, paths: map[string]*state{}, news: make(chan struct{}, 1)}
}

// Set says which files are watched from now on. Their versions as of now are known:
// read them after Set, not before.
func (f *Files) Set(paths []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := make(map[string]*state, len(paths))
	for _, p := range paths {
		if s, ok := f.paths[p]; ok {
			next[p] = s
		} else {
			v := look(p)
			next[p] = &state{read: v, seen: v}
		}
	}
	f.paths = next
	select {
	case f.news <- struct{}{}:
	default:
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
		v := look(path)
		switch {
		case v == s.read:
			s.since = time.Time{}
			continue
		case s.since.IsZero():
			s.since, s.seen, s.changed = now, v, now
		case v != s.seen:
			s.seen, s.changed = v, now
		}
		if now.Sub(s.changed) >= settle || now.Sub(s.since) >= settleMax {
			s.read, s.since = v, time.Time{}
			due = append(due, path)
		} else {
			pending = true
		}
	}
	f.mu.Unlock()
	slices.Sort(due)
	for _, path := range due {
		f.changed(path)
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
	for path := range f.paths {
		for _, dir := range file.Folders(path) {
			wanted[dir] = true
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
