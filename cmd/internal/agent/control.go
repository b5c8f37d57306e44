package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"

	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/cmd/internal/control/doctor"
	controlfeeds "github.com/flowhound/flowhound/cmd/internal/control/feeds"
	controlflows "github.com/flowhound/flowhound/cmd/internal/control/flows"
	"github.com/flowhound/flowhound/cmd/internal/control/names"
	controloutputs "github.com/flowhound/flowhound/cmd/internal/control/outputs"
	"github.com/flowhound/flowhound/cmd/internal/control/status"
	"github.com/flowhound/flowhound/cmd/internal/control/trial"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/plugin/hit"
)

// openControl opens the socket that commands ask. An agent that shares its run_dir
// with another is misconfigured and does not start; any other trouble costs the
// commands only, and is said.
func (a *Agent) openControl(context.Context) error {
	server, err := control.Listen(a.config.Load().RunDir, a.log)
	switch {
	case errors.Is(err, control.ErrInUse):
		return fmt.Errorf("%w: stop it, or give this one a run_dir of its own", err)
	case err != nil:
		a.noControl = "commands cannot reach this agent: " + err.Error()
		a.log.Error("commands cannot reach this agent", "err", err)
		a.reportAgent("error", a.noControl)
		return nil
	}
	for path, h := range a.handlers() {
		server.Handle(path, h)
	}
	a.control = server
	return nil
}

// handlers are what commands may ask, by path. They run from the end of Start to
// the beginning of Stop.
func (a *Agent) handlers() map[string]control.Handler {
	all := doctor.Handlers(a.findings)
	maps.Copy(all, status.Handlers(a.statusNow))
	maps.Copy(all, trial.Handlers(trial.Dependencies{
		Listening: a.sockets.Addrs, Plant: a.stage.Plant, Seen: a.tested.Load, Outputs: a.outputs.States,
		LogPath:     func() string { return a.config.Load().Log.Path },
		MinSeverity: func() hit.Severity { return a.config.Load().Alert.MinSeverity },
		Local:       func() []netip.Prefix { return a.config.Load().Networks.Own() },
	}))
	maps.Copy(all, controlfeeds.Handlers(a.feeds, a.dnsbl.States))
	maps.Copy(all, controloutputs.Handlers(a.outputs))
	maps.Copy(all, controlflows.Handlers(a.history))
	maps.Copy(all, names.Handlers(a.hosts.Name))
	return all
}

// statusNow is how the agent is, for the command status.
func (a *Agent) statusNow() status.Status {
	s := status.Status{
		Version: a.options.Version, Started: a.started.UTC(), Hits: a.emit.Lines(), Indicators: a.stage.State().Set.Len(),
		Rejected: a.stage.Rejected(), Feeds: a.feeds.States(), Outputs: a.outputs.States(), Exports: a.exports.States(),
	}
	for _, l := range a.sockets.Addrs() {
		s.Listening = append(s.Listening, "udp://"+l.String())
	}
	s.Exporters, s.FlowsPerSecond = a.exporters.States(), a.exporters.FlowsPerSecond()
	for _, f := range a.findings() {
		if f.Level != finding.OK {
			s.Problems = append(s.Problems, f)
		}
	}
	return s
}
