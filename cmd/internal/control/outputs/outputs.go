// Package outputs is what commands ask of outputs: the running agent over its control
// socket or, where none runs, the data_dir itself, under its lock.
package outputs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/alert/output"
	"github.com/flowhound/flowhound/cmd/internal/alert/output/run"
	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/cmd/internal/datadir"
	"github.com/flowhound/flowhound/plugin/host"
)

// The paths of the control socket that are about outputs.
const (
	listPath   = "/output/list"        // {} -> a run.State for each output
	testPath   = "/output/test"        // request
	setupPath  = "/output/setup"       // request
	replayPath = "/output/replay-dead" // request -> output.Replayed
)

type request struct {
	Name string `json:"name"`
}

// Handlers answer for a running agent.
func Handlers(o *run.Outputs) map[string]control.Handler {
	on := func(f func(context.Context, string, *control.Request) error) control.Handler {
		return func(ctx context.Context, r *control.Request) error {
			var q request
			if err := r.Decode(&q); err != nil {
				return err
			}
			err := f(ctx, q.Name, r)
			if errors.Is(err, run.ErrNoOutput) {
				return noOutput(q.Name, o.Names())
			}
			return err
		}
	}
	return map[string]control.Handler{
		listPath: func(_ context.Context, r *control.Request) error {
			for _, s := range o.States() {
				if err := r.Send(s); err != nil {
					return err
				}
			}
			return nil
		},
		testPath:  on(func(ctx context.Context, name string, _ *control.Request) error { return o.Test(ctx, name) }),
		setupPath: on(func(ctx context.Context, name string, _ *control.Request) error { return o.Setup(ctx, name) }),
		replayPath: on(func(ctx context.Context, name string, r *control.Request) error {
			replayed, err := o.ReplayDead(ctx, name)
			if errors.Is(err, run.ErrNoOutput) {
				return err
			}
			return errors.Join(r.Send(replayed), err)
		}),
	}
}

func noOutput(name string, names []string) error {
	text := fmt.Sprintf("there is no output %.70q: none is configured", name)
	if len(names) > 0 {
		text = fmt.Sprintf("there is no output %.70q; those configured are %s", name, strings.Join(names, ", "))
	}
	return &control.Problem{Code: control.BadRequest, Text: text}
}

// stopped is the Status of an output of which no agent runs.
const stopped output.Status = "stopped"

// Outputs works for commands: through the agent where one runs, else on the data
// directory itself, under its lock.
type Outputs struct {
	Config  run.Config
	Version string
	Log     *slog.Logger // of plugins that are started for this; nil: nowhere
}

// List returns how the outputs are doing.
func (o *Outputs) List(ctx context.Context) ([]run.State, error) {
	var states []run.State
	err := control.Stream(ctx, o.Config.RunDir, listPath, nil, func(b json.RawMessage) error {
		var s run.State
		err := json.Unmarshal(b, &s)
		states = append(states, s)
		return err
	})
	if !errors.Is(err, control.ErrNoAgent) {
		return states, err
	}
	return states, o.alone(func(j *journal.Journal) error {
		for i := range o.Config.Outputs {
			c := &o.Config.Outputs[i]
			stats := output.Inspect(j, c.Name, o.Config.DeadDir(c.Name))
			stats.Status = stopped
			states = append(states, run.State{Name: c.Name, Type: c.Type, Stats: stats})
		}
		return nil
	})
}

// Test has the output deliver run.TestHit.
func (o *Outputs) Test(ctx context.Context, name string) error {
	return o.do(ctx, testPath, name, nil, func(c *output.Config, _ *journal.Journal) error {
		return run.TestAlone(ctx, o.host(c), c.Timeout)
	})
}

// Setup has the output's plugin prepare its target.
func (o *Outputs) Setup(ctx context.Context, name string) error {
	return o.do(ctx, setupPath, name, nil, func(c *output.Config, _ *journal.Journal) error { return host.Setup(ctx, o.host(c)) })
}

// ReplayDead puts the output's dead letters into the journal again.
func (o *Outputs) ReplayDead(ctx context.Context, name string) (r output.Replayed, err error) {
	err = o.do(ctx, replayPath, name, &r, func(c *output.Config, j *journal.Journal) error {
		j.Cursor(output.CursorOf(name), int64(c.Spool))
		r, err = output.New(*c, output.Dependencies{Journal: j, Dir: o.Config.DeadDir(name), Log: o.Log}).ReplayDead(ctx)
		return err
	})
	return r, err
}

func (o *Outputs) host(c *output.Config) host.Options { return o.Config.Host(c, o.Version, o.Log) }

// do asks the agent, which sends an answer where there is one, or does alone on its own
// where none runs.
func (o *Outputs) do(ctx context.Context, path, name string, answer any, own func(*output.Config, *journal.Journal) error) error {
	err := control.Stream(ctx, o.Config.RunDir, path, request{name}, func(b json.RawMessage) error { return json.Unmarshal(b, answer) })
	if !errors.Is(err, control.ErrNoAgent) {
		return err
	}
	var names []string
	for i := range o.Config.Outputs {
		c := &o.Config.Outputs[i]
		if c.Name == name {
			return o.alone(func(j *journal.Journal) error { return own(c, j) })
		}
		names = append(names, c.Name)
	}
	return noOutput(name, names)
}

// alone runs f with the journal, under the lock of the data directory.
func (o *Outputs) alone(f func(*journal.Journal) error) error {
	if _, err := os.Stat(o.Config.DataDir); err != nil {
		return fmt.Errorf("no agent is running, and there is no data_dir: %w", err)
	}
	if err := datadir.Foreign(o.Config.DataDir); err != nil {
		return err
	}
	lock, err := datadir.Lock(o.Config.DataDir)
	if err != nil {
		return fmt.Errorf("the agent cannot be reached: %w", err)
	}
	j, err := journal.Open(journal.Options{Dir: filepath.Join(o.Config.DataDir, "journal"), Log: o.Log})
	if err == nil {
		err = errors.Join(f(j), j.Close(context.Background()))
	}
	return errors.Join(err, lock.Close())
}

// Report is what the plugin of an output says of its settings. An error is of one that
// cannot be asked.
type Report struct {
	host.Report
	Err error
}

// Check asks each output's plugin what it says of its settings, all at once, as one
// that hangs takes its time. The reports are in the order of the configuration.
func (o *Outputs) Check(ctx context.Context) []Report {
	reports := make([]Report, len(o.Config.Outputs))
	var all sync.WaitGroup
	for i := range o.Config.Outputs {
		all.Go(func() { reports[i].Report, reports[i].Err = host.Check(ctx, o.host(&o.Config.Outputs[i])) })
	}
	all.Wait()
	return reports
}
