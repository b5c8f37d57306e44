// Package status is what the command status asks the running agent: everything on its
// screen, as data.
package status

import (
	"context"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/output/run"
	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/flow/exporters"
	"github.com/flowhound/flowhound/cmd/internal/intel/export/keep"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/stage"
)

// path is where the control socket answers with a Status.
const path = "/status"

// Status is how a running agent is.
type Status struct {
	Version   string    `json:"version"`
	Started   time.Time `json:"started"`
	Listening []string  `json:"listening"`

	FlowsPerSecond float64 `json:"flows_per_second"` // of the last seconds
	Hits           uint64  `json:"hits"`             // lines since the start
	Indicators     int     `json:"indicators"`

	Exporters []exporters.State `json:"exporters"`
	Rejected  []stage.Rejected  `json:"refused,omitempty"` // by exporters.allow
	Feeds     []feed.State      `json:"feeds"`
	Outputs   []run.State       `json:"outputs,omitempty"`
	Exports   []keep.State      `json:"exports,omitempty"`
	// Problems are the findings that are not fine.
	Problems finding.List `json:"problems,omitempty"`
}

// Handlers answer for a running agent.
func Handlers(now func() Status) map[string]control.Handler {
	return map[string]control.Handler{path: func(_ context.Context, r *control.Request) error { return r.Send(now()) }}
}

// Ask returns how the agent is that runs with this run_dir. The error wraps
// control.ErrNoAgent where there is none.
func Ask(ctx context.Context, runDir string) (s Status, err error) {
	err = control.Call(ctx, runDir, path, nil, &s)
	return s, err
}
