package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/cmd/internal/control/doctor"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/setup"
)

// agentTime is how long a healthy agent takes to answer, many times over.
const agentTime = 10 * time.Second

func doctorCommand() *cobra.Command {
	var path string
	var o setup.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor [-c FILE]",
		Short: "Check flowhound on this host and show how to fix what is wrong",
		Long: `doctor looks at the configuration, the running agent, its exporters and feeds, the
kernel's buffers, the clock, the disks and the OSSEC or Wazuh that reads the alert
log. Each finding comes with what fixes it. It changes nothing. The exit status is
1 when something does not work; warnings alone leave it at 0.`,
		Example: "  sudo flowhound doctor",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(path)
			if err != nil {
				return err
			}
			if err := takeLog(&o, path, true); err != nil {
				return err
			}
			l := examine(cmd.Context(), cfg, path, o)
			if err := printFindings(cmd.OutOrStdout(), l, asJSON); err != nil {
				return err
			}
			if l.Worst() == finding.Bad {
				return &exitError{code: exitFailed}
			}
			return nil
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&o.Home, "home", "", "`folder` of OSSEC or Wazuh (default: detected, or /var/ossec)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object for each finding")
	return cmd
}

// examine asks everyone who knows something.
func examine(ctx context.Context, cfg *config.Config, path string, o setup.Options) finding.List {
	var l finding.List
	l.OK("%s is valid", path)
	for _, w := range cfg.Warnings {
		l.Warn("flowhound check", "%s", w.String())
	}
	ctx, cancel := context.WithTimeout(ctx, agentTime)
	said, err := doctor.Ask(ctx, cfg.RunDir)
	l = append(l, said...)
	cancel()
	running := !errors.Is(err, control.ErrNoAgent)
	switch {
	case !running:
		l.Bad(startCommand(cfg), "%v", err)
	case err != nil:
		l.Bad("systemctl status flowhound", "%v", err)
	}
	listen := make([]string, len(cfg.Listen))
	for i, x := range cfg.Listen {
		listen[i] = x.Host
	}
	l = append(l, setup.ExamineOwners(setup.Folders{Data: cfg.DataDir, Log: cfg.Log.Path, Run: cfg.RunDir})...)
	return append(l, setup.Examine(context.WithoutCancel(ctx), o, listen, cfg.DataDir, running)...)
}

// startCommand starts the agent of this host: where there is no systemd, as install.sh
// says it, with the run directory that is made at each boot.
func startCommand(cfg *config.Config) string {
	if _, err := os.Stat("/run/systemd/system"); err == nil || cfg.RunDir != config.Default().RunDir {
		return "systemctl start flowhound"
	}
	if _, err := os.Stat("/etc/init.d/flowhound"); err == nil {
		return "rc-service flowhound start"
	}
	return fmt.Sprintf("sudo install -d -m 0700 -o flowhound -g flowhound %s, then as flowhound's user: flowhound run", cfg.RunDir)
}

func printFindings(w io.Writer, l finding.List, asJSON bool) error {
	if asJSON {
		return printLines(w, l...)
	}
	for _, f := range l {
		if _, err := fmt.Fprintf(w, "%-4s  %s\n", f.Level, f.What); err != nil {
			return err
		}
		if f.Fix == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "      fix: %s\n", f.Fix); err != nil {
			return err
		}
	}
	return nil
}
