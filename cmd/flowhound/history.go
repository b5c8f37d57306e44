package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/geo"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
	"github.com/flowhound/flowhound/cmd/internal/replay"
	"github.com/flowhound/flowhound/plugin/text"
)

// historyDir is the data set that a command works on: of the configuration, or the
// folder named.
type historyDir struct{ config, dir string }

func (h *historyDir) flags(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVarP(&h.config, "config", "c", defaultConfig, "configuration `file`")
	cmd.PersistentFlags().StringVar(&h.dir, "history", "", "work on the history in this `folder`, without a configuration")
}

func (h *historyDir) path() (string, error) {
	if h.dir != "" {
		return filepath.Clean(h.dir), nil
	}
	cfg, err := loadConfig(h.config)
	if err != nil {
		return "", err
	}
	return cfg.Flows().Dir, nil
}

// noHistory says plainly that there is none.
func noHistory(dir string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if near := dataset.Nearby(dir); near != "" {
		return fmt.Errorf("there is no history in %s, but in %s: name that with --history", dir, near)
	}
	return fmt.Errorf("there is no history in %s yet: flowhound run writes it; or name another folder with --history", dir)
}

func historyCommand() *cobra.Command {
	var where historyDir
	var asJSON bool
	cmd := group(&cobra.Command{
		Use:   "history [-c FILE | --history DIR] [COMMAND]",
		Short: "Show what the history contains; verify it, import flows, forget an address",
		Long: `history says how many flows are kept, since when, in how much room, and how many of
them found their other direction. It needs no running agent.`,
		Example: `  flowhound history
  flowhound history verify --history /var/lib/flowhound/flows`,
	}, historyVerifyCommand(&where), historyImportCommand(&where), historyForgetCommand(&where))
	where.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	help := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return help(cmd, args) // an unknown command
		}
		dir, err := where.path()
		if err != nil {
			return err
		}
		if _, err := dataset.Open(dir); err != nil {
			return noHistory(dir, err)
		}
		s, err := dataset.Summarize(dir)
		if err != nil {
			return err
		}
		if asJSON {
			return json.NewEncoder(cmd.OutOrStdout()).Encode(summaryJSON(dir, &s))
		}
		return printSummary(cmd.OutOrStdout(), dir, &s)
	}
	return cmd
}

func printSummary(w io.Writer, dir string, s *dataset.Summary) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "folder\t%s\n", dir)
	fmt.Fprintf(t, "flows\t%d\n", s.Flows)
	if s.Flows > 0 {
		fmt.Fprintf(t, "since\t%s\n", utc(s.First))
		fmt.Fprintf(t, "until\t%s\n", utc(s.Last))
		fmt.Fprintf(t, "size\t%.1f MB, %.1f bytes a flow\n", megabytes(s.Bytes), float64(s.Bytes)/float64(s.Flows))
		fmt.Fprintf(t, "paired\t%.1f%% of the flows have their other direction beside them\n", 100*s.Paired())
	}
	fmt.Fprintf(t, "files\t%d, of which %d are parts that are merged when their hour is over\n", s.Files, s.Parts)
	if s.LogBytes > 0 {
		fmt.Fprintf(t, "log\t%.1f MB: the flows of the last minutes, which are not counted above\n", megabytes(s.LogBytes))
	}
	fmt.Fprintf(t, "damaged\t%d\n", len(s.Damaged))
	for _, name := range s.Damaged {
		fmt.Fprintf(t, "\t%s was set aside in %s\n", name, dataset.DamagedDir(dir))
	}
	return t.Flush()
}

func megabytes(n int64) float64 { return float64(n) / 1e6 }

func utc(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339) }

// summaryJSON is what history --json prints.
func summaryJSON(dir string, s *dataset.Summary) map[string]any {
	m := map[string]any{
		"dir": dir, "flows": s.Flows, "rows": s.Rows, "bytes": s.Bytes, "log_bytes": s.LogBytes, "files": s.Files, "parts": s.Parts,
		"paired": s.Paired(), "damaged": s.Damaged,
	}
	if s.Damaged == nil {
		m["damaged"] = []string{}
	}
	if s.Flows > 0 {
		m["first"], m["last"] = utc(s.First), utc(s.Last)
		m["bytes_per_flow"] = float64(s.Bytes) / float64(s.Flows)
	}
	return m
}

func historyVerifyCommand(where *historyDir) *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Read every file to its end and check every checksum",
		Long: `verify reads all files of the history, also while the agent runs, and names those that
are damaged. The agent sets a damaged file aside when it comes upon it; all others
stay usable. The exit status is 1 if one is damaged.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := where.path()
			if err != nil {
				return err
			}
			good, bad, err := dataset.VerifyAll(cmd.Context(), dir, func(name string, err error) {
				fmt.Fprintf(cmd.OutOrStdout(), "damaged: %s: %v\n", name, err)
			})
			if err != nil {
				return noHistory(dir, err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d files are whole, %d are damaged\n", good, bad)
			if bad > 0 {
				return &exitError{code: exitFailed}
			}
			return nil
		},
	}
}

// keepFlows has a replay keep its flows in a history, if dir is not empty, until done
// is called.
func keepFlows(cmd *cobra.Command, r *replay.Replay, dir string) (done func() error, err error) {
	if dir == "" {
		return func() error { return nil }, nil
	}
	w, err := dataset.Create(filepath.Clean(dir))
	if err != nil {
		return nil, err
	}
	w.Places = geo.Embedded().CountryAndAS
	w.Warn(func(s string) { fmt.Fprintf(cmd.ErrOrStderr(), "flowhound: %s\n", text.Screen(s)) })
	printed := r.OnFlow
	r.OnFlow = func(f *flow.Record) {
		if err == nil {
			err = w.Add([]flow.Record{*f})
		}
		if printed != nil {
			printed(f)
		}
	}
	return func() error {
		if err == nil {
			err = w.Flush()
		}
		if err == nil {
			err = w.Tidy(context.Background(), time.Now())
		}
		return errors.Join(err, w.Close())
	}, nil
}
