package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/flowhound/flowhound/cmd/internal/config"
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
		a.say("error", "reload refused, the old configuration stays: "+strings.ReplaceAll(err.Error(), "\n", "; "))
		return
	}
	a.log.Info("reloaded", "why", why)
	a.say("reloaded", fmt.Sprintf("%s: %d indicators from %d feeds", why, a.stage.State().Set.Len(), len(a.config.Load().Feeds)))
}

func (a *Agent) tryReload(ctx context.Context) error {
	next, err := config.Load(a.options.ConfigPath)
	if err != nil {
		return err
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
	defer func() { _ = a.exports.Apply(ctx, a.config.Load().Exports) }() // never fails
	steps := a.changes(ctx)
	for i, change := range steps {
		if err := change(old, next); err != nil {
			for _, change := range slices.Backward(steps[:i]) {
				err = errors.Join(err, change(next, old))
			}
			return err
		}
	}
	return nil
}

// changes are what a reload does, in order. Each does nothing where both
// configurations mean the same to its part, and all or nothing else.
func (a *Agent) changes(ctx context.Context) []func(from, to *config.Config) error {
	return []func(from, to *config.Config) error{
		func(from, to *config.Config) error {
			if reflect.DeepEqual(from.Feed(), to.Feed()) {
				return nil
			}
			return a.feeds.Apply(ctx, to.Feed())
		},
		func(from, to *config.Config) error {
			if reflect.DeepEqual(from.Blacklists(), to.Blacklists()) {
				return nil
			}
			return a.dnsbl.Apply(ctx, to.Blacklists())
		},
		func(from, to *config.Config) error { return a.changeLog(from, to) },
		func(_, to *config.Config) error {
			a.config.Store(to)
			a.stage.Apply(to.Exporters, newPolicy(to))
			a.alerts.configure(to)
			a.outputs.apply(a, to)
			return nil
		},
	}
}

// watchConfig reports changes of the configuration file once they have settled.
// The folder is watched, not the file: editors and configuration management put
// a new file in its place. What differs from last has changed.
func (a *Agent) watchConfig(last fileStamp) <-chan struct{} {
	changed := make(chan struct{})
	if a.options.ConfigPath == "" {
		return changed
	}
	path, err := filepath.Abs(a.options.ConfigPath)
	if err != nil {
		path = a.options.ConfigPath
	}
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		err = watcher.Add(filepath.Dir(path))
	}
	if err != nil {
		a.log.Warn("the configuration file cannot be watched; send SIGHUP after a change", "err", err)
		return changed
	}
	ctx := a.ctx
	a.background.Go(func() {
		defer watcher.Close()
		settle := time.NewTimer(0) // the file may have changed already
		for {
			select {
			case <-ctx.Done():
				return
			case e, ok := <-watcher.Events:
				if ok && filepath.Clean(e.Name) == path {
					settle.Reset(settleTime)
				}
			case err := <-watcher.Errors: // events may be lost: look
				a.log.Debug("watching the configuration file", "err", err)
				settle.Reset(settleTime)
			case <-settle.C:
				now := stamp(path)
				if now == last || now == (fileStamp{}) {
					continue
				}
				last = now
				select {
				case changed <- struct{}{}:
				case <-ctx.Done():
					return
				}
			}
		}
	})
	return changed
}

// fileStamp tells one version of a file from another; zero: there is none.
type fileStamp struct {
	size  int64
	mtime time.Time
}

func stamp(path string) fileStamp {
	info, err := os.Stat(path)
	if err != nil {
		return fileStamp{}
	}
	return fileStamp{info.Size(), info.ModTime()}
}
