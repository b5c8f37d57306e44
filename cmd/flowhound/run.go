package main

import (
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/agent"
	"github.com/flowhound/flowhound/cmd/internal/datadir"
	"github.com/flowhound/flowhound/cmd/internal/priority"
)

// stopTime bounds a stop; 0 is the agent's own bound. Tests wait longer: machines are busy.
var stopTime time.Duration

// gcPercent is how much the heap grows before garbage is collected. Little is allocated
// while flows are received, and most of the heap are tables without pointers: half of
// Go's own 100 costs nothing that can be measured, and saves half of the heap.
const gcPercent = 50

func runCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "run [-c FILE]",
		Short: "Run the agent: receive flows, match them, write alert lines",
		Long: `run listens for NetFlow and IPFIX until it is stopped (SIGTERM, SIGINT). SIGHUP, or
a change of the configuration or of a list, reloads. A configuration that is not
valid is rejected, and the old one stays in use.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(path)
			if err != nil {
				return err
			}
			if err := datadir.ForeignAgent([][2]string{{"data_dir", cfg.DataDir}, {"log.path", filepath.Dir(cfg.Log.Path)}, {"run_dir", cfg.RunDir}}); err != nil {
				return usageError(err)
			}
			log := slog.New(slog.NewTextHandler(os.Stderr, nil))
			for _, w := range cfg.Warnings {
				log.Warn(w.String())
			}
			priority.Room()
			if os.Getenv("GOGC") == "" {
				debug.SetGCPercent(gcPercent)
			}
			a := agent.New(cfg, agent.Options{ConfigPath: path, Version: buildInfo().Version, Log: log, Notify: notify(log), StopTime: stopTime})
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer signal.Stop(hup)
			return a.Run(cmd.Context(), hup)
		},
	}
	configFlag(cmd, &path)
	return cmd
}

// notify tells systemd how the agent is, where that has started it and asked for.
func notify(log *slog.Logger) func(state string) {
	return func(state string) {
		if _, err := daemon.SdNotify(false, state); err != nil {
			log.Warn("cannot notify the service manager", "state", state, "err", err)
		}
	}
}
