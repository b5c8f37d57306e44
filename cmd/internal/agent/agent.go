// Package agent wires the stages of flowhound together: sockets, decoding and
// matching on the workers; one goroutine that turns matches into hits, folds and
// writes them; feeds, reload, status lines and metrics beside it.
//
// It holds the order of things and no knowledge of its own: what a datagram, an
// indicator or a line looks like is the business of the packages it calls.
package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/alert/logfile"
	"github.com/flowhound/flowhound/cmd/internal/alert/output/run"
	"github.com/flowhound/flowhound/cmd/internal/alert/series"
	"github.com/flowhound/flowhound/cmd/internal/alert/throttle"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/cmd/internal/datadir"
	"github.com/flowhound/flowhound/cmd/internal/file/watch"
	"github.com/flowhound/flowhound/cmd/internal/flow/exporters"
	"github.com/flowhound/flowhound/cmd/internal/flow/udp"
	"github.com/flowhound/flowhound/cmd/internal/geo"
	"github.com/flowhound/flowhound/cmd/internal/history"
	"github.com/flowhound/flowhound/cmd/internal/history/hunt"
	"github.com/flowhound/flowhound/cmd/internal/hosts"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/dnsbl"
	"github.com/flowhound/flowhound/cmd/internal/intel/export/keep"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/stage"
	"github.com/flowhound/flowhound/cmd/internal/web"
	"github.com/flowhound/flowhound/cmd/internal/web/api"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/text"
)

// Options are what an Agent needs besides its configuration.
type Options struct {
	ConfigPath string // read again on reload and watched; "": neither
	Version    string // for the agent's lines and /healthz
	Log        *slog.Logger
	// Notify tells the service manager how the agent is, in the words of
	// sd_notify(3). nil: there is none.
	Notify func(state string)
	Fetch  fetch.Options // how feeds are fetched; who asks is set here
	Play   *Play         // taken in from the start on; nil: nothing
	// StopTime bounds a stop, so that a service manager never has to kill; 0: 4 s.
	StopTime time.Duration
	// Ready is told once where the pages are, when they are served; nil: nobody is.
	Ready func(pages net.Addr)
}

// Agent is the running program. New makes one that does nothing yet; Run is
// Start, waiting and Stop in one.
type Agent struct {
	options Options
	log     *slog.Logger
	started time.Time

	config   atomic.Pointer[config.Config]
	tested   atomic.Pointer[hit.Hit] // the last one that a test has planted
	rejected atomic.Pointer[string]  // why the file as it is now was not taken over; nil: it was
	stage    *stage.Stage

	lock      *os.File
	control   *control.Server  // nil: there is none
	noControl string           // why
	journal   *journal.Journal // nil: not open yet; so are those who read it or write to it
	file      *logfile.File
	emit      *throttle.Emitter
	outputs   *run.Outputs
	templates *exporters.Templates
	sockets   *udp.Sockets
	exporters *exporters.Exporters
	feeds     *feed.Keeper
	dnsbl     *dnsbl.Lists
	exports   *keep.Keeper
	geo       *geo.Part
	hosts     *hosts.Part
	history   *history.History
	hunter    *hunt.Hunter         // nil: the journal is not open yet
	metrics   *prometheus.Registry // asks the parts for what they count anyway
	series    *series.Store        // nil: there are no pages
	api       *api.API
	web       *web.Server

	// background goroutines end with ctx and are waited for.
	ctx        context.Context
	cancel     context.CancelFunc
	background sync.WaitGroup
	playing    sync.WaitGroup // ends before history and emit do
	playLane   history.Sink
	stopPlay   context.CancelFunc
}

