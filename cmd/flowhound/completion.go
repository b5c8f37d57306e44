package main

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/alert/logged"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/plugin/hit"
)

// completer is what cobra asks when somebody presses the tabulator key. None says
// anything where it cannot read the configuration or the log.
type completer = func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective)

// fixed completes one of a few words.
func fixed(all ...string) completer {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}

func categories() (all []string) {
	for c := range intel.NumCategories {
		all = append(all, intel.Category(c).String())
	}
	return all
}

func severities() (all []string) {
	for s := range hit.NumSeverities {
		all = append(all, hit.Severity(s).String())
	}
	return all
}

// completeTypes completes the types of feeds, each with what it is.
func completeTypes(_ *cobra.Command, args []string, _ string) (all []string, _ cobra.ShellCompDirective) {
	if len(args) == 0 {
		for _, t := range feed.Types() {
			all = append(all, t.Name+"\t"+t.Title)
		}
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// fromConfig completes what a configuration holds and was not named yet.
func fromConfig(path *string, names func(*config.Config) []string) completer {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		cfg, err := config.Load(*path)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return slices.DeleteFunc(names(cfg), func(n string) bool { return slices.Contains(args, n) }), cobra.ShellCompDirectiveNoFileComp
	}
}

func completeFeeds(path *string) completer {
	return fromConfig(path, func(cfg *config.Config) (names []string) {
		for _, f := range cfg.Feeds {
			names = append(names, f.Name)
		}
		return names
	})
}

func completeOutputs(path *string) completer {
	return fromConfig(path, func(cfg *config.Config) (names []string) {
		for i := range cfg.Outputs {
			names = append(names, cfg.Outputs[i].Name)
		}
		return names
	})
}

// recentTime is how far back a completion looks, and mostRecent how much it offers.
const (
	recentTime = 24 * time.Hour
	mostRecent = 50
)

// fromHits completes what recent hits hold, the youngest first.
func fromHits(path *string, of func(*hit.Hit) []string) completer {
	return fromConfig(path, func(cfg *config.Config) (all []string) {
		_, _ = logged.Read(cfg.Log.Path, logged.Filter{Since: time.Now().Add(-recentTime)}, func(h *hit.Hit) { all = append(all, of(h)...) })
		slices.Reverse(all)
		seen := map[string]bool{}
		all = slices.DeleteFunc(all, func(s string) bool {
			name, _, _ := strings.Cut(s, "\t")
			known := seen[name]
			seen[name] = true
			return known
		})
		return all[:min(len(all), mostRecent)]
	})
}

func completeAddresses(path *string) completer {
	return fromHits(path, func(h *hit.Hit) []string {
		return []string{h.Local.String(), h.Remote.String() + "\t" + h.Severity.String() + " " + h.Category + ": " + h.Name}
	})
}

func completeSeries(path *string) completer {
	return fromHits(path, func(h *hit.Hit) []string {
		return []string{h.Series() + "\t" + h.Severity.String() + " " + h.Local.String() + " " + h.Remote.String()}
	})
}

// completeFlag sets how the value of a flag is completed. The flag exists.
func completeFlag(cmd *cobra.Command, flag string, c completer) {
	if err := cmd.RegisterFlagCompletionFunc(flag, c); err != nil {
		panic(err)
	}
}
