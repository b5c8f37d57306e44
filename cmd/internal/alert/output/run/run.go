// Package run runs the configured outputs: for each a plugin's process and what
// delivers to it from the journal. A reload leaves those alone that it does not
// change; the others keep what waits for them.
package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/alert/output"
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

// Config is what the configuration says of outputs.
type Config struct {
	Outputs   []output.Config // outputs:
	PluginDir string          // plugin_dir: "": where plugins are looked for
	DataDir   string          // data_dir: for dead letters
	RunDir    string          // run_dir: for the plugins' sockets
}

// pluginDir returns the folder of the plugins: the configured one, else the
// program's own if plugins lie there, else lib/flowhound beside the program's
// (/usr/lib/flowhound for /usr/bin), else the one where install.sh puts them.
func (c *Config) pluginDir() string {
	if c.PluginDir != "" {
		return c.PluginDir
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

// DeadDir is the folder of an output's dead letters.
func (c *Config) DeadDir(name string) string { return filepath.Join(c.DataDir, "dead", name) }

// Host returns what runs the plugin of o.
func (c *Config) Host(o *output.Config, version string, log *slog.Logger) host.Options {
	runDir := c.RunDir
	if abs, err := filepath.Abs(runDir); err == nil {
		runDir = abs // the plugin's working directory is another
	}
	return host.Options{
		Name: o.Name, Type: o.Type, Dir: c.pluginDir(), SHA256: o.SHA256, Settings: o.Settings.JSON,
		RunDir: runDir, Version: version, Log: log,
	}
}

// Dependencies are what Outputs work with.
type Dependencies struct {
	Journal *journal.Journal
	Version string
	Report  func(*hit.Status) // writes an output line; it must not wait
	Log     *slog.Logger
}

// Outputs are the running outputs. Its methods may be called concurrently.
type Outputs struct {
	d        Dependencies
	mu       sync.RWMutex // of config and running; held for a hit, so that none is for an output that was stopped
	config   Config
	running  []*delivery
	changing sync.Mutex // held for a whole change, which may wait for plugins
}

// delivery is one output.
type delivery struct {
	cfg    output.Config
	dir    string // of the plugin
	out    *output.Output
	plugin *host.Plugin
}

// New returns outputs that have touched nothing yet.
func New(c Config, d Dependencies) *Outputs { return &Outputs{d: d, config: c} }

// Start begins to deliver what waits, and takes over what an earlier version left in
// spools.
func (o *Outputs) Start(ctx context.Context) error {
	o.sayLeftovers()
	return o.Apply(ctx, o.conf())
}

func (o *Outputs) conf() Config {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.config
}

// Wants returns the names of the cursors of those outputs that want h: it is to be
// appended to the journal for them before Wants is called again.
func (o *Outputs) Wants(h *hit.Hit) (cursors []string) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	for _, d := range o.running {
		if d.out.Wants(h) {
			cursors = append(cursors, output.CursorOf(d.cfg.Name))
		}
	}
	return cursors
}

func (o *Outputs) report(name, status, msg string) {
	o.d.Report(&hit.Status{Part: hit.Output, ID: name, Status: status, Msg: msg})
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

func problem(p *host.Plugin) string {
	switch s := p.State(); {
	case s.Ready:
		return ""
	case s.Problem != "":
		return s.Problem
	}
	return "its plugin is starting"
}

// Apply makes the outputs what c asks for. Those that it leaves as they are keep their
// process; the others keep what waits for them, and take hits all the time. Only the
// end of what is no longer asked for is waited for.
func (o *Outputs) Apply(ctx context.Context, c Config) error {
	o.changing.Lock()
	defer o.changing.Unlock()
	dir := c.pluginDir()
	before := o.look()
	next := make([]*delivery, len(c.Outputs))
	var begin []func()
	for i := range c.Outputs {
		cfg := &c.Outputs[i]
		at := slices.IndexFunc(before, func(d *delivery) bool { return d.cfg.Name == cfg.Name })
		if at >= 0 && before[at].dir == dir && reflect.DeepEqual(before[at].cfg, *cfg) {
			next[i] = before[at]
			continue
		}
		d := &delivery{cfg: *cfg, dir: dir, plugin: host.New(c.Host(cfg, o.d.Version, o.d.Log))}
		deps := output.Dependencies{
			Journal: o.d.Journal, Dir: c.DeadDir(cfg.Name), Writer: pluginWriter{d.plugin}, Changed: d.plugin.Changed(), Log: o.d.Log,
			Problem: func() string { return problem(d.plugin) },
			Report:  func(status, msg string) { o.report(cfg.Name, status, msg) },
		}
		if at < 0 {
			d.out = output.New(*cfg, deps)
			o.takeSpool(ctx, &c, cfg.Name)
			d.out.Start()
			begin = append(begin, d.plugin.Start)
		} else {
			old := before[at].plugin
			d.out = before[at].out
			d.out.Apply(*cfg, deps)
			begin = append(begin, func() { o.stopPlugin(old); d.plugin.Start() })
		}
		next[i] = d
	}
	o.mu.Lock()
	o.config, o.running = c, next
	o.mu.Unlock()
	var changes sync.WaitGroup
	for _, f := range begin {
		changes.Go(f)
	}
	for _, d := range before {
		if !slices.ContainsFunc(next, func(n *delivery) bool { return n.out == d.out }) {
			changes.Go(func() { o.retire(d) })
		}
	}
	changes.Wait()
	return nil
}

// sayLeftovers tells of hits that wait for outputs that are not configured any more.
func (o *Outputs) sayLeftovers() {
	c := o.conf()
	for _, name := range o.d.Journal.Names() {
		name, ok := strings.CutPrefix(name, output.CursorOf(""))
		if !ok || slices.ContainsFunc(c.Outputs, func(o output.Config) bool { return o.Name == name }) {
			continue
		}
		if n, _, _ := o.d.Journal.Waiting(output.CursorOf(name)); n > 0 {
			o.d.Log.Warn("hits wait for an output that is not configured any more; configure one of that name, or remove its cursor while flowhound is stopped", "output", name, "hits", n, "cursor", filepath.Join(c.DataDir, "journal", output.CursorOf(name)+".cursor"))
		}
	}
}

// retire ends an output that is not configured any more. What it cannot deliver now
// stays on disk.
func (o *Outputs) retire(d *delivery) {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	d.out.Stop(ctx)
	o.stopPlugin(d.plugin)
	if n := d.out.Stats().Depth; n > 0 {
		o.report(d.cfg.Name, "down", fmt.Sprintf(
			"not configured any more: %d hits stay on disk and go out when an output of that name is configured again", n))
	}
}

func (o *Outputs) stopPlugin(p *host.Plugin) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		o.d.Log.Warn("a plugin did not shut down cleanly", "err", err)
	}
}

// Drain delivers what can be delivered within drainTime. No hit may come any more.
func (o *Outputs) Drain() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	o.each(func(d *delivery) { d.out.Stop(ctx) })
}

// Stop ends the plugins, after Drain.
func (o *Outputs) Stop(context.Context) error {
	o.each(func(d *delivery) { o.stopPlugin(d.plugin) })
	return nil
}

// each calls f for all outputs at once.
func (o *Outputs) each(f func(*delivery)) {
	var all sync.WaitGroup
	for _, d := range o.look() {
		all.Go(func() { f(d) })
	}
	all.Wait()
}

func (o *Outputs) look() []*delivery {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.running
}
