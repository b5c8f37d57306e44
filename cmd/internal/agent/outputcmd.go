package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/output"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/cmd/internal/datadir"
	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/host"
)

// What the control socket answers about outputs.
const (
	outputListPath   = "/output/list"
	outputTestPath   = "/output/test"
	outputSetupPath  = "/output/setup"
	outputReplayPath = "/output/replay-dead"
)

// readyTime is how long a test waits for a plugin that was just started.
const readyTime = 15 * time.Second

// OutputState is how one output is doing.
type OutputState struct {
	Name string `json:"name"`
	Type string `json:"type"`
	output.Stats
	// Plugin is "" without a running agent.
	Plugin   string `json:"plugin_version,omitempty"`
	PID      int    `json:"pid,omitempty"`
	Restarts int    `json:"restarts,omitempty"`
	Memory   int64  `json:"memory,omitempty"` // bytes
}

// stopped is the Status of an output of which no agent runs.
const stopped output.Status = "stopped"

type outputRequest struct {
	Name string `json:"name"`
}

func (a *Agent) outputHandlers() map[string]control.Handler {
	return map[string]control.Handler{
		outputListPath: func(_ context.Context, r *control.Request) error {
			for _, s := range a.outputs.states() {
				if err := r.Send(s); err != nil {
					return err
				}
			}
			return nil
		},
		outputTestPath: a.onOutput(func(ctx context.Context, d *delivery, _ *control.Request) error {
			if problem := pluginProblem(d.plugin); problem != "" {
				return errors.New(problem)
			}
			return d.out.Test(ctx, TestHit(time.Now()))
		}),
		outputSetupPath: a.onOutput(func(ctx context.Context, d *delivery, _ *control.Request) error {
			return host.Setup(ctx, a.hostOptions(a.config.Load(), &d.cfg))
		}),
		outputReplayPath: a.onOutput(func(ctx context.Context, d *delivery, r *control.Request) error {
			replayed, err := d.out.ReplayDead(ctx)
			return errors.Join(r.Send(replayed), err)
		}),
	}
}

// onOutput is a handler of requests that name an output.
func (a *Agent) onOutput(f func(context.Context, *delivery, *control.Request) error) control.Handler {
	return func(ctx context.Context, r *control.Request) error {
		var request outputRequest
		if err := r.Decode(&request); err != nil {
			return err
		}
		d, ok := a.outputs.find(request.Name)
		if !ok {
			return noOutput(a.config.Load(), request.Name)
		}
		return f(ctx, d, r)
	}
}

func noOutput(cfg *config.Config, name string) error {
	var names []string
	for _, o := range cfg.Outputs {
		names = append(names, o.Name)
	}
	text := fmt.Sprintf("there is no output %.70q: none is configured", name)
	if len(names) > 0 {
		text = fmt.Sprintf("there is no output %.70q; those configured are %s", name, strings.Join(names, ", "))
	}
	return &control.Problem{Code: control.BadRequest, Text: text}
}

// states returns how the outputs are doing, in the configuration's order.
func (o *outputs) states() []OutputState {
	running := o.look()
	states := make([]OutputState, len(running))
	for i, d := range running {
		p := d.plugin.State()
		states[i] = OutputState{
			Name: d.cfg.Name, Type: d.cfg.Type, Stats: d.out.Stats(),
			Plugin: p.Version, PID: p.PID, Restarts: p.Restarts, Memory: p.Memory,
		}
	}
	return states
}

// TestHit is what an output is tested with: a hit that nobody takes for a real one.
func TestHit(now time.Time) *hit.Hit {
	now = now.UTC()
	ioc := netip.MustParsePrefix("203.0.113.99/32") // RFC 5737: documentation
	return &hit.Hit{
		Kind: hit.New, Severity: hit.Info, Direction: hit.Outbound, State: hit.Unknown, Category: "other", Feed: "flowhound-test",
		IOC: ioc, Src: netip.MustParseAddr("192.0.2.1"), SrcPort: 50000, Dst: ioc.Addr(), DstPort: 443, Proto: 6,
		Count: 1, Start: now, End: now, First: now, Last: now, Time: now,
		ID: fmt.Sprintf("test%d-1", now.UnixNano()), Name: "Test of this output by flowhound output test",
		Local: netip.MustParseAddr("192.0.2.1"), Remote: ioc.Addr(), Matched: hit.MatchedDst,
		Indicators: []hit.Indicator{{IOC: ioc, Feed: "flowhound-test", Category: "other", Name: "Test of this output by flowhound output test"}},
	}
}

// Outputs works on the outputs of Config for commands: through the agent where one
// runs, else on the data directory itself, under its lock.
type Outputs struct {
	Config  *config.Config
	Version string
	Log     *slog.Logger // of plugins that are started for this
}

// List returns how the outputs are doing.
func (o *Outputs) List(ctx context.Context) ([]OutputState, error) {
	var states []OutputState
	err := control.Stream(ctx, o.Config.RunDir, outputListPath, nil, func(b json.RawMessage) error {
		var s OutputState
		err := json.Unmarshal(b, &s)
		states = append(states, s)
		return err
	})
	if !errors.Is(err, control.ErrNoAgent) {
		return states, err
	}
	return states, o.alone(func() error {
		for i := range o.Config.Outputs {
			c := &o.Config.Outputs[i]
			stats, err := output.Inspect(spoolDir(o.Config, c.Name))
			if err != nil {
				return err
			}
			stats.Status = stopped
			states = append(states, OutputState{Name: c.Name, Type: c.Type, Stats: stats})
		}
		return nil
	})
}

