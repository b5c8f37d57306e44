package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/alert/logged"
	"github.com/flowhound/flowhound/cmd/internal/columns"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/control/names"
	"github.com/flowhound/flowhound/cmd/internal/demo"
	"github.com/flowhound/flowhound/cmd/internal/geo"
	ask "github.com/flowhound/flowhound/cmd/internal/history/query"
	"github.com/flowhound/flowhound/cmd/internal/history/query/alerts"
	"github.com/flowhound/flowhound/cmd/internal/hosts"
	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/text"
)

// hitsOptions are what the command hits is asked for.
type hitsOptions struct {
	path, severity, address, color string
	since                          time.Duration
	asJSON, follow                 bool
	top                            int
	filter                         logged.Filter
}

func hitsCommand() *cobra.Command {
	o := hitsOptions{since: 24 * time.Hour}
	cmd := &cobra.Command{
		Use:   "hits [-c FILE] [EXPRESSION]",
		Short: "Show the hits of the alert log as a table, or follow them live",
		Long: `hits reads the alert log and its rotated files and sums up, the worst first, who
talked to whom: how often, how much, since when, and which list knows it. Under the
table stand the references, with how regularly a pair talks. Own hosts have the
names that files of "hosts" in the configuration give them; a running agent adds those
that resolvers told it (hosts.ptr). It needs no agent. With --top the pairs that moved
most bytes come first, with --follow hits are shown as they come, until Ctrl-C.

An expression in the language of flows ("flowhound flows --help") says which hits are
meant. src is who opened the connection; bytes, packets and duration are those of the
whole series, and of one line with --follow.`,
		Example: `  flowhound hits --since 24h --severity medium
  flowhound hits --since 7d --address 10.1.2.3
  flowhound hits --since 7d 'dst country RU and not dst port 443 and bytes > 1m'
  flowhound hits --follow --severity high`,
		RunE: o.run,
	}
	configFlag(cmd, &o.path)
	cmd.Flags().Var((*span)(&o.since), "since", "how far back: 30m, 24h, 7d")
	cmd.Flags().StringVar(&o.severity, "severity", "info", "the lowest severity: info low medium high critical")
	cmd.Flags().StringVar(&o.address, "address", "", "an address or network on either side")
	cmd.Flags().StringVar(&o.filter.Feed, "feed", "", "the name of a feed")
	cmd.Flags().StringVar(&o.filter.Category, "category", "", "a category, such as c2")
	cmd.Flags().StringVar(&o.filter.Series, "series", "", "the `id` of one series: the part that the ids of its lines begin with")
	cmd.Flags().IntVar(&o.top, "top", 0, "only the `N` pairs with most bytes")
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "print new hits as they arrive")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON object for each line of the log")
	colorFlag(cmd, &o.color)
	completeFlag(cmd, "severity", fixed(severities()...))
	completeFlag(cmd, "category", fixed(categories()...))
	completeFlag(cmd, "feed", completeFeeds(&o.path))
	completeFlag(cmd, "address", completeAddresses(&o.path))
	completeFlag(cmd, "series", completeSeries(&o.path))
	cmd.Flags().Lookup("since").DefValue = "24h"
	return cmd
}

func (o *hitsOptions) run(cmd *cobra.Command, args []string) (err error) {
	cfg, err := loadConfig(o.path)
	if err != nil {
		return err
	}
	if err := o.filter.Severity.UnmarshalText([]byte(o.severity)); err != nil {
		return usageError(fmt.Errorf("--severity: %w", err))
	}
	if o.filter.Address, err = addressOf(o.address); err != nil {
		return usageError(err)
	}
	if o.top < 0 {
		return usageError(errors.New("--top: must be 1 or more"))
	}
	if o.filter.Category != "" && !isCategory(o.filter.Category) {
		return usageError(fmt.Errorf("--category: %.50q is not one of %s", o.filter.Category, strings.Join(categories(), ", ")))
	}
	screen, err := terminalOf(cmd.OutOrStdout(), o.color)
	if err != nil {
		return err
	}
	files := hosts.Open(cfg.HostNames(), stderrLog(cmd))
	locate := files.Locate
	if agent := names.NewAsker(cfg.RunDir); cfg.Hosts.PTR {
		locate = func(h *hit.Hit) {
			files.Locate(h)
			agent.Locate(cmd.Context(), h)
		}
	}
	o.filter.Since = time.Now().Add(-o.since)
	if len(args) > 0 {
		if o.filter.Also, err = hitsAccepted(cmd, cfg, strings.Join(args, " "), o.filter.Since, o.follow); err != nil {
			return err
		}
	}
	if o.follow {
		o.filter.Since = time.Time{}
		return logged.Follow(cmd.Context(), cfg.Log.Path, o.filter, func(h *hit.Hit) {
			locate(h)
			_ = screen.printLive(cmd.OutOrStdout(), h, o.asJSON)
		})
	}
	table := screen.hitTable(true)
	table.Top = o.top
	return printLogged(cmd, cfg.Log.Path, o.filter, locate, &table, o.asJSON)
}

