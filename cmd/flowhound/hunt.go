package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/demo"
	"github.com/flowhound/flowhound/cmd/internal/history/hunt"
	ask "github.com/flowhound/flowhound/cmd/internal/history/query"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/parallel"
	"github.com/flowhound/flowhound/plugin/hit"
)

// huntBack is how far back a hunt looks that names no time.
const huntBack = 30 * 24 * time.Hour

// huntOptions are what the command hunt is asked for.
type huntOptions struct {
	asking
	wanted          wanted
	records, asJSON bool
	join            joining
}

func huntCommand() *cobra.Command {
	var o huntOptions
	cmd := &cobra.Command{
		Use:   "hunt [-c FILE | --history DIR] [ADDRESS|NETWORK|@FILE|PULSE...] [EXPRESSION]",
		Short: "Search past flows for indicators",
		Long: `hunt searches the kept flows for addresses that are listed now, in the last 30 days
unless a time is given, and prints who talked to whom: first and last time,
flows, bytes, the list and its reference, and how regularly the pair talks.

Without arguments it hunts for all live indicators of the feeds. Name addresses or
networks, @FILE for those of a list, or the id or page of an OTX pulse, to hunt for
these alone. An expression and the options of flowhound flows narrow the flows. It exits
with 3 when nothing matched, and with 1 when a file could not be read.`,
		Example: `  flowhound hunt
  flowhound hunt 198.51.100.7 203.0.113.0/24 --last 90d
  flowhound hunt @iocs.txt 'src net 10.1.0.0/16 and not dst port 443'
  flowhound hunt 5f3c9ad12ab6c1f2bd0e4c7a --json
  flowhound hunt --listed-since 2026-06-07T10:00:00Z --feed otx`,
		RunE: o.run,
	}
	o.flags(cmd)
	cmd.Flags().Lookup("last").Usage = "flows that began in the last 30m, 24h, 7d; 30d unless --start or --end is given"
	cmd.Flags().StringVar(&o.wanted.feed, "feed", "", "only indicators of the `feed` of that name")
	cmd.Flags().StringVar(&o.wanted.category, "category", "", "only indicators of a `category`, such as c2")
	cmd.Flags().StringVar(&o.wanted.since, "listed-since", "", "only indicators that the agent first saw at this `time` or later")
	o.join.flag(cmd)
	cmd.Flags().BoolVar(&o.records, "records", false, "print every flow record instead of who talked to whom")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print one JSON object a line")
	return cmd
}

func (o *huntOptions) run(cmd *cobra.Command, args []string) error {
	if !cmd.Flags().Changed("last") && o.start == "" && o.end == "" {
		o.last = huntBack
	}
	boundMemory()
	expression, err := o.wanted.read(args, time.Now())
	if err != nil {
		return usageError(err)
	}
	cfg, err := o.config(cmd, &o.wanted)
	if err != nil {
		return err
	}
	set, ranges, err := o.wanted.indicators(cmd, cfg)
	if err != nil {
		return err
	}
	q, data, done, err := o.question(cmd, expression)
	if err != nil {
		return err
	}
	defer done()
	if len(ranges) == 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), o.wanted.nothing())
		return &exitError{code: exitNoMatch}
	}
	listed := ask.NewAddrSet(ranges)
	q.Filter = q.Filter.And(hunt.Listed(listed))
	var found bool
	if o.records {
		found, err = printRecords(cmd, &o.asking, q, data, o.asJSON, o.join.option(cmd))
	} else {
		policy := cfg.Policy()
		if len(o.wanted.targets)+len(o.wanted.lists) > 0 { // what is asked for by name is told, muted or not
			policy = alert.NewPolicy(cfg.Networks.Own(), cfg.Networks.AllServicePorts(), nil)
		}
		found, err = printFinds(cmd, &huntFor{set, o.wanted.chosen(), listed, policy, len(expression)+len(o.filters) == 0, o.join.option(cmd)}, q, data, done, o.asJSON)
	}
	o.join.say(cmd)
	switch {
	case err != nil:
		return err
	case o.damaged > 0: // maybe it is there
		return o.incomplete()
	case !found:
		return &exitError{code: exitNoMatch}
	}
	return nil
}