// New returns an agent for cfg that has touched nothing yet.
func New(cfg *config.Config, o Options) *Agent {
	if o.Notify == nil {
		o.Notify = func(string) {}
	}
	a := &Agent{options: o, log: o.Log}
	a.config.Store(cfg)
	a.stage = stage.New(cfg.Exporters, cfg.Policy())
	a.sockets = udp.New(cfg.Listen, udp.Dependencies{NewHandler: func() udp.Handler { return a.newWorker().Receive }, Report: a.report, Log: o.Log})
	a.templates = exporters.NewTemplates(filepath.Join(cfg.DataDir, "templates"), func(trouble string) { a.reportAgent("error", trouble) })
	a.exporters = exporters.New(exporters.Dependencies{Stats: a.stage.Stats, Listening: a.sockets.Addrs, Report: a.report})
	a.exports = keep.New(cfg.Exports, keep.Dependencies{Set: func() *intel.Set { return a.stage.State().Set }, Log: o.Log, Report: a.report})
	a.dnsbl = dnsbl.New(cfg.Blacklists(), dnsbl.Dependencies{
		Allowed: func(network netip.Prefix) bool {
			_, is := a.stage.State().Set.Allow().Network(network)
			return is
		},
		OnChange: a.swapLookups, OnListed: a.passListed, Report: a.report, Log: o.Log,
	})
	a.feeds = must(feed.New(cfg.Feed(), feed.Dependencies{
		Dir: cfg.FeedDir(), Version: o.Version, Fetch: o.Fetch, Log: o.Log,
		OnSwap: func(set *intel.Set) { a.swapSet(set); a.hunter.Swapped(set); a.exports.Changed() },
		Report: a.report,
	}))
	a.geo = must(geo.New(cfg.Geo, geo.Dependencies{Path: filepath.Join(cfg.DataDir, geo.JournalName), Report: a.reportAgent, Log: o.Log}))
	a.hosts = must(hosts.New(cfg.HostNames(), hosts.Dependencies{Report: a.reportAgent, Log: o.Log}))
	a.history = must(history.New(cfg.Flows(), history.Dependencies{Places: a.geo.CountryAndAS, Report: a.reportAgent, Log: o.Log}))
	if o.Play != nil {
		a.playLane = a.history.Lane(true)
	}
	a.metrics = prometheus.NewRegistry()
	a.metrics.MustRegister(a.stage, a.sockets, a.exporters, a.templates, a.feeds, a.exports, a.dnsbl, a.geo, a.hosts, a.history,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return a
}

// must returns a part of a configuration that was validated.
func must[T any](part T, err error) T {
	if err != nil {
		panic(err)
	}
	return part
}

// reloadEnd bounds how long a stop waits for a reload under way, which its context
// ends. Only a disk that does not answer keeps one longer.
const reloadEnd = 2 * time.Second

// Run starts the agent, reloads on every value from reload, and stops when ctx
// ends. Files are read beside this loop, so that a disk that does not answer keeps
// nobody from stopping the agent.
func (a *Agent) Run(ctx context.Context, reload <-chan os.Signal) error {
	changed := make(chan struct{})
	file := watch.New(a.log, func([]string) {
		select {
		case changed <- struct{}{}:
		case <-a.ctx.Done():
		}
	})
	file.KeepGone = true
	if path := a.options.ConfigPath; path != "" {
		file.Set([]string{path})
		if !a.config.Load().IsOf(path) { // it changed since it was loaded, before it was watched
			file.Unread(path)
		}
	}
	if err := a.Start(ctx); ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // told to stop while it read the feeds
	} else if err != nil {
		return err
	}
	a.background.Go(func() { file.Run(a.ctx) })
	done := make(chan struct{}, 1)
	busy, again := false, ""
	begin := func(why string) {
		if busy {
			again = why // what came since is read afterwards, once
			return
		}
		busy = true
		go func() {
			a.reload(ctx, why)
			done <- struct{}{}
		}()
	}
	for {
		select {
		case <-ctx.Done():
			if busy {
				select {
				case <-done:
				case <-time.After(reloadEnd):
				}
			}
			return a.Stop()
		case <-reload:
			begin("SIGHUP")
		case <-changed:
			begin("the configuration file changed")
		case <-done:
			if busy = false; again != "" {
				begin(again)
				again = ""
			}
		}
	}
}

