package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/hunt"
	ask "github.com/flowhound/flowhound/cmd/internal/history/query"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/text"
)

// mostContacts is how many pairs a person is shown of those that talked to an address.
const mostContacts = 20

// contactJSON is what lookup --json prints of one pair in the history.
type contactJSON struct {
	Query     string        `json:"query"`
	Local     netip.Addr    `json:"local"`
	Remote    netip.Addr    `json:"remote"`
	First     time.Time     `json:"first"`
	Last      time.Time     `json:"last"`
	Flows     uint64        `json:"flows"`
	Bytes     uint64        `json:"bytes"`
	Direction hit.Direction `json:"dir"`
	State     hit.State     `json:"state"`
	Proto     uint8         `json:"proto"`
	Port      *int          `json:"port,omitempty"`
	Regular   *regularJSON  `json:"regular,omitempty"`
}

// printContacts tells from the history who talked to an address or network: first and last
// time, how much, and how regularly. Where no history is kept it says nothing.
func printContacts(cmd *cobra.Command, cfg *config.Config, q query, asJSON bool) error {
	if !q.network.IsValid() {
		return nil
	}
	hits, err := talk(cmd.Context(), cfg, q.network, func(path string, err error) {
		fmt.Fprintf(cmd.ErrOrStderr(), "flowhound: %s is left out: %s\n", text.Screen(path), text.Screen(err.Error()))
	})
	if err != nil || len(hits) == 0 {
		return err
	}
	if asJSON {
		for _, x := range hits {
			one := contactJSON{q.text, x.Local, x.Remote, x.Start, x.End, x.Count, x.Bytes, x.Direction, x.State, x.Proto, servicePort(x), regularOf(x)}
			if err := printLines(cmd.OutOrStdout(), one); err != nil {
				return err
			}
		}
		return nil
	}
	return printContactTable(cmd.OutOrStdout(), q.text, hits)
}

// talk asks the history, all of it. The most flows come first.
func talk(ctx context.Context, cfg *config.Config, network netip.Prefix, damaged func(string, error)) (hits []*hit.Hit, err error) {
	b := intel.NewBuilder(asked)
	b.Add(&intel.Indicator{Prefix: network, Score: intel.DefaultConfidence})
	h := huntFor{
		set: intel.NewSet(b.Block()), listed: ask.NewAddrSet([]flow.Range{flow.RangeOf(network)}),
		policy: alert.NewPolicy(cfg.Networks.Own(), cfg.Networks.AllServicePorts(), nil), alone: true,
	}
	data, closed, err := ask.Open(cfg.Flows().Dir, time.Time{}, time.Time{}, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("the history cannot be read: %w", err)
	}
	defer closed()
	groups, _, err := h.find(ctx, ask.Question{Filter: hunt.Listed(h.listed), Damaged: damaged}, data)
	if err != nil {
		return nil, fmt.Errorf("the history cannot be read: %w", err)
	}
	now := time.Now()
	for _, g := range groups {
		hits = append(hits, g.Hit(0, now))
	}
	slices.SortStableFunc(hits, func(a, b *hit.Hit) int { return cmp.Compare(b.Count, a.Count) })
	return hits, nil
}

func printContactTable(w io.Writer, name string, hits []*hit.Hit) error {
	fmt.Fprintf(w, "%s: %s in the history:\n", name, counted(len(hits), "pair talked", "pairs talked"))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "    WHO\t\tWITH\tPROTO\tSTATE\tFIRST\tLAST\tFLOWS\tBYTES\tHOW REGULARLY")
	for _, x := range hits[:min(len(hits), mostContacts)] {
		arrow := "->"
		if x.Src == x.Remote {
			arrow = "<-"
		}
		proto := hit.ProtoName(x.Proto)
		if proto == "" {
			proto = fmt.Sprint(x.Proto)
		}
		if x.DstPort != hit.NoPort && x.Proto != 1 && x.Proto != 58 {
			proto = fmt.Sprintf("%s/%d", proto, x.DstPort)
		}
		fmt.Fprintf(t, "    %s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", x.Local, arrow, x.Remote, proto, x.State,
			x.Start.Local().Format(time.DateTime), x.End.Local().Format(time.DateTime), x.Count, x.Bytes, x.Regular)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if more := len(hits) - mostContacts; more > 0 {
		fmt.Fprintf(w, "    and %d more; flowhound hunt %s --start 2000-01-01 lists all\n", more, name)
	}
	return nil
}