// hitsAccepted returns which lines of the log are of a series that an expression accepts:
// of those since a time. alone: each line stands for itself, as those that are still to
// come.
func hitsAccepted(cmd *cobra.Command, cfg *config.Config, text string, since time.Time, alone bool) (func(*hit.Hit) bool, error) {
	e, err := alerts.Parse(text, ask.Env{Local: cfg.Networks.Own(), ReadList: func(name string) ([]byte, error) { return readList(cmd.Context(), name) }})
	if err != nil {
		return nil, errors.Join(usageError(err), cmd.Context().Err())
	}
	part, err := geo.Open(cfg.Geo, learnedPath(cfg), stderrLog(cmd))
	if err != nil {
		return nil, err
	}
	located := func(h *hit.Hit) *hit.Hit { // a line of text says of one side alone where it is
		found := *h
		part.Locate(&found)
		return &found
	}
	if alone {
		return func(h *hit.Hit) bool {
			tally := alerts.Tally{}
			tally.Add(located(h))
			return tally.Accepts(e, h)
		}, nil
	}
	tally := alerts.Tally{}
	_, err = logged.Read(cfg.Log.Path, logged.Filter{Since: since}, func(h *hit.Hit) { tally.Add(located(h)) })
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // who prints says that there is no log
		return nil, err
	}
	return func(h *hit.Hit) bool { return tally.Accepts(e, h) }, nil
}

// printLogged prints what the log at path has, with the names that locate fills in, as
// JSON or as a table.
func printLogged(cmd *cobra.Command, path string, filter logged.Filter, locate func(*hit.Hit), table *demo.Table, asJSON bool) (err error) {
	out := bufio.NewWriter(cmd.OutOrStdout())
	defer func() { err = errors.Join(err, out.Flush()) }()
	n := 0
	bad, err := logged.Read(path, filter, func(h *hit.Hit) {
		n++
		locate(h)
		if asJSON {
			line, _ := json.Marshal(h) // a Hit always marshals
			_, _ = out.Write(append(line, '\n'))
			return
		}
		table.Add(h)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no alert log %s yet: flowhound run writes it", path)
	} else if err != nil {
		return err
	}
	if bad > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s of the log cannot be read\n", counted(bad, "line", "lines"))
	}
	if asJSON {
		return nil
	}
	if n == 0 {
		_, err := fmt.Fprintf(out, "no such hits since %s in %s\n", filter.Since.Format(time.DateTime), path)
		return err
	}
	if err := table.Print(out); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\n%s\n", table.Counts())
	return err
}

// printLive prints one hit on one line.
func (t terminal) printLive(w io.Writer, h *hit.Hit, asJSON bool) error {
	if asJSON {
		return printLines(w, h)
	}
	arrow := "->"
	if h.Local == h.Dst {
		arrow = "<-"
	}
	line := fmt.Sprintf("%s %s %s %s  %s %s  %s: %s",
		demo.Named(h, 0), arrow, h.Remote, h.State, strconv.FormatUint(h.Count, 10)+"x", demo.Size(h.Bytes), h.Feed, text.Screen(h.Name))
	at := h.Time.Local().Format("15:04:05")
	severity := fmt.Sprintf("%-8s", h.Severity)
	if t.width > 0 {
		line = columns.Cut(line, max(t.width-len(at)-len(severity)-4, 10))
	}
	_, err := fmt.Fprintf(w, "%s  %s  %s\n", at, t.paint(severityColor(h.Severity), severity), line)
	return err
}

// span is a time of a flag, which may be in days.
type span time.Duration

// String is part of pflag.Value.
func (d *span) String() string { return time.Duration(*d).String() }

// Set is part of pflag.Value.
func (d *span) Set(text string) error {
	v, err := settings.ParseDuration(text)
	if err != nil || v <= 0 {
		return errors.New("it is not a time above 0 with its unit, such as 30m, 24h or 7d")
	}
	*d = span(v)
	return nil
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
		return netip.Prefix{}, fmt.Errorf("%.100q is not an address or network", text)
	}
	return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
}
