// Package doctor is what the command doctor asks the running agent: how its parts are.
package doctor

import (
	"context"

	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/cmd/internal/finding"
)

// path is where the control socket answers with the agent's findings, one value each.
const path = "/doctor"

// Handlers answer for a running agent.
func Handlers(findings func() finding.List) map[string]control.Handler {
	return map[string]control.Handler{path: func(_ context.Context, r *control.Request) error {
		for _, f := range findings() {
			if err := r.Send(f); err != nil {
				return err
			}
		}
		return nil
	}}
}

// Ask returns the findings of the agent that runs with this run_dir. The error wraps
// control.ErrNoAgent where there is none; what was found before another error is
// returned with it.
func Ask(ctx context.Context, runDir string) (l finding.List, err error) {
	err = control.StreamAs(ctx, runDir, path, nil, func(f finding.Finding) error {
		l = append(l, f)
		return nil
	})
	return l, err
}
