package agent

import (
	"context"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/alert/logged"
	"github.com/flowhound/flowhound/cmd/internal/alert/series"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/geo"
	"github.com/flowhound/flowhound/cmd/internal/history/query"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/web"
	"github.com/flowhound/flowhound/cmd/internal/web/api"
	"github.com/flowhound/flowhound/plugin/hit"
)

// openPages starts what serves the pages, unless web.listen is empty.
func (a *Agent) openPages(starting context.Context) error {
	cfg := a.config.Load()
	if cfg.Web.Listen == "" {
		return nil
	}
	a.api = api.New(a.answers(cfg))
	if err := a.api.Start(starting); err != nil {
		return err
	}
	a.web = web.New(cfg.Web, web.Dependencies{
		API: a.api, Metrics: a.metrics, Log: a.log, Version: a.options.Version, Started: a.started, Findings: a.health, Parts: a.partNames(),
	})
	if err := a.web.Start(starting); err != nil {
		return err
	}
	a.metrics.MustRegister(a.web, a.api)
	return nil
}

// answers is whom the pages' answers come from.
func (a *Agent) answers(cfg *config.Config) api.Dependencies {
	d := api.Dependencies{
		Version: a.options.Version, Config: a.options.ConfigPath, LogsIn: cfg.Web.Authenticates(), Started: a.started, Hits: a.series,
		Exporters: a.exporters.States, Feeds: a.feeds.States, Outputs: a.outputs.States, Findings: a.findings,
		Policy: func() *alert.Policy { return a.stage.State().Policy }, Metrics: a.metrics, Log: a.log,
		Listed:  func(addr netip.Addr) []intel.Indicator { return a.stage.State().Set.Lookup(addr, time.Now()) },
		Exports: a.exports.Holding, Own: a.own, About: a.about,
		Networks: func() []netip.Prefix { return a.config.Load().Networks.Own() },
		Allowed: func(addr netip.Addr) string {
			if e, ok := a.stage.State().Set.Allow().Addr(addr); ok {
				return e.String()
			}
			return ""
		},
		Attribution: a.attribution,
		Listening: func() (all []string) {
			for _, addr := range a.sockets.Addrs() {
				all = append(all, addr.String())
			}
			return all
		},
	}
	if flows := cfg.Flows(); flows.Enabled {
		d.History = &api.History{
			ServicePorts: func() []uint16 { return a.config.Load().Networks.AllServicePorts() },
			Open: func(from, to time.Time) (*query.Data, func(), error) {
				return query.Open(flows.Dir, from, to, a.geo.CountryAndAS)
			},
		}
	}
	if path := a.options.ConfigPath; path != "" {
		d.Mute = func(m alert.Mute) (api.Change, error) { return changeOf(config.AddMute(path, m)) }
		d.Allow = func(e api.Allow) (api.Change, error) {
			return changeOf(config.AddAllow(path, config.Allowed{What: e.What, Why: e.Why, By: e.By, At: e.At, Until: e.Until}))
		}
	}
	return d
}

// own reports whether an address is in one of the own networks.
func (a *Agent) own(addr netip.Addr) bool {
	return slices.ContainsFunc(a.config.Load().Networks.Own(), func(p netip.Prefix) bool { return p.Contains(addr) })
}

// about tells where an address is now, and whose.
func (a *Agent) about(addr netip.Addr) api.About {
	v := a.geo.View()
	p := v.Place(flow.AddrFrom(addr), time.Now().UnixNano())
	return api.About{Country: p.Country.String(), AS: p.AS, Owner: v.Owner(p.AS), Host: a.hosts.Name(addr)}
}

// attribution says where countries come from: the built-in table, and before it what the
// configuration names.
func (a *Agent) attribution() api.Attribution {
	x := api.Attribution{Text: geo.Attribution, URL: geo.AttributionURL, Date: geo.Embedded().Date()}
	if v := a.geo.View(); v.Source() != geo.Embedded().Source() {
		x.Before = v.Source() + " of " + v.Date()
	}
	return x
}

func changeOf(c *config.Change, err error) (api.Change, error) {
	if err != nil {
		return api.Change{}, err
	}
	return api.Change{File: c.File, Text: c.Text, Write: c.Write}, nil
}

// startSeries starts the table of what happened, if there are pages.
func (a *Agent) startSeries(ctx context.Context) error {
	if a.series == nil {
		return nil
	}
	return a.series.Start(ctx)
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
