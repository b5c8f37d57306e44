package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/cmd/internal/control/trial"
	"github.com/flowhound/flowhound/cmd/internal/setup"
)

// alertTime is how long an engine may take to raise an alert: it polls its files every
// few seconds.
const alertTime = 30 * time.Second

func testCommand() *cobra.Command {
	var path, color string
	var o setup.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "test [-c FILE]",
		Short: "Send one marked test flow and follow it to the log, the SIEM and each output",
		Long: `test has the running agent receive one flow through its real socket, and tells when
its hit was matched, written to the alert log, raised as an alert by OSSEC or Wazuh,
and delivered to each output, with the seconds since it was sent. The hit is of the
feed flowhound-test, its name says TEST, and its rule says so too; outputs get it
whatever they filter. The exit status is 1 when a step fails.`,
		Example: "  sudo flowhound test",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(path)
			if err != nil {
				return err
			}
			if err := takeLog(&o, path, true); err != nil {
				return err
			}
			screen, err := terminalOf(cmd.OutOrStdout(), color)
			if err != nil {
				return err
			}
			alerts := setup.FollowAlerts(o)
			alerts.Ready(cmd.Context())
			failed, id, begun := 0, "", time.Now()
			say := func(s trial.Step) error {
				if s.ID != "" {
					id = s.ID
				}
				if !s.OK {
					failed++
				}
				return screen.printStep(cmd.OutOrStdout(), s, asJSON)
			}
			if err := trial.Run(cmd.Context(), cfg.RunDir, say); errors.Is(err, control.ErrNoAgent) {
				return fmt.Errorf("%w; start it first: systemctl start flowhound", err)
			} else if err != nil {
				return err
			}
			if err := followAlert(cmd.Context(), alerts, id, begun, say); err != nil {
				return err
			}
			if failed > 0 {
				return &exitError{code: exitFailed}
			}
			return nil
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&o.Home, "home", "", "`folder` of OSSEC or Wazuh (default: detected, or /var/ossec)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object for each step")
	colorFlag(cmd, &color)
	return cmd
}

// followAlert waits for the engine, where there is one that can be watched.
func followAlert(ctx context.Context, alerts *setup.Alerts, id string, begun time.Time, say func(trial.Step) error) error {
	if id == "" {
		return nil // it never came so far
	}
	s := trial.Step{What: "raised as an alert", OK: true, ID: id}
	if s.Detail = alerts.Skipped(); s.Detail != "" {
		s.What = "not looked for in alerts"
		s.Took = time.Since(begun).Seconds()
		return say(s)
	}
	ctx, cancel := context.WithTimeout(ctx, alertTime)
	defer cancel()
	where, err := alerts.Await(ctx, id)
	s.Took, s.Detail = time.Since(begun).Seconds(), where
	if err != nil {
		s.OK, s.Detail = false, err.Error()
	}
	return say(s)
}

// printStep prints a step with a tick or a cross, and its time.
func (t terminal) printStep(w io.Writer, s trial.Step, asJSON bool) error {
	if asJSON {
		return printLines(w, s)
	}
	mark := t.paint(green, "✓")
	if !s.OK {
		mark = t.paint(red, "✗")
	}
	detail := ""
	if s.Detail != "" {
		detail = ": " + s.Detail
	}
	_, err := fmt.Fprintf(w, "%s %6.2f s  %s%s\n", mark, s.Took, s.What, detail)
	return err
}
