package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/agent"
	outputrun "github.com/flowhound/flowhound/cmd/internal/alert/output/run"
	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/cmd/internal/control/outputs"
)

func outputCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "output",
		Short: "Show the state of the outputs; send a test hit, set up a target, replay dead letters",
		Long: `output looks after the outputs, which deliver hits to other systems. It asks the
running agent; without one it works on data_dir itself.`,
	}, outputListCommand(), outputTestCommand(), outputSetupCommand(), outputReplayCommand())
}

// openOutputs reads the configuration for a command about outputs.
func openOutputs(cmd *cobra.Command, path string) (*outputs.Outputs, error) {
	cfg, err := loadConfig(path)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	return &outputs.Outputs{Config: agent.OutputConfig(cfg), Version: buildInfo().Version, Log: log}, nil
}

// outputError gives an error of a command about outputs its exit status.
func outputError(err error) error {
	var problem *control.Problem
	if errors.As(err, &problem) && problem.Code == control.BadRequest {
		return usageError(err)
	}
	return err
}

func outputListCommand() *cobra.Command {
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list [-c FILE] [--json]",
		Short: "Show the state of each output",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := openOutputs(cmd, path)
			if err != nil {
				return err
			}
			states, err := o.List(cmd.Context())
			if err != nil {
				return outputError(err)
			}
			if asJSON {
				return printLines(cmd.OutOrStdout(), states...)
			}
			return printOutputs(cmd.OutOrStdout(), states, time.Now())
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
}

func printOutputs(w io.Writer, states []outputrun.State, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tTYPE\tSTATUS\tWAITING\tOLDEST\tDELIVERED\tRETRIED\tDROPPED\tDEAD\tPROBLEM")
	for _, s := range states {
		oldest, problem := "-", s.Problem
		if !s.Oldest.IsZero() {
			oldest = now.Sub(s.Oldest).Round(time.Second).String()
		}
		if problem == "" {
			problem = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%d\t%d\t%d\t%d\t%s\n",
			s.Name, s.Type, s.Status, s.Depth, oldest, s.Delivered, s.Retried, s.Dropped, s.Dead, problem)
	}
	return t.Flush()
}

func outputTestCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:               "test [-c FILE] [NAME]",
		ValidArgsFunction: completeOutputs(&path),
		Short:             "Deliver a test hit now, ahead of the queue and without filters; without NAME, to every output",
		Args:              cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			o, err := openOutputs(cmd, path)
			if err != nil {
				return err
			}
			if len(names) == 0 {
				if names = namesOf(&o.Config); len(names) == 0 {
					return usageError(errors.New("no outputs are configured"))
				}
			}
			var failed error
			for _, name := range names {
				if err := o.Test(cmd.Context(), name); err != nil {
					failed = errors.Join(failed, fmt.Errorf("%s: %w", name, err))
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: the test hit was delivered\n", name)
			}
			return outputError(failed)
		},
	}
	configFlag(cmd, &path)
	return cmd
}

func namesOf(cfg *outputrun.Config) (names []string) {
	for _, o := range cfg.Outputs {
		names = append(names, o.Name)
	}
	return names
}

func outputSetupCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:               "setup [-c FILE] NAME",
		ValidArgsFunction: completeOutputs(&path),
		Short:             "Prepare the target of an output: install templates, create what must be there",
		Args:              oneArg("name an output; flowhound output list shows them"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := openOutputs(cmd, path)
			if err != nil {
				return err
			}
			if err := o.Setup(cmd.Context(), args[0]); err != nil {
				return outputError(err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is set up\n", args[0])
			return nil
		},
	}
	configFlag(cmd, &path)
	return cmd
}

func outputReplayCommand() *cobra.Command {
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "replay-dead [-c FILE] [--json] NAME",
		ValidArgsFunction: completeOutputs(&path),
		Short:             "Queue an output's dead letters for delivery again",
		Args:              oneArg("name an output; flowhound output list shows them"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := openOutputs(cmd, path)
			if err != nil {
				return err
			}
			r, err := o.ReplayDead(cmd.Context(), args[0])
			if err != nil {
				return outputError(err)
			}
			if asJSON {
				return printLines(cmd.OutOrStdout(), r)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d hits wait for delivery again\n", args[0], r.Replayed)
			if r.Broken > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "%d lines are no hits; they are in broken.ndjson beside the dead letters\n", r.Broken)
			}
			return nil
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}
