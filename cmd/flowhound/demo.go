package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/demo"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/replay"
	"github.com/flowhound/flowhound/plugin/hit"
)

func demoCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show what flowhound does, on a bundled capture and bundled lists",
		Long: `demo runs half an hour of NetFlow v5, v9 and IPFIX that real exporters sent through
the same pipeline as "flowhound run" and prints the alert lines that OSSEC and
Wazuh would read, then a table of who talked to what. It needs no root, no
configuration and no network, and leaves nothing behind.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			// The lists are read from files, as everybody's are.
			dir, err := os.MkdirTemp("", "flowhound-demo")
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
			if err := os.CopyFS(dir, demo.Assets()); err != nil {
				return err
			}
			cfg := config.Default()
			cfg.Feeds, cfg.Networks.Local = demo.Feeds(), demo.Local()
			for i := range cfg.Feeds {
				cfg.Feeds[i].Path = filepath.Join(dir, cfg.Feeds[i].Path)
			}
			set, err := feed.LoadSet(cmd.Context(), cfg.Feed(), cfg.FeedDir(), stderrLog(cmd))
			if err != nil {
				return err
			}

			out := bufio.NewWriter(cmd.OutOrStdout())
			defer func() { err = errors.Join(err, out.Flush()) }()
			var table demo.Table
			printLine := printHit(out, asJSON)
			r := replay.New(cfg.Replay(set))
			r.OnHit = func(h *hit.Hit) {
				printLine(h)
				table.Add(h)
			}
			if err := r.Read(cmd.Context(), demo.Capture()); err != nil {
				return err
			}
			summary := r.Close()
			if asJSON {
				return nil
			}
			fmt.Fprintln(out)
			if err := table.Print(out); err != nil {
				return err
			}
			fmt.Fprintln(out)
			return table.PrintSummary(out, summary.Flows, summary.Exporters)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the hits alone, one JSON object a line")
	return cmd
}
