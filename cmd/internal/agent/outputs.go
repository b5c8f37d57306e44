package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/output"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/host"
)

const (
	// drainTime is how long the end of the agent, or of an output, is put off for
	// hits that can still be delivered; closeTime is what a plugin has to close.
	drainTime = 1500 * time.Millisecond
	closeTime = time.Second

	defaultPluginDir = "/usr/local/lib/flowhound"
)

// outputs delivers hits besides the log: a spool and a plugin's process for each
// configured output.
type outputs struct {
	mu       sync.Mutex // held by whoever changes or looks at running
	running  []*delivery
	putting  sync.RWMutex // held for a hit, so that none goes to an output that was stopped
	takers   []*output.Output
	changing sync.Mutex // held for a whole change, which may wait for plugins
}

// delivery is one output.
type delivery struct {
	cfg    config.Output
	dir    string // of the plugin
	out    *output.Output
	plugin *host.Plugin
}

// PluginDir returns the folder of the plugins: the configured one, else the
// program's own if plugins lie there, else lib/flowhound beside the program's
// (/usr/lib/flowhound for /usr/bin), else the one where install.sh puts them.
func PluginDir(cfg *config.Config) string {
	if cfg.PluginDir != "" {
		return cfg.PluginDir
	}
	if program, err := os.Executable(); err == nil {
		own := filepath.Dir(program)
		for _, dir := range []string{own, filepath.Join(filepath.Dir(own), "lib/flowhound")} {
			if found, err := host.List(dir); err == nil && len(found) > 0 {
				return dir
			}
		}
	}
	return defaultPluginDir
}

func spoolDir(cfg *config.Config, name string) string {
	return filepath.Join(cfg.DataDir, "spool", name)
}

// hostOptions is what runs the plugin of o.
func (a *Agent) hostOptions(cfg *config.Config, o *config.Output) host.Options {
	h := hostOptions(cfg, o, a.options.Version)
	h.Log = a.log
	return h
}

func hostOptions(cfg *config.Config, o *config.Output, version string) host.Options {
	runDir := cfg.RunDir
	if abs, err := filepath.Abs(runDir); err == nil {
		runDir = abs // the plugin's working directory is another
	}
	return host.Options{
		Name: o.Name, Type: o.Type, Dir: PluginDir(cfg), SHA256: o.SHA256, Settings: o.Settings.JSON,
		RunDir: runDir, Version: version,
	}
}

// outputOptions is an output of the configuration in the words of package output,
// but for what delivers.
func outputOptions(cfg *config.Config, o *config.Output) output.Options {
	opts := output.Options{
		Name: o.Name, Dir: spoolDir(cfg, o.Name), Size: int64(o.Spool),
		Batch: output.Batch{Max: o.Batch.Max, Every: o.Batch.Every}, Timeout: o.Timeout,
		MaxAttempts: o.MaxAttempts, MaxAge: o.MaxAge,
		Filter: output.Filter{MinSeverity: o.MinSeverity, Feeds: o.Feeds},
	}
	for _, k := range o.Kinds {
		opts.Filter.Kinds = append(opts.Filter.Kinds, hit.Kind(k))
	}
	for _, d := range o.Directions {
		opts.Filter.Directions = append(opts.Filter.Directions, hit.Direction(d))
	}
	for _, c := range o.Categories {
		opts.Filter.Categories = append(opts.Filter.Categories, c.String())
	}
	return opts
}

// outputOptions completes them with p and with where to say what happens.
func (a *Agent) outputOptions(cfg *config.Config, o *config.Output, p *host.Plugin) output.Options {
	opts := outputOptions(cfg, o)
	opts.Writer, opts.Changed, opts.Log = pluginWriter{p}, p.Changed(), a.log
	opts.Problem = func() string { return pluginProblem(p) }
	opts.Say = func(status, msg string) {
		a.file.status(&hit.Status{Part: hit.Output, ID: o.Name, Status: status, Msg: msg})
	}
	return opts
}

// pluginWriter is a plugin's process as an output.Writer.
type pluginWriter struct{ *host.Plugin }

func (w pluginWriter) Write(ctx context.Context, hits []hit.Hit) error {
	err := w.Plugin.Write(ctx, hits)
	if errors.Is(err, host.ErrNotReady) {
		return output.ErrNotReady
	}
	return err
}

func pluginProblem(p *host.Plugin) string {
	switch s := p.State(); {
	case s.Ready:
		return ""
	case s.Problem != "":
		return s.Problem
	}
	return "its plugin is starting"
}

