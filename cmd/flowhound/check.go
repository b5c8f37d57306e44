package main

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/agent"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/control/outputs"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
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
			warnOfAllowed(cmd, cfg)
			_, err = fmt.Fprintf(out, "%s is fine: %s, listening on %v\nknown good: %s\n", path, counted(len(cfg.Feeds), "feed", "feeds"), cfg.Listen, &cfg.KnownGood)
			return err
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&severity, "severity", false, "print which severity each category, direction and state gets")
	cmd.Flags().BoolVar(&categories, "categories", false, "print the category that each word of a feed maps to")
	cmd.Flags().BoolVar(&paths, "paths", false, "print the folders, besides its own, that the agent writes to: what a service manager has to allow")
	cmd.Flags().BoolVar(&show, "print", false, "print the whole configuration with its defaults; values from the environment show their name only")
	return cmd
}

// mostAllowed is which share of a feed of controllers and malware, in percent, an
// allow list can take without a doubt that it is the wrong one.
const mostAllowed = 5

// warnOfAllowed warns of allow lists that take much of the feeds that matter most, as
// far as those were read or fetched before.
func warnOfAllowed(cmd *cobra.Command, cfg *config.Config) {
	if len(cfg.Allow) == 0 {
		return
	}
	set, err := feed.LoadSet(cmd.Context(), cfg.Feed(), cfg.FeedDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		return // the feeds' own troubles are not the configuration's
	}
	for _, size := range set.Feeds() {
		i := slices.IndexFunc(cfg.Feeds, func(s feed.Source) bool { return s.Name == size.Feed })
		all := size.Allowed + size.Indicators
		if i < 0 || !slices.Contains([]intel.Category{intel.C2, intel.Malware, intel.Botnet}, cfg.Feeds[i].Category) || size.Allowed*100 <= all*mostAllowed {
			continue
		}
		e := size.AllowedBy
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: allow lists take %d of the %d indicators of feed %s (%s), first %s by %s: does that list hold rented addresses?\n",
			size.Allowed, all, size.Feed, cfg.Feeds[i].Category, e, e.List)
	}
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