// Start brings everything up. The sockets are bound before the feeds are loaded, so
// that datagrams queue in the kernel meanwhile, and read afterwards. Cancelling
// starting aborts the initial feed load; once Start has returned, Stop ends the agent.
func (a *Agent) Start(starting context.Context) (err error) {
	cfg := a.config.Load()
	a.started = time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	a.ctx, a.cancel = ctx, cancel
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Stop())
		}
	}()

	if a.lock, err = datadir.Lock(cfg.DataDir); err != nil {
		return err
	}
	if err := a.openJournal(cfg); err != nil {
		return err
	}
	for _, start := range []func(context.Context) error{
		a.file.Start, a.startSeries, a.openControl, a.templates.Start,
		a.outputs.Start,                                             // before there is a hit
		a.geo.Start, a.hosts.Start, a.sockets.Bind, a.history.Start, // once the workers are there
		a.hunter.Start, a.feeds.Start, a.startBlacklists, a.openPages,
		a.emit.Start, a.sockets.Start, a.exporters.Start,
	} {
		if err := start(starting); err != nil {
			return err
		}
	}
	if p := a.options.Play; p != nil {
		ctx, cancel := context.WithCancel(ctx)
		a.stopPlay = cancel
		a.playing.Go(func() {
			if err := a.play(ctx, p); err != nil && ctx.Err() == nil {
				a.log.Error("the capture cannot be read", "err", err)
			}
		})
	}
	a.background.Go(func() { a.watch(ctx) })
	a.reportAgent("started", fmt.Sprintf("listening on %s with %s, %s from %s%s",
		a.sockets, text.Count(a.emit.Intakes(), "worker", "workers"), text.Count(a.stage.State().Set.Len(), "indicator", "indicators"),
		text.Count(len(cfg.Feeds), "feed", "feeds"), a.lateLines(starting)))
	_ = a.exports.Start(ctx) // never fails
	if a.control != nil {
		a.control.Serve()
	}
	a.options.Notify("READY=1")
	if a.options.Ready != nil && a.web != nil {
		a.options.Ready(a.web.Addr())
	}
	return nil
}

// startBlacklists starts the look-ups. When they cannot be, the feeds are worth running
// for.
func (a *Agent) startBlacklists(ctx context.Context) error {
	if err := a.dnsbl.Start(ctx); err != nil {
		a.log.Error(err.Error())
		a.reportAgent("error", err.Error())
	}
	return nil
}

// Stop drains what has arrived, says what is held, saves state and releases
// everything. It takes a few seconds at most.
func (a *Agent) Stop() error {
	bound := cmp.Or(a.options.StopTime, 4*time.Second)
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	a.options.Notify("STOPPING=1")
	var errs []error
	if a.control != nil { // what it asks may be gone after this
		errs = append(errs, a.control.Close(ctx))
	}
	if a.hunter != nil {
		errs = append(errs, a.hunter.Stop(ctx))
	}
	if a.stopPlay != nil {
		a.stopPlay()
		a.playing.Wait()
	}
	errs = append(errs, a.sockets.Stop(ctx), a.exporters.Stop(ctx))
	a.cancel()
	errs = append(errs, a.feeds.Stop(ctx), a.dnsbl.Stop(ctx))
	if a.journal != nil {
		errs = append(errs, a.stopAlerts(ctx)...)
	}
	if a.api != nil {
		errs = append(errs, a.api.Stop(ctx)) // before the server, which waits for streams of events
	}
	if a.web != nil {
		errs = append(errs, a.web.Stop(ctx))
	}
	if a.outputs != nil {
		errs = append(errs, a.outputs.Stop(ctx))
	}
	errs = append(errs, a.history.Stop(ctx), a.exports.Stop(ctx), a.geo.Stop(ctx), a.hosts.Stop(ctx))
	a.background.Wait()
	errs = append(errs, a.templates.Stop(ctx))
	if a.journal != nil { // with time of its own, whatever the others took
		closing, cancel := context.WithTimeout(context.Background(), bound/4)
		defer cancel()
		errs = append(errs, a.journal.Close(closing))
	}
	if a.lock != nil {
		errs = append(errs, a.lock.Close())
	}
	return errors.Join(errs...)
}

// newWorker returns what decodes and matches the datagrams of one goroutine, before
// history starts.
func (a *Agent) newWorker() *stage.Worker {
	return a.stage.NewWorker(stage.Options{
		Templates: a.templates.Store(), Pass: a.emit.Intake().Pass, Sinks: []stage.Sink{a.geo.NewSink(), a.history.Lane(false)},
	})
}

// reportAgent writes a status line of the agent.
func (a *Agent) reportAgent(status, msg string) {
	a.report(&hit.Status{Part: hit.Agent, Status: status, Version: a.options.Version, Msg: msg})
}
