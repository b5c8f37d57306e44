package agent

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/alert/logfile"
	"github.com/flowhound/flowhound/cmd/internal/alert/output/run"
	"github.com/flowhound/flowhound/cmd/internal/alert/series"
	"github.com/flowhound/flowhound/cmd/internal/alert/throttle"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/plugin/hit"
)

// lateTime is how long the line of the start is put off for those that waited for it.
const lateTime = time.Second

// openJournal opens the journal and makes all that writes to it or reads it.
func (a *Agent) openJournal(cfg *config.Config) (err error) {
	a.journal, err = journal.Open(journal.Options{Dir: filepath.Join(cfg.DataDir, "journal"), Sync: cfg.Sync, Report: a.reportAgent, Log: a.log})
	if err != nil {
		return err
	}
	a.file = must(logfile.New(cfg.Log, logfile.Dependencies{Journal: a.journal, Report: a.reportAgent, Log: a.log}))
	a.outputs = run.New(OutputConfig(cfg), run.Dependencies{Journal: a.journal, Version: a.options.Version, Report: a.report, Log: a.log})
	a.emit = throttle.New(cfg.Alert, throttle.Dependencies{
		Journal: a.journal, Folds: filepath.Join(cfg.DataDir, "folds"), Report: a.reportAgent, Log: a.log,
		Policy: func() *alert.Policy { return a.stage.State().Policy },
		Locate: func(h *hit.Hit) {
			a.geo.Locate(h)
			a.hosts.Locate(h)
		},
		Expect: func(own netip.Addr) { a.hosts.Name(own) }, // so that it is known when the hit is said
		Wants: func(h *hit.Hit) []string {
			to := append(a.outputs.Wants(h), logfile.Cursor)
			if h.IsTest() {
				seen := *h
				a.tested.Store(&seen)
				return to
			}
			if a.series != nil {
				to = append(to, series.Cursor)
			}
			return to
		},
	})
	if cfg.Web.Listen != "" {
		a.series = a.newSeries(cfg)
	}
	a.hunter = a.newHunter(cfg)
	a.metrics.MustRegister(a.journal, a.file, a.outputs, a.emit, a.hunter)
	return nil
}

// OutputConfig is what cfg says of outputs.
func OutputConfig(cfg *config.Config) run.Config {
	return run.Config{Outputs: cfg.Outputs, PluginDir: cfg.PluginDir, DataDir: cfg.DataDir, RunDir: cfg.RunDir}
}

// report writes a status line.
func (a *Agent) report(s *hit.Status) {
	if a.journal == nil {
		return
	}
	line := *s
	if line.Time.IsZero() {
		line.Time = time.Now()
	}
	if _, err := a.journal.Append(&journal.Record{To: []string{logfile.Cursor}, Status: &line}); err != nil {
		a.log.Error("a line for the alert log is lost", "err", err)
	}
}

// lateLines says how many lines waited for this start.
func (a *Agent) lateLines(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, lateTime)
	defer cancel()
	if n := a.file.CaughtUp(ctx); n > 0 {
		return fmt.Sprintf("; %d lines from before the start were written late", n)
	}
	return ""
}

// stopAlerts says what is held, delivers what can be delivered, and closes the log.
// The workers must have ended.
func (a *Agent) stopAlerts(ctx context.Context) (errs []error) {
	errs = append(errs, a.emit.Stop(ctx), a.journal.Settle(ctx))
	a.outputs.Drain()
	a.reportAgent("stopped", a.summary())
	errs = append(errs, a.journal.Settle(ctx), a.file.Stop(ctx))
	if a.series != nil {
		errs = append(errs, a.series.Stop(ctx))
	}
	return errs
}
