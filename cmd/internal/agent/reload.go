package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/flowhound/flowhound/cmd/internal/alert/emit"
	"github.com/flowhound/flowhound/cmd/internal/alert/logfile"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/geo"
	"github.com/flowhound/flowhound/plugin/text"
)

// settleTime is how long a changed file must be quiet before it is read: editors
// write in several steps.
const settleTime = 500 * time.Millisecond

// reload takes over the configuration file as it is now. What is bad, or needs a
// restart, changes nothing at all; a line says why.
func (a *Agent) reload(ctx context.Context, why string) {
	a.options.Notify("RELOADING=1")
	defer a.options.Notify("READY=1")
	if err := a.tryReload(ctx); ctx.Err() != nil {
		return // told to stop meanwhile
	} else if err != nil {
		a.log.Error("reload refused, the old configuration stays", "err", err)
		msg := "reload refused, the old configuration stays: " + strings.ReplaceAll(err.Error(), "\n", "; ")
		a.refused.Store(&msg)
		a.say("error", msg)
		return
	}
	a.refused.Store(nil)
	a.log.Info("reloaded", "why", why)
	a.say("reloaded", fmt.Sprintf("%s: %s from %s", why, text.Count(a.stage.State().Set.Len(), "indicator", "indicators"), text.Count(len(a.config.Load().Feeds), "feed", "feeds")))
}

func (a *Agent) tryReload(ctx context.Context) error {
	next, err := config.Load(a.options.ConfigPath)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err // told to stop while the disk did not answer
	}
	for _, w := range next.Warnings {
		a.log.Warn(w.String())
	}
	if keys := a.config.Load().NeedsRestart(next); len(keys) > 0 {
		return fmt.Errorf("a change of %s needs a restart", strings.Join(keys, ", "))
	}
	return a.apply(ctx, next)
}

// apply makes next the configuration, or changes nothing.
func (a *Agent) apply(ctx context.Context, next *config.Config) error {
	old := a.config.Load()
	// Before the feeds change, or an export would see its own missing.
	a.exports.Retire(next.Exports)
	err := change(a.changes(ctx), old, next)
	if err == nil {
		a.config.Store(next)
	}
	return errors.Join(err, a.exports.Apply(ctx, a.config.Load().Exports))
}

// change makes all changes, or none: when one fails, those before it are undone, the
// last one first.
func change(changes []func(from, to *config.Config) error, from, to *config.Config) error {
	for i, c := range changes {
		if err := c(from, to); err != nil {
			for _, undo := range slices.Backward(changes[:i]) {
				err = errors.Join(err, undo(to, from))
			}
			return err
		}
	}
	return nil
}

// changes are what a reload does, in order. Each is all or nothing, and does nothing
// where both configurations mean the same to its part.
func (a *Agent) changes(ctx context.Context) []func(from, to *config.Config) error {
	return []func(from, to *config.Config) error{
		changed(ctx, (*config.Config).Feed, a.feeds.Apply),
		changed(ctx, (*config.Config).Blacklists, a.dnsbl.Apply),
		changed(ctx, func(c *config.Config) geo.Config { return c.Geo }, a.geo.Apply),
		changed(ctx, (*config.Config).HostNames, a.hosts.Apply),
		changed(ctx, func(c *config.Config) emit.Config { return c.Alert }, a.emit.Apply),
		changed(ctx, (*config.Config).Flows, a.history.Apply),
		changed(ctx, (*config.Config).Hunt, a.hunter.Apply),
		func(_, to *config.Config) error { // these cannot fail
			a.stage.Apply(to.Exporters, to.Policy())
			a.journal.SetSync(to.Sync)
			return nil
		},
		func(_, to *config.Config) error { return a.outputs.Apply(ctx, OutputConfig(to)) },
		changed(ctx, func(c *config.Config) logfile.Config { return c.Log }, a.file.Apply), // last: lines on their way may be in it before it is undone
	}
}

// changed returns the change of a part that sees the configuration by view.
func changed[C any](ctx context.Context, view func(*config.Config) C, apply func(context.Context, C) error) func(from, to *config.Config) error {
	return func(from, to *config.Config) error {
		if reflect.DeepEqual(view(from), view(to)) {
			return nil
		}
		return apply(ctx, view(to))
	}
}

// The configuration file is looked at when something happens in a folder on the way
// to it, and else so often: events get lost, and network file systems tell none.
const lookEvery = 30 * time.Second

// watchConfig reports changes of the configuration file once they have settled.
// Folders are watched, not the file: editors and configuration management put
// a new file in its place, or another target behind a symbolic link to it. What differs
// from last has changed.
func (a *Agent) watchConfig(last fileStamp) <-chan struct{} {
	changed := make(chan struct{})
	path := a.options.ConfigPath
	if path == "" {
		return changed
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		a.log.Warn("the configuration file cannot be watched and is looked at every 30 seconds; after a change, SIGHUP is quicker", "err", err)
	}
	ctx := a.ctx
	a.background.Go(func() {
		var events chan fsnotify.Event // nil without a watcher
		var failures chan error
		if watcher != nil {
			defer watcher.Close()
			events, failures = watcher.Events, watcher.Errors
		}
		seen := last
		settle := time.NewTimer(0) // the file may have changed already
		soon := false              // settle ends within settleTime: a busy folder must not put it off
		hasten := func() {
			if !soon {
				settle.Reset(settleTime)
				soon = true
			}
		}
		for {
			select {
			case <-ctx.Done():
				return
			case <-events:
				hasten()
			case err := <-failures:
				a.log.Debug("watching the configuration file", "err", err)
				hasten()
			case <-settle.C:
				soon = false
				follow(watcher, path)
				now := stamp(path)
				switch {
				case now == last || now == (fileStamp{}):
					settle.Reset(lookEvery)
				case now != seen: // not quiet yet
					hasten()
				default:
					last = now
					settle.Reset(lookEvery)
					select {
					case changed <- struct{}{}:
					case <-ctx.Done():
						return
					}
				}
				seen = now
			}
		}
	})
	return changed
}

// follow makes w watch the folders on the way to a file, and no others.
func follow(w *fsnotify.Watcher, path string) {
	if w == nil {
		return
	}
	folders := file.Folders(path)
	for _, folder := range folders {
		_ = w.Add(folder) // one that is not there may come: lookEvery finds it
	}
	for _, folder := range w.WatchList() {
		if !slices.Contains(folders, folder) {
			_ = w.Remove(folder)
		}
	}
}

// fileStamp tells one version of a file from another; zero: there is none.
type fileStamp struct {
	size     int64
	mtime    time.Time
	dev, ino uint64 // of what links lead to
}

func stamp(path string) fileStamp {
	info, err := os.Stat(path)
	if err != nil {
		return fileStamp{}
	}
	s := fileStamp{size: info.Size(), mtime: info.ModTime()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.dev, s.ino = uint64(sys.Dev), sys.Ino //nolint:unconvert,gosec // a signed number elsewhere
	}
	return s
}
