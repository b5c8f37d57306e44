package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/alert/logged"
	"github.com/flowhound/flowhound/cmd/internal/control/flows"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
	"github.com/flowhound/flowhound/plugin/hit"
)

// A network wider than these is forgotten only with --yes: a slip would cost everything.
const askFrom4, askFrom6 = 24, 64

func historyForgetCommand(e *historyDir) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "forget [-c FILE | --history DIR] ADDRESS|NETWORK...",
		Short: "Remove all flows of an address or a network",
		Long: `forget removes every flow record of which an address, before or after translation,
is one of those named: from the files, the log, the index of addresses and the sums by
country. It cannot be undone. The running agent does it; where none runs the command
does. Flows that come afterwards are kept again.

It does not reach what was said of it already: the alert log, the journal of alerts,
dead letters, the pages' hits and learned outside addresses in data_dir, what outputs
have delivered; nor damaged files that were set aside, backups, and what a disk keeps
of removed files.`,
		Example: `  flowhound history forget 10.1.2.3
  flowhound history forget --yes 10.7.0.0/16`,
		Args: someArgs("name an address or a network, for example: flowhound history forget 10.1.2.3"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			networks, err := forgetful(args, yes)
			if err != nil {
				return usageError(err)
			}
			dir, err := e.path()
			if err != nil {
				return err
			}
			if _, err := dataset.Open(dir); errors.Is(err, fs.ErrNotExist) { // a mistyped folder must not look like success
				return noHistory(dir, err)
			}
			a, err := e.agent(cmd)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, a.Close(cmd.Context())) }()
			err = a.Forget(cmd.Context(), networks, showForgetting(cmd))
			if cmd.Context().Err() != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), "flowhound: interrupted: some files may still hold what was to be forgotten; run the command again")
			}
			if err == nil && e.dir == "" {
				err = e.tellRest(cmd, networks)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "also a network larger than a /24, or a /64 of IPv6")
	return cmd
}

// showForgetting returns what shows how far it is, and what was removed in the end.
func showForgetting(cmd *cobra.Command) func(flows.Event) error {
	bar := newBar(cmd.ErrOrStderr())
	var line *progressbar.ProgressBar
	return func(event flows.Event) error {
		if o := event.Outcome; o != nil {
			if line != nil {
				_ = line.Clear()
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "removed %s, from %s of %s\n", counted(int(o.Records), "flow record", "flow records"), counted(o.Files, "file", "files"), counted(o.Days, "day", "days"))
			return err
		}
		if bar.out == nil || event.Total == 0 {
			return nil
		}
		if line == nil {
			line = progressbar.NewOptions(event.Total, progressbar.OptionSetWriter(bar.out), progressbar.OptionSetDescription("forgetting"), progressbar.OptionClearOnFinish())
		}
		_ = line.Set(event.Done) // a terminal that is gone is no trouble
		return nil
	}
}

// forgetful reads what is to be forgotten.
func forgetful(args []string, yes bool) (networks []netip.Prefix, err error) {
	for _, arg := range args {
		n, err := addressOf(arg)
		if err != nil || !n.IsValid() {
			return nil, fmt.Errorf("%q is not an address or network", arg)
		}
		if n.Addr().Is4In6() && n.Bits() >= 96 {
			n = netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-96).Masked()
		}
		if most := map[bool]int{true: askFrom4, false: askFrom6}[n.Addr().Is4()]; n.Bits() < most && !yes {
			return nil, fmt.Errorf("%s is a large network, and forgetting cannot be undone: add --yes if you mean it", n)
		}
		networks = append(networks, n)
	}
	return networks, nil
}

// tellRest says where else the addresses stand.
func (e *historyDir) tellRest(cmd *cobra.Command, networks []netip.Prefix) error {
	cfg, err := loadConfig(e.config)
	if err != nil {
		return err
	}
	lines := 0
	for _, n := range networks {
		_, err := logged.Read(cfg.Log.Path, logged.Filter{Since: time.Time{}, Address: n}, func(*hit.Hit) { lines++ })
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(cmd.ErrOrStderr(), "flowhound: the alert log cannot be read: %v\n", err)
		}
	}
	delivered := ""
	if n := len(cfg.Outputs); n > 0 {
		delivered = "what " + counted(n, "output has delivered", "outputs have delivered") + ", "
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "not reached: the alert log %s (%s), %sjournal, dead letters, hits of the pages and learned outside addresses in %s, and backups\n",
		cfg.Log.Path, counted(lines, "line mentions it", "lines mention it"), delivered, cfg.DataDir)
	if aside, _ := os.ReadDir(dataset.DamagedDir(cfg.Flows().Dir)); err == nil && len(aside) > 0 {
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "not reached: %s in %s; remove what you do not need\n",
			counted(len(aside), "damaged file", "damaged files"), dataset.DamagedDir(cfg.Flows().Dir))
	}
	return err
}
