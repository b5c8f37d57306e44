package agent

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/alert/logfile"
	"github.com/flowhound/flowhound/cmd/internal/alert/throttle"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/geo"
	"github.com/flowhound/flowhound/plugin/text"
)

// reload takes over the configuration file as it is now. What is bad, or needs a
// restart, changes nothing at all; a line says why.
func (a *Agent) reload(ctx context.Context, why string) {
	a.options.Notify("RELOADING=1")
	defer a.options.Notify("READY=1")
	if err := a.tryReload(ctx); ctx.Err() != nil {
		return // told to stop meanwhile
	} else if err != nil {
		a.log.Error("reload rejected, the old configuration stays", "err", err)
		msg := "reload rejected, the old configuration stays: " + strings.ReplaceAll(err.Error(), "\n", "; ")
		a.rejected.Store(&msg)
		a.reportAgent("error", msg)
		return
	}
	a.rejected.Store(nil)
	a.log.Info("reloaded", "why", why)
	a.reportAgent("reloaded", fmt.Sprintf("%s: %s from %s", why, text.Count(a.stage.State().Set.Len(), "indicator", "indicators"), text.Count(len(a.config.Load().Feeds), "feed", "feeds")))
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
		changed(ctx, func(c *config.Config) throttle.Config { return c.Alert }, a.emit.Apply),
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
