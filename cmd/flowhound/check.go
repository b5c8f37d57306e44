package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/agent"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/control/outputs"
	"github.com/flowhound/flowhound/cmd/internal/settings"
)

func checkCommand() *cobra.Command {
	var path string
	var severity, categories, show, paths bool
	cmd := &cobra.Command{
		Use:   "check [-c FILE]",
		Short: "Validate the configuration: every problem with its line and a suggestion",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(path)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			for _, w := range cfg.Warnings {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s\n", w)
			}
			if err := checkOutputs(cmd, cfg); err != nil {
				return err
			}
			switch {
			case show:
				_, err := fmt.Fprint(out, cfg)
				return err
			case paths:
				for _, dir := range cfg.WritePaths() {
					fmt.Fprintln(out, dir)
				}
				return nil
			case categories:
				feedSettings := cfg.Feed()
				return printTable(out, feedSettings.Meanings())
			case severity:
				return printTable(out, cfg.Policy().Table())
			}
			_, err = fmt.Fprintf(out, "%s is fine: %d feeds, listening on %v\n", path, len(cfg.Feeds), cfg.Listen)
			return err
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&severity, "severity", false, "print which severity each category, direction and state gets")
	cmd.Flags().BoolVar(&categories, "categories", false, "print which category each word of a feed gets")
	cmd.Flags().BoolVar(&paths, "paths", false, "print the folders, besides its own, that the agent writes to: what a service manager has to allow")
	cmd.Flags().BoolVar(&show, "print", false, "print the whole configuration with its defaults; values from the environment show their name only")
	return cmd
}

// checkOutputs asks the plugins of the outputs about their settings.
func checkOutputs(cmd *cobra.Command, cfg *config.Config) error {
	asked := outputs.Outputs{Config: agent.OutputConfig(cfg), Version: buildInfo().Version}
	var wrong settings.Problems
	for i, report := range asked.Check(cmd.Context()) {
		if report.Err != nil {
			p := cfg.OutputProblem(i, "type", report.Err.Error()+"; until its plugin runs, hits wait for it on disk")
			p.Warning = true
			fmt.Fprintf(cmd.ErrOrStderr(), "%s\n", p)
			continue
		}
		cfg.ShowSettings(i, report.Secrets)
		for _, p := range report.Problems {
			key := "settings"
			if p.Key != "" {
				key += "." + p.Key
			}
			wrong = append(wrong, cfg.OutputProblem(i, key, p.Message))
		}
	}
	if len(wrong) > 0 {
		return usageError(&wrong)
	}
	return nil
}

func printTable(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, r := range rows {
		for _, c := range r {
			fmt.Fprintf(t, "%s\t", c)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}
