package main

import (
	"bufio"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	ask "github.com/flowhound/flowhound/cmd/internal/history/query"
	"github.com/flowhound/flowhound/cmd/internal/history/query/show"
)

// topLimit is memoryLimit for top, whose tables are what it has most of: they are given up
// all at once, when there are too many groups.
const topLimit = 80 << 20

// topOptions are what the command top is asked for.
type topOptions struct {
	asking
	ranking                  ask.TopOptions
	form                     outputForm
	fields, value, threshold string
}

func topCommand() *cobra.Command {
	var o topOptions
	cmd := &cobra.Command{
		Use:   "top [-c FILE | --history DIR] [EXPRESSION]",
		Short: "Rank the flows of the history: who sends the most, where, when",
		Long: `top groups the flow records of the history by fields, adds up a value for each
group (a bin), and prints the largest, with their share of the total and the
cumulative share. Both directions of a conversation are records of their own, whose
source is the sender. "flowhound flows --help" describes expressions.

Fields: sip dip nat_src nat_dst exporter (also sip/24, or sip/24/64 with a length for
IPv6) sport dport proto service flags tos icmp_type icmp_code scc dcc sas das in out domain
version sampling firewall; ip port cc as if for either side, where a record counts for
both of its ends; minute 5min hour day, when records began. Sums by country, service,
proto, hour and day come from roll-ups, so that a month takes a moment, and so do the
largest sip,sport or dip,dport of a country by bytes.`,
		Example: `  flowhound top --fields sip --last 1h
  flowhound top --fields sip,sport --value bytes --count 5 --scc NL --start yesterday --end yesterday
  flowhound top --fields dip --value sips --last 7d 'direction inbound and flags S/SA'
  flowhound top --fields hour,scc --count 0 --last 30d --csv
  flowhound top --fields day,service --count 0 --last 30d --scc NL`,
		RunE: o.run,
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.fields, "fields", "sip", "`fields` to group by, with commas")
	f.StringVar(&o.value, "value", "bytes", "what is ranked: bytes, packets, flows, sips or dips (different sources, destinations)")
	f.IntVar(&o.ranking.Count, "count", 10, "how many bins are printed; 0: all")
	f.StringVar(&o.threshold, "threshold", "", "only bins of this `value` or more, or of this share: 1m, 5%; with --bottom, or less")
	f.BoolVar(&o.ranking.Bottom, "bottom", false, "the smallest first")
	o.form.flags(cmd)
	return cmd
}

func (o *topOptions) run(cmd *cobra.Command, args []string) (err error) {
	if err := readTop(cmd, &o.ranking, o.fields, o.value, o.threshold); err != nil {
		return usageError(err)
	}
	if o.form.json && o.form.csv {
		return usageError(errors.New("give --json or --csv, not both"))
	}
	q, d, done, err := o.question(cmd, args)
	if err != nil {
		return err
	}
	defer done()
	for i := range o.ranking.Keys {
		if o.ranking.Keys[i].Step == 24*time.Hour { // days start at midnight of the zone
			_, offset := o.from.In(o.zone()).Zone()
			o.ranking.Keys[i].Offset = -time.Duration(offset) * time.Second
		}
	}
	debug.SetMemoryLimit(topLimit)
	t, err := d.Top(cmd.Context(), q, o.ranking)
	if err != nil {
		return err
	}
	done()
	if t.Records == 0 && !o.form.json && !o.form.csv {
		o.nothing()
		return o.incomplete()
	}
	out := bufio.NewWriterSize(answerTo{cmd.Context(), cmd.OutOrStdout()}, 1<<16) // a series has megabytes
	switch {
	case o.form.json:
		err = show.TopJSON(out, t, &o.ranking)
	case o.form.csv:
		err = show.TopCSV(out, t, &o.ranking)
	default:
		err = show.TopTable(out, t, &o.ranking, o.zone(), width(cmd.OutOrStdout()))
	}
	if err := errors.Join(err, out.Flush()); err != nil {
		return err
	}
	return o.incomplete()
}

// readTop reads the options of top.
func readTop(cmd *cobra.Command, o *ask.TopOptions, fields, value, threshold string) (err error) {
	if o.Keys, err = ask.ParseKeys(fields); err != nil {
		return err
	}
	if o.Count < 0 {
		return errors.New("--count: must not be below 0")
	}
	if o.Value, err = ask.ParseValue(value); err != nil {
		return err
	}
	if share, ok := strings.CutSuffix(threshold, "%"); ok {
		if o.Percent, err = strconv.ParseFloat(share, 64); err != nil || !(o.Percent > 0 && o.Percent <= 100) {
			return fmt.Errorf("--threshold: %q is not a share such as 5%%", threshold)
		}
		if o.Value == ask.CountSources || o.Value == ask.CountTargets {
			return fmt.Errorf("--threshold: %s have no total, so there is no share of it", o.Value)
		}
	} else if threshold != "" {
		if o.Threshold, err = ask.ParseCount(threshold); err != nil {
			return fmt.Errorf("--threshold: %w", err)
		}
	}
	if (threshold != "") && !cmd.Flags().Changed("count") {
		o.Count = 0
	}
	// A series in time is read by time.
	o.ByKey = o.Count == 0 && slices.ContainsFunc(o.Keys, func(k ask.Key) bool { return k.Step > 0 })
	return nil
}