// Test has the output deliver TestHit.
func (o *Outputs) Test(ctx context.Context, name string) error {
	return o.do(ctx, outputTestPath, name, func(c *config.Output) error {
		p := host.New(o.host(c))
		p.Start()
		defer func() {
			closing, cancel := context.WithTimeout(context.Background(), closeTime)
			defer cancel()
			_ = p.Stop(closing) // what it says of its end is no answer to the test
		}()
		ready, cancel := context.WithTimeout(ctx, readyTime)
		defer cancel()
		for !p.State().Ready {
			select {
			case <-p.Changed():
			case <-ready.Done():
				return errors.New(pluginProblem(p))
			}
			if s := p.State(); !s.Ready && s.Problem != "" && s.Restarts > 0 {
				return errors.New(s.Problem)
			}
		}
		writing, cancel := context.WithTimeout(ctx, c.Timeout)
		defer cancel()
		return p.Write(writing, []hit.Hit{*TestHit(time.Now())})
	})
}

// Setup has the output's plugin prepare its target.
func (o *Outputs) Setup(ctx context.Context, name string) error {
	return o.do(ctx, outputSetupPath, name, func(c *config.Output) error { return host.Setup(ctx, o.host(c)) })
}

// ReplayDead puts the output's dead letters into its spool again.
func (o *Outputs) ReplayDead(ctx context.Context, name string) (r output.Replayed, err error) {
	err = control.Stream(ctx, o.Config.RunDir, outputReplayPath, outputRequest{name}, func(b json.RawMessage) error {
		return json.Unmarshal(b, &r)
	})
	if !errors.Is(err, control.ErrNoAgent) {
		return r, err
	}
	err = o.onOwn(name, func(c *config.Output) error {
		opts := outputOptions(o.Config, c)
		opts.Writer, opts.Log = nobody{}, o.Log
		opts.Problem = func() string { return "" }
		out := output.New(opts)
		out.Start()
		r, err = out.ReplayDead(ctx)
		ended, cancel := context.WithCancel(ctx)
		cancel() // nothing is to be delivered here
		return errors.Join(err, out.Stop(ended))
	})
	return r, err
}

// nobody delivers nothing.
type nobody struct{}

func (nobody) Write(context.Context, []hit.Hit) error { return output.ErrNotReady }

func (o *Outputs) host(c *config.Output) host.Options {
	h := hostOptions(o.Config, c, o.Version)
	h.Log = o.Log
	return h
}

// do asks the agent, or does alone on its own where none runs.
func (o *Outputs) do(ctx context.Context, path, name string, own func(*config.Output) error) error {
	err := control.Stream(ctx, o.Config.RunDir, path, outputRequest{name}, func(json.RawMessage) error { return nil })
	if !errors.Is(err, control.ErrNoAgent) {
		return err
	}
	return o.onOwn(name, own)
}

func (o *Outputs) onOwn(name string, f func(*config.Output) error) error {
	for i := range o.Config.Outputs {
		if c := &o.Config.Outputs[i]; c.Name == name {
			return o.alone(func() error { return f(c) })
		}
	}
	return noOutput(o.Config, name)
}

// alone runs f under the lock of the data directory.
func (o *Outputs) alone(f func() error) error {
	if _, err := os.Stat(o.Config.DataDir); err != nil {
		return fmt.Errorf("no agent is running, and there is no data_dir: %w", err)
	}
	lock, err := datadir.Lock(o.Config.DataDir)
	if err != nil {
		return fmt.Errorf("the agent cannot be asked: %w", err)
	}
	return errors.Join(f(), lock.Close())
}

// Check asks each output's plugin what it says of its settings, and returns that
// with the place of each; what it calls a secret is hidden when Config is printed. A
// plugin that cannot be asked is a warning.
func (o *Outputs) Check(ctx context.Context) settings.Problems {
	reports, errs := make([]host.Report, len(o.Config.Outputs)), make([]error, len(o.Config.Outputs))
	var all sync.WaitGroup // as one that hangs takes its time
	for i := range o.Config.Outputs {
		all.Go(func() { reports[i], errs[i] = host.Check(ctx, o.host(&o.Config.Outputs[i])) })
	}
	all.Wait()
	var problems settings.Problems
	for i, report := range reports {
		if errs[i] != nil {
			p := o.Config.OutputProblem(i, "type", errs[i].Error()+"; until its plugin runs, hits wait in its spool")
			p.Warning = true
			problems = append(problems, p)
			continue
		}
		o.Config.ShowSettings(i, report.Secrets)
		for _, wrong := range report.Problems {
			key := "settings"
			if wrong.Key != "" {
				key += "." + wrong.Key
			}
			problems = append(problems, o.Config.OutputProblem(i, key, wrong.Message))
		}
	}
	return problems
}
