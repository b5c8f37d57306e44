package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/internal/wire"
)

// Report is what a plugin says of its settings.
type Report struct {
	Problems []plugin.Problem // none: the settings are fine
	Secrets  []string         // dotted names of the settings that must not be shown: tls.key, nodes[].password, headers.*
	CanSetup bool             // Setup does something
	Version  string           // of the plugin
}

// Check starts the plugin, has it check its settings without opening anything, and
// ends it. An error says that the plugin cannot be asked.
func Check(ctx context.Context, o Options) (Report, error) {
	var r Report
	err := once(ctx, o, func(_ *process, conf wire.Config) error {
		r = Report(conf)
		return nil
	})
	return r, err
}

// Setup starts the plugin, has it prepare its target, and ends it.
func Setup(ctx context.Context, o Options) error {
	return once(ctx, o, func(p *process, conf wire.Config) error {
		switch {
		case len(conf.Problems) > 0:
			return fmt.Errorf("output %s: %w", o.Name, settingsError(conf))
		case !conf.CanSetup:
			return fmt.Errorf("output %s: outputs of type %s have nothing to set up", o.Name, o.Type)
		}
		if err := p.output.Setup(ctx); err != nil {
			return fmt.Errorf("set up output %s: %w", o.Name, err)
		}
		return nil
	})
}

// once runs f with a process of its own, beside the one an agent may have.
func once(ctx context.Context, o Options, f func(*process, wire.Config) error) error {
	dir, err := os.MkdirTemp("", "flowhound-")
	if err != nil {
		return fmt.Errorf("create a socket directory: %w", err)
	}
	defer os.RemoveAll(dir)
	p, err := start(ctx, o, filepath.Join(dir, "s"), defaultTimes())
	if err != nil {
		return fmt.Errorf("output %s: %w", o.Name, err)
	}
	conf, err := p.configure(ctx)
	if err == nil {
		err = f(p, conf)
	}
	var lost *wire.Lost
	hung := errors.As(err, &lost)
	if hung {
		p.run.kill()
		<-p.run.done
		err = fmt.Errorf("output %s: %w", o.Name, p.explain(err))
	}
	closeErr := p.stop(ctx)
	if err == nil && !hung {
		return closeErr
	}
	return err
}
