package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/columns"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/cmd/internal/control/feeds"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/intel/known"
)

func feedCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "feed",
		Short: "Show the feeds, fetch them now, add one or remove one",
	}, feedListCommand(), feedUpdateCommand(), feedAddCommand(), feedRemoveCommand())
}

func feedListCommand() *cobra.Command {
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list [-c FILE]",
		Short: "Show the state of each feed, allow list and DNS blacklist, and what is built in",
		Long: `list asks the running agent, or reads what lies in data_dir where none runs. It
never fetches. AGE is how long ago a feed was last known to be the newest.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(path)
			if err != nil {
				return err
			}
			states, err := feedAgent(cfg).States(cmd.Context())
			if err != nil {
				return err
			}
			states = append(states, feed.State{
				Name: known.List, Type: "built-in", Status: feed.OK, Message: cfg.KnownGood.String(), Indicators: cfg.KnownGood.Allow().Len(),
			})
			if asJSON {
				return printLines(cmd.OutOrStdout(), states...)
			}
			return printStates(cmd.OutOrStdout(), states, time.Now())
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object for each feed")
	return cmd
}

// feedAgent is whom to ask about the feeds of cfg.
func feedAgent(cfg *config.Config) *feeds.Agent {
	a := &feeds.Agent{RunDir: cfg.RunDir, DataDir: cfg.DataDir, FeedDir: cfg.FeedDir(), Config: cfg.Feed(), Version: buildInfo().Version}
	for _, z := range cfg.DNSBL.Zones {
		a.Zones = append(a.Zones, z.Name)
	}
	return a
}

func printStates(w io.Writer, states []feed.State, now time.Time) error {
	screen, err := terminalOf(w, "auto")
	if err != nil {
		return err
	}
	t := columns.Table{Head: []string{"NAME", "TYPE", "STATUS", "INDICATORS", "AGE", "NEXT", "MESSAGE"}, Drop: []int{1, 5, 4, 3}}
	t.Paint = func(row, column int, text string) string { return screen.paint(byStatus(row, column, text), text) }
	for _, s := range states {
		age, next := "-", "-"
		if s.URL != "" && !s.FreshAt.IsZero() {
			age = rough(now.Sub(s.FreshAt))
		} else if !s.LoadedAt.IsZero() && s.Path != "" {
			age = "file"
		}
		if !s.NextAt.IsZero() {
			next = "in " + rough(s.NextAt.Sub(now))
		}
		t.Row(s.Name, s.Type, string(s.Status), strconv.Itoa(s.Indicators), age, next, s.Message)
	}
	return t.Print(w, screen.width)
}

// rough is a duration as one says it.
func rough(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

func feedUpdateCommand() *cobra.Command {
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "update [-c FILE] [NAME...]",
		Short: "Fetch feeds now, all that are fetched or those named",
		Long: `update asks the running agent to fetch, and does it itself where none runs. A
feed whose publisher or server wants to be left alone for now is not asked. It
exits with 1 when a feed could not be fetched; what it had stays in use.`,
		ValidArgsFunction: completeFeeds(&path),
		RunE: func(cmd *cobra.Command, names []string) error {
			cfg, err := loadConfig(path)
			if err != nil {
				return err
			}
			failed := 0
			bar := newBar(cmd.ErrOrStderr())
			err = feedAgent(cfg).Update(cmd.Context(), slog.New(slog.DiscardHandler), names, func(e feeds.Event) error {
				if e.Progress != nil {
					bar.show(e.Progress)
					return nil
				}
				bar.clear()
				if e.Outcome.Error != "" && !e.Outcome.NotYet {
					failed++
				}
				return printOutcome(cmd.OutOrStdout(), e.Outcome, asJSON)
			})
			bar.clear()
			return updateError(err, failed)
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object for each feed")
	return cmd
}

// updateError chooses the exit status.
func updateError(err error, failed int) error {
	var problem *control.Problem
	switch {
	case errors.Is(err, feed.ErrNoFeed), errors.As(err, &problem) && problem.Code == control.BadRequest:
		return usageError(err)
	case err != nil:
		return err
	case failed > 0:
		return &exitError{code: exitFailed}
	}
	return nil
}

func printOutcome(w io.Writer, o *feeds.Outcome, asJSON bool) error {
	if asJSON {
		return printLines(w, o)
	}
	news := "unchanged"
	if o.Changed {
		news = "new"
	}
	text := fmt.Sprintf("%s, %s", news, o.State.Message)
	switch {
	case o.NotYet:
		text = fmt.Sprintf("%s; %s in use", o.Error, counted(o.State.Indicators, "indicator", "indicators"))
	case o.Error != "":
		text = fmt.Sprintf("failed: %s; %s in use", o.Error, counted(o.State.Indicators, "indicator", "indicators"))
	}
	_, err := fmt.Fprintf(w, "%s: %s\n", o.State.Name, text)
	return err
}

func feedAddCommand() *cobra.Command {
	var path string
	var f config.NewFeed
	var types bool
	cmd := &cobra.Command{
		Use:   "add [-c FILE] TYPE [--name NAME] [--url URL | --path FILE]",
		Short: "Write a feed, with comments, into the configuration",
		Long: `add writes a block for a feed of that type behind the last one in the
configuration; everything else in the file stays as it is. A running flowhound takes
it over by itself. --types lists the types.`,
		ValidArgsFunction: completeTypes,
		Example:           "  flowhound feed add spamhaus-drop\n  flowhound feed add otx\n  flowhound feed add list --name theirs --url https://lists.example/bad.txt",
		Args: func(_ *cobra.Command, args []string) error {
			if want := map[bool]int{false: 1, true: 0}[types]; len(args) != want {
				return errors.New("name one type of feed; --types lists them")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			if types {
				return printTypes(out)
			}
			f.Type = args[0]
			added, err := config.AddFeed(path, f)
			if err != nil {
				return usageError(err)
			}
			fmt.Fprintf(out, "added to %s:\n\n%s\n", path, added.Block)
			if added.KeyFile != "" {
				printKeyHelp(out, added, filepath.Dir(path))
			}
			return nil
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&f.Name, "name", "", "`name` of the feed in alerts (default: the type's)")
	cmd.Flags().StringVar(&f.URL, "url", "", "`address` that it is fetched from")
	cmd.Flags().StringVar(&f.Path, "path", "", "`file` or folder that it is read from")
	cmd.Flags().BoolVar(&types, "types", false, "list the types of feeds")
	return cmd
}

// printKeyHelp says how to make the file of a key so that the agent can read it and
// others cannot: it belongs to whom its folder does, and the group of that may read it.
func printKeyHelp(w io.Writer, added *config.AddedFeed, folder string) {
	owner, mode := "", "0600"
	if info, err := os.Stat(folder); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Gid != 0 {
			owner, mode = fmt.Sprintf("-o %s -g %s ", userName(st.Uid), groupName(st.Gid)), "0640"
		}
	}
	sudo := ""
	if owner != "" {
		sudo = "sudo "
	}
	fmt.Fprintf(w, "Put your key into %s, which flowhound must be able to read and others must not:\n  %sinstall -m %s %s/dev/stdin %s   # paste the key, press Enter and Ctrl-D\n",
		added.KeyFile, sudo, mode, owner, added.KeyFile)
	if added.KeyPage != "" {
		fmt.Fprintf(w, "You get one at %s\n", added.KeyPage)
	}
}

func userName(id uint32) string {
	s := strconv.FormatUint(uint64(id), 10)
	if u, err := user.LookupId(s); err == nil {
		return u.Username
	}
	return s
}

func groupName(id uint32) string {
	s := strconv.FormatUint(uint64(id), 10)
	if g, err := user.LookupGroupId(s); err == nil {
		return g.Name
	}
	return s
}

func printTypes(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, c := range feed.Types() {
		key := ""
		if c.Key == feed.NeedsKey {
			key = " (needs a key)"
		}
		fmt.Fprintf(t, "%s\t%s%s\n", c.Name, c.Title, key)
	}
	return t.Flush()
}
