package main

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/agent"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/demo"
	"github.com/flowhound/flowhound/cmd/internal/flow/udp"
	"github.com/flowhound/flowhound/cmd/internal/geo"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/replay"
	"github.com/flowhound/flowhound/plugin/hit"
)

func demoCommand() *cobra.Command {
	var asJSON, web bool
	var listen, color string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show what flowhound does, on a bundled capture and bundled lists",
		Long: `demo runs half an hour of NetFlow v5, v9 and IPFIX that real exporters sent through
the same pipeline as "flowhound run" and prints the alert lines that OSSEC and
Wazuh would read, then a table of who talked to what. It needs no root, no
configuration and no network, and leaves nothing behind.

With --web the same runs as an agent whose pages show the data, until Ctrl-C: what
the capture has but for its last two minutes at once, those at their own pace.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd, web, listen, asJSON, color)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the hits alone, one JSON object a line")
	cmd.Flags().BoolVar(&web, "web", false, "show the pages on the demo's data, until Ctrl-C")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8055", "with --web: where the pages are served, on this host alone; port 0 takes a free one")
	colorFlag(cmd, &color)
	return cmd
}

// runDemo replays the bundled capture against the bundled lists, or with web serves it.
func runDemo(cmd *cobra.Command, web bool, listen string, asJSON bool, color string) (err error) {
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
	cfg.Feeds, cfg.Networks.Local, cfg.Geo = demo.Feeds(), demo.Local(), demo.Geo(dir)
	for i := range cfg.Feeds {
		cfg.Feeds[i].Path = filepath.Join(dir, cfg.Feeds[i].Path)
	}
	if web {
		return demoWeb(cmd, cfg, dir, listen)
	}
	set, err := feed.LoadSet(cmd.Context(), cfg.Feed(), cfg.FeedDir(), stderrLog(cmd))
	if err != nil {
		return err
	}

	out := bufio.NewWriter(cmd.OutOrStdout())
	defer func() { err = errors.Join(err, out.Flush()) }()
	screen, err := terminalOf(cmd.OutOrStdout(), color)
	if err != nil {
		return err
	}
	table := screen.hitTable(false)
	printLine := printHit(out, asJSON)
	options := cfg.Replay(set)
	if options.Geo, err = geo.Open(cfg.Geo, "", stderrLog(cmd)); err != nil {
		return err
	}
	r := replay.New(options)
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
}

// liveDemo is how much of the capture's end comes at its own pace.
const liveDemo = 2 * time.Minute

// demoWeb runs an agent on the demo's data, in dir, until it is told to stop.
func demoWeb(cmd *cobra.Command, cfg *config.Config, dir, listen string) error {
	if addr, err := netip.ParseAddrPort(listen); err != nil || !addr.Addr().IsLoopback() {
		return usageError(fmt.Errorf("--listen: %q is not an address of this host alone, such as 127.0.0.1:8055", listen))
	}
	cfg.Listen = []udp.Address{{Scheme: "udp", Host: "127.0.0.1:0"}}
	cfg.DataDir, cfg.RunDir, cfg.Log.Path = filepath.Join(dir, "data"), filepath.Join(dir, "run"), filepath.Join(dir, "alerts.log")
	cfg.Web.Listen, cfg.Hosts, cfg.Exports = listen, demo.Hosts(dir), demo.Exports(dir)
	cfg.History.Hunt = 0 // the capture's past would be found again by lists that are older than it
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	a := agent.New(cfg, agent.Options{
		Version: buildInfo().Version, Log: log, Play: &agent.Play{Open: demo.Capture, Live: liveDemo},
		Ready: func(pages net.Addr) {
			fmt.Fprintf(cmd.OutOrStdout(), "The pages are at http://%s/?last=1h until Ctrl-C.\n", pages)
		},
	})
	return a.Run(cmd.Context(), nil)
}
