package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/alert/logged"
	"github.com/flowhound/flowhound/cmd/internal/demo"
	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/plugin/hit"
)

func hitsCommand() *cobra.Command {
	var path, severity, address string
	var since time.Duration
	var asJSON bool
	var filter logged.Filter
	cmd := &cobra.Command{
		Use:   "hits [-c FILE]",
		Short: "Show the hits of the alert log as a table",
		Long: `hits reads the alert log and its rotated files and sums up, the worst first, who
talked to whom: how often, how much, since when, and which list knows it. Under the
table stand the references, with how regularly a pair talks. It needs no running
agent.`,
		Example: `  flowhound hits --since 24h --severity medium
  flowhound hits --since 7d --address 10.1.2.3`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			cfg, err := loadConfig(path)
			if err != nil {
				return err
			}
			if err := filter.Severity.UnmarshalText([]byte(severity)); err != nil {
				return usageError(fmt.Errorf("--severity: %w", err))
			}
			if filter.Address, err = addressOf(address); err != nil {
				return usageError(err)
			}
			filter.Since = time.Now().Add(-since)
			out := bufio.NewWriter(cmd.OutOrStdout())
			defer func() { err = errors.Join(err, out.Flush()) }()
			table := demo.Table{Times: true}
			n := 0
			bad, err := logged.Read(cfg.Log.Path, filter, func(h *hit.Hit) {
				n++
				if asJSON {
					line, _ := json.Marshal(h) // a Hit always marshals
					_, _ = out.Write(append(line, '\n'))
					return
				}
				table.Add(h)
			})
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("there is no alert log %s yet: flowhound run writes it", cfg.Log.Path)
			} else if err != nil {
				return err
			}
			if bad > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "%d lines of the log cannot be read\n", bad)
			}
			if asJSON {
				return nil
			}
			if n == 0 {
				_, err := fmt.Fprintf(out, "no such hits since %s in %s\n", filter.Since.Format(time.DateTime), cfg.Log.Path)
				return err
			}
			if err := table.Print(out); err != nil {
				return err
			}
			_, err = fmt.Fprintf(out, "\n%s\n", table.Counts())
			return err
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().Var((*span)(&since), "since", "how far back: 30m, 24h, 7d")
	cmd.Flags().StringVar(&severity, "severity", "info", "the lowest severity: info low medium high critical")
	cmd.Flags().StringVar(&address, "address", "", "an address or network on either side")
	cmd.Flags().StringVar(&filter.Feed, "feed", "", "the name of a feed")
	cmd.Flags().StringVar(&filter.Category, "category", "", "a category, such as c2")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object for each line of the log")
	since = 24 * time.Hour
	cmd.Flags().Lookup("since").DefValue = "24h"
	return cmd
}

// span is a time of a flag, which may be in days.
type span time.Duration

// String is part of pflag.Value.
func (d *span) String() string { return time.Duration(*d).String() }

// Set is part of pflag.Value.
func (d *span) Set(text string) error {
	v, err := settings.ParseDuration(text)
	if err == nil && v <= 0 {
		err = errors.New("must be above 0")
	}
	*d = span(v)
	return err
}

// Type is part of pflag.Value.
func (d *span) Type() string { return "time" }

// addressOf reads an address or a network; "" is none.
func addressOf(text string) (netip.Prefix, error) {
	if text == "" {
		return netip.Prefix{}, nil
	}
	p, err := networkOf(text)
	if err != nil {
		return p, fmt.Errorf("--address: %w", err)
	}
	return p, nil
}

// networkOf reads an address or a network.
func networkOf(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%.100q is no address or network", text)
	}
	return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
}