// config returns the configuration, or the defaults where a history is named alone.
func (a *asking) config(cmd *cobra.Command, w *wanted) (*config.Config, error) {
	if a.dir != "" && !cmd.Flags().Changed("config") {
		if len(w.targets)+len(w.lists) == 0 {
			return nil, usageError(errors.New("name what to hunt for, or with -c a configuration with feeds"))
		}
		return config.Default(), nil
	}
	return loadConfig(a.path)
}

func printRecords(cmd *cobra.Command, a *asking, q ask.Question, data *ask.Data, asJSON bool, join *ask.Join) (bool, error) {
	form := outputForm{json: asJSON}
	out, err := form.open(cmd, a, join != nil)
	if err != nil {
		return false, err
	}
	defer out.discard()
	n, err := data.Records(cmd.Context(), q, ask.RecordOptions{Biflow: join != nil, Join: join}, func(f *ask.Found) error { return out.Flow(f) })
	if err == nil {
		err = out.commit()
	}
	return n > 0, err
}

// huntFor is what a hunt by hand looks for, and how finds are classified.
type huntFor struct {
	set    *intel.Set
	chosen func(*intel.Indicator) bool // nil: all of the set
	listed *ask.AddrSet
	policy *alert.Policy
	alone  bool // no expression and no option narrows the flows
	join   *ask.Join
}

// find asks the history.
func (h *huntFor) find(ctx context.Context, q ask.Question, data *ask.Data) (groups []*hunt.Group, beyond uint64, err error) {
	finder := hunt.NewFinder(h.policy, h.set, time.Now())
	finder.Choose(h.chosen)
	o := hunt.Options(h.alone)
	o.Join = h.join
	_, err = data.Records(ctx, q, o, func(f *ask.Found) error {
		finder.Add(&f.Record.Record, hunt.Sides(&f.Record.Record, h.listed.Contains))
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	groups, beyond = finder.Groups()
	return groups, beyond, nil
}

func printFinds(cmd *cobra.Command, h *huntFor, q ask.Question, data *ask.Data, done func(), asJSON bool) (found bool, err error) {
	groups, beyond, err := h.find(cmd.Context(), q, data)
	if err != nil {
		return false, err
	}
	done()
	out := bufio.NewWriter(answerTo{cmd.Context(), cmd.OutOrStdout()})
	defer func() { err = errors.Join(err, out.Flush()) }()
	if beyond > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%d more flows are of pairs that did not fit into the table: narrow the time or the indicators\n", beyond)
	}
	if len(groups) == 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), "no flow matched")
		return false, nil
	}
	return true, printGroups(out, groups, asJSON)
}

func printGroups(out io.Writer, groups []*hunt.Group, asJSON bool) error {
	if asJSON {
		return printGroupsJSON(out, groups)
	}
	table := demo.Table{Times: true}
	hits := make([]hit.Hit, min(len(groups), printedAtOnce))
	for block := range slices.Chunk(groups, printedAtOnce) {
		parallel.Pieces(len(block), printedByOne, func(from, to int) {
			for i := from; i < to; i++ {
				hits[i] = hitOf(block[i])
			}
		})
		for i := range block {
			table.Add(&hits[i])
		}
	}
	return table.Print(out)
}

const (
	// printedAtOnce is how many hits are made before the table takes them, and printedByOne
	// how many groups one processor makes hits of at a time: some take ten times as long as
	// others.
	printedAtOnce = 2048
	printedByOne  = 64
)

// hitOf returns what is printed of a group.
func hitOf(g *hunt.Group) hit.Hit {
	h := g.Sums()
	h.Regular = g.Regular()
	return h
}