// put puts h into the spools of the outputs that want it.
func (o *outputs) put(h *hit.Hit) {
	o.putting.RLock()
	defer o.putting.RUnlock()
	output.Put(o.takers, h)
}

// apply makes the outputs what cfg asks for. Those that it leaves as they are keep
// their process; the others keep their spool, and take hits all the time. Only the
// end of what is no longer asked for is waited for.
func (o *outputs) apply(a *Agent, cfg *config.Config) {
	o.changing.Lock()
	defer o.changing.Unlock()
	dir := PluginDir(cfg)
	o.mu.Lock()
	before := o.running
	o.mu.Unlock()

	if before == nil {
		a.sayLeftovers(cfg)
	}
	next := make([]*delivery, len(cfg.Outputs))
	var begin []func()
	for i := range cfg.Outputs {
		c := &cfg.Outputs[i]
		at := slices.IndexFunc(before, func(d *delivery) bool { return d.cfg.Name == c.Name })
		if at >= 0 && before[at].dir == dir && reflect.DeepEqual(before[at].cfg, *c) {
			next[i] = before[at]
			continue
		}
		d := &delivery{cfg: *c, dir: dir, plugin: host.New(a.hostOptions(cfg, c))}
		opts := a.outputOptions(cfg, c, d.plugin)
		if at < 0 {
			d.out = output.New(opts)
			d.out.Start()
			begin = append(begin, d.plugin.Start)
		} else {
			old := before[at].plugin
			d.out = before[at].out
			d.out.Configure(opts)
			begin = append(begin, func() { a.stopPlugin(old); d.plugin.Start() })
		}
		next[i] = d
	}
	o.use(next)
	var changes sync.WaitGroup
	for _, f := range begin {
		changes.Go(f)
	}
	for _, d := range before {
		if !slices.ContainsFunc(next, func(n *delivery) bool { return n.out == d.out }) {
			changes.Go(func() { a.retire(d) })
		}
	}
	changes.Wait()
}

// sayLeftovers tells of spools whose outputs are not configured any more.
func (a *Agent) sayLeftovers(cfg *config.Config) {
	entries, err := os.ReadDir(filepath.Join(cfg.DataDir, "spool"))
	if err != nil {
		return // there is none yet
	}
	for _, e := range entries {
		if slices.ContainsFunc(cfg.Outputs, func(o config.Output) bool { return o.Name == e.Name() }) || !e.IsDir() {
			continue
		}
		if s, err := output.Inspect(spoolDir(cfg, e.Name())); err == nil && s.Depth > 0 {
			a.log.Warn("hits wait for an output that is not configured any more; configure one of that name, or remove its spool", "output", e.Name(), "hits", s.Depth, "spool", spoolDir(cfg, e.Name()))
		}
	}
}

// use makes next what hits are put into and what is looked at.
func (o *outputs) use(next []*delivery) {
	takers := make([]*output.Output, len(next))
	for i, d := range next {
		takers[i] = d.out
	}
	o.mu.Lock()
	o.running = next
	o.mu.Unlock()
	o.putting.Lock()
	o.takers = takers
	o.putting.Unlock()
}

// retire ends an output that is not configured any more. What it cannot deliver
// now stays on disk.
func (a *Agent) retire(d *delivery) {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := d.out.Stop(ctx); err != nil {
		a.log.Error("an output does not end", "err", err)
	}
	a.stopPlugin(d.plugin)
	if n := d.out.Stats().Depth; n > 0 {
		a.file.status(&hit.Status{Part: hit.Output, ID: d.cfg.Name, Status: "down", Msg: fmt.Sprintf(
			"not configured any more: %d hits stay in its spool and go out when an output of that name is configured again", n)})
	}
}

func (a *Agent) stopPlugin(p *host.Plugin) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		a.log.Warn("a plugin did not end well", "err", err)
	}
}

// drain delivers what can be delivered within drainTime and closes the spools. No
// hit may come any more.
func (o *outputs) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	running := o.look()
	errs := make([]error, len(running))
	var all sync.WaitGroup
	for i, d := range running {
		all.Go(func() { errs[i] = d.out.Stop(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// halt ends the plugins.
func (o *outputs) halt(a *Agent) {
	var all sync.WaitGroup
	for _, d := range o.look() {
		all.Go(func() { a.stopPlugin(d.plugin) })
	}
	all.Wait()
}

func (o *outputs) look() []*delivery {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.running
}

// find returns the output of this name.
func (o *outputs) find(name string) (*delivery, bool) {
	running := o.look()
	at := slices.IndexFunc(running, func(d *delivery) bool { return d.cfg.Name == name })
	if at < 0 {
		return nil, false
	}
	return running[at], true
}
