package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/flowhound/flowhound/cmd/internal/file"
	ask "github.com/flowhound/flowhound/cmd/internal/history/query"
	"github.com/flowhound/flowhound/cmd/internal/history/query/show"
)

// flowsOptions are what the command flows is asked for.
type flowsOptions struct {
	asking
	records ask.RecordOptions
	sort    string
	form    outputForm
	join    joining
}

func flowsCommand() *cobra.Command {
	var o flowsOptions
	cmd := &cobra.Command{
		Use:   "flows [-c FILE | --history DIR] [EXPRESSION]",
		Short: "List flows of the history",
		Long: `flows lists the flow records of the history that an expression and options
describe. Both directions of a conversation are records of their own, whose source
is the sender; with --biflow a line is a conversation, found by either direction, and
with --join also the pieces in which routers report a long one are one line.
Every option that filters has a form with --not- before its name.

An expression joins conditions by and, or, not and brackets:
  [src|dst] ip|net|port|country|as VALUES   either side without src or dst; nat before ip, port
  proto, flags, bytes, packets, duration, bps, pps, bpp, exporter, in if, out if, tos, icmp-type,
  icmp-code, direction (outbound inbound internal transit), ipv4, ipv6, any
VALUES are one, several with commas or in [ ], ranges (80-90), > < >= <= !=, and @FILE.

Counts in the table are multiplied by the sampling rate, unless --raw is given;
JSON, CSV, Parquet and IPFIX have them as exported, beside the rate. The exit status
is 1 when a file could not be read; the others answer all the same.`,
		Example: `  flowhound flows --last 1h 'src net 10.0.0.0/8 and not dst port 443'
  flowhound flows --start yesterday --end yesterday --any-ip @suspects.txt --biflow
  flowhound flows --last 7d --join --sort duration --limit 20 'src net 10.0.0.0/8'
  flowhound flows --last 7d --sort bytes --limit 20 'dst country RU and bytes > 10m'
  flowhound flows --last 30d --any-ip 198.51.100.7 --parquet found.parquet`,
		RunE: o.run,
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.records.Biflow, "biflow", false, "a line for each conversation, with the counters of both directions")
	o.join.flag(cmd)
	f.StringVar(&o.sort, "sort", "start", "the `order`: start, bytes, packets, duration, bps, pps, bpp, sport, dport; + or - before it")
	f.IntVar(&o.records.Limit, "limit", 1000, "how many are printed; 0: all, in the order of the files. Files get all")
	o.form.flags(cmd)
	f.StringVar(&o.form.parquet, "parquet", "", "write a Parquet `file` instead, a row for each record, or for each conversation with --biflow")
	f.StringVar(&o.form.ipfix, "ipfix", "", "write an IPFIX `file` (RFC 5655) instead, which tshark reads; a conversation as its two records")
	return cmd
}

func (o *flowsOptions) run(cmd *cobra.Command, args []string) (err error) {
	if o.records.Sort, err = o.form.order(cmd, o.sort, &o.records.Limit); err != nil {
		return usageError(err)
	}
	if o.records.Join = o.join.option(cmd); o.records.Join != nil {
		o.records.Biflow = true
	}
	q, d, done, err := o.question(cmd, args)
	if err != nil {
		return err
	}
	defer done()
	out, err := o.form.open(cmd, &o.asking, o.records.Biflow)
	if err != nil {
		return err
	}
	defer out.discard()
	printed := 0
	n, err := d.Records(cmd.Context(), q, o.records, func(f *ask.Found) error {
		printed++
		return out.Flow(f)
	})
	if err != nil {
		return err
	}
	if err := out.commit(); err != nil {
		return err
	}
	done()
	o.join.say(cmd)
	one, several := "record", "records"
	if o.records.Biflow {
		one, several = "conversation", "conversations"
	}
	if n == 0 {
		o.nothing()
	} else if uint64(printed) < n {
		fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d %s; --limit prints more (0: all, in the order of the files)\n", printed, n, several)
	} else if o.form.path() != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", o.form.path(), counted(printed, one, several))
	}
	return o.incomplete()
}

// outputForm is how flows are printed.
type outputForm struct {
	json, csv      bool
	parquet, ipfix string
}

func (o *outputForm) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON object a line")
	cmd.Flags().BoolVar(&o.csv, "csv", false, "print CSV")
}

// path is the file that is written, "" for standard output.
func (o *outputForm) path() string {
	if o.parquet != "" {
		return o.parquet
	}
	return o.ipfix
}

// order reads --sort. Files get all records, and all records come in the order of the
// history's files.
func (o *outputForm) order(cmd *cobra.Command, name string, limit *int) (*ask.Sort, error) {
	forms := 0
	for _, set := range []bool{o.json, o.csv, o.parquet != "", o.ipfix != ""} {
		if set {
			forms++
		}
	}
	switch {
	case forms > 1:
		return nil, errors.New("give one of --json, --csv, --parquet and --ipfix")
	case *limit < 0:
		return nil, errors.New("--limit: must not be below 0")
	case o.path() != "" && !cmd.Flags().Changed("limit"):
		*limit = 0
	}
	s, err := ask.ParseSort(name)
	if err != nil {
		return nil, err
	}
	if *limit == 0 {
		if cmd.Flags().Changed("sort") {
			return nil, errors.New("--sort needs a --limit above 0: all records are printed in the order of the files")
		}
		return nil, nil
	}
	return s, nil
}

// flowOutput is where flows go.
type flowOutput struct {
	show.Writer
	out     *bufio.Writer
	pending *file.Pending
}

func (o *outputForm) open(cmd *cobra.Command, a *asking, biflow bool) (*flowOutput, error) {
	out := &flowOutput{out: bufio.NewWriter(answerTo{cmd.Context(), cmd.OutOrStdout()})}
	switch {
	case o.path() != "":
		p, err := file.Create(o.path())
		if err != nil {
			return nil, err
		}
		out.pending, out.out = p, bufio.NewWriterSize(p, 1<<16)
		if o.parquet != "" {
			out.Writer = show.NewParquet(out.out)
		} else {
			out.Writer = show.NewIPFIX(out.out)
		}
	case o.json:
		out.Writer = show.NewJSON(out.out)
	case o.csv:
		out.Writer = show.NewCSV(out.out)
	default:
		out.Writer = show.NewTable(out.out, show.TableOptions{Zone: a.zone(), Width: width(cmd.OutOrStdout()), Raw: a.raw, Biflow: biflow})
	}
	return out, nil
}

// commit ends the output; a file appears whole.
func (f *flowOutput) commit() error {
	if err := errors.Join(f.Close(), f.out.Flush()); err != nil || f.pending == nil {
		return err
	}
	p := f.pending
	f.pending = nil
	return p.Commit()
}

// discard leaves nothing behind of a file that is not whole.
func (f *flowOutput) discard() {
	if f.pending != nil {
		f.pending.Discard()
	}
}

// width returns how wide a terminal is, 0 when w is none.
func width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}
