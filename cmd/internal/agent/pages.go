package agent

import (
	"context"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/alert/logged"
	"github.com/flowhound/flowhound/cmd/internal/alert/series"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/web"
	"github.com/flowhound/flowhound/cmd/internal/web/api"
	"github.com/flowhound/flowhound/plugin/hit"
)

// openPages starts what serves the pages, unless web.listen is empty.
func (a *Agent) openPages(starting context.Context, cfg *config.Config) (err error) {
	if cfg.Web.Listen == "" {
		return nil
	}
	a.api = api.New(a.answers(cfg))
	if err := a.api.Start(starting); err != nil {
		return err
	}
	if a.web, err = web.Start(web.Options{Config: cfg.Web, API: a.api, Metrics: a.metrics, Health: a.health, Log: a.log}); err != nil {
		return err
	}
	a.metrics.MustRegister(a.web, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "flowhound_problems", Help: "Problems that /healthz lists.",
	}, func() float64 { return float64(len(a.health().Problems)) }))
	return nil
}

// answers is whom the pages' answers come from.
func (a *Agent) answers(cfg *config.Config) api.Dependencies {
	d := api.Dependencies{
		Version: a.options.Version, Config: a.options.ConfigPath, LogsIn: cfg.Web.Authenticates(), Started: a.started, Hits: a.series,
		Exporters: a.exporters.States, Feeds: a.feeds.States, Outputs: a.outputs.States, Findings: a.findings,
		Policy: func() *alert.Policy { return a.stage.State().Policy }, Metrics: a.metrics, Log: a.log,
		Listening: func() (all []string) {
			for _, addr := range a.sockets.Addrs() {
				all = append(all, addr.String())
			}
			return all
		},
	}
	if path := a.options.ConfigPath; path != "" {
		d.Mute = func(m alert.Mute) (api.Change, error) { return changeOf(config.AddMute(path, m)) }
		d.Allow = func(e api.Allow) (api.Change, error) {
			return changeOf(config.AddAllow(path, config.Allowed{What: e.What, Why: e.Why, By: e.By, At: e.At, Until: e.Until}))
		}
	}
	return d
}

func changeOf(c *config.Change, err error) (api.Change, error) {
	if err != nil {
		return api.Change{}, err
	}
	return api.Change{File: c.File, Text: c.Text, Write: c.Write}, nil
}

// newSeries returns the table of what happened, for the pages.
func (a *Agent) newSeries(cfg *config.Config) *series.Store {
	return series.New(series.Dependencies{
		Journal: a.journal, Path: filepath.Join(cfg.DataDir, "series"), Log: a.log,
		Seed: func(each func(*hit.Hit)) {
			since := a.started.Add(-series.Keep)
			_, _ = logged.Read(cfg.Log.Path, logged.Filter{Since: since}, each) // there may be none yet
		},
	})
}
