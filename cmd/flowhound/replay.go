package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/demo"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/geo"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/replay"
	"github.com/flowhound/flowhound/plugin/hit"
)

func replayCommand() *cobra.Command {
	var src source
	var flows, asJSON bool
	var color, history string
	cmd := &cobra.Command{
		Use:   "replay [-c FILE | --blacklist LIST...] CAPTURE...",
		Short: "Run captures of NetFlow or IPFIX through the same pipeline",
		Long: `replay reads pcap or pcapng files of NetFlow and IPFIX datagrams (gzip and zstd
too, "-" is standard input) and prints the hits on the capture's clock, then a table
of who talked to what. It touches no state, no log and no network. With --history it
keeps the flows too, in a folder that "flowhound top", "flows" and "hunt" take with
the same option.`,
		Example: `  flowhound replay --blacklist bad.txt router.pcap
  flowhound replay --flows --json router.pcap | jq .src
  tcpdump -w - udp port 2055 | flowhound replay --flows -`,
		Args: someArgs("name a capture file, for example: flowhound replay router.pcap"),
		RunE: func(cmd *cobra.Command, captures []string) (err error) {
			out := bufio.NewWriter(cmd.OutOrStdout())
			defer func() { err = errors.Join(err, out.Flush()) }()
			r, err := newReplay(cmd, &src, flows || history != "")
			if err != nil {
				return err
			}
			screen, err := terminalOf(cmd.OutOrStdout(), color)
			if err != nil {
				return err
			}
			table, printLine := screen.hitTable(true), printHit(out, asJSON)
			if flows {
				r.OnFlow = printFlow(out, asJSON)
			} else {
				r.OnHit = func(h *hit.Hit) {
					printLine(h)
					table.Add(h)
				}
			}
			keep, err := keepFlows(cmd, r, history)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, keep()) }()
			for _, path := range captures {
				if err = replayFile(cmd, r, path); err != nil {
					break // what was read until there is said all the same
				}
			}
			summary := r.Close() // says what is held
			if !flows && !asJSON {
				err = errors.Join(err, printHitTable(out, &table))
			}
			_, printErr := fmt.Fprintln(cmd.ErrOrStderr(), summary)
			return errors.Join(err, printErr)
		},
	}
	src.flags(cmd)
	cmd.Flags().BoolVar(&flows, "flows", false, "print every flow record instead of hits; needs no configuration")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	cmd.Flags().StringVar(&history, "history", "", "also keep the flows in the history in this `folder`, which is made if there is none")
	colorFlag(cmd, &color)
	return cmd
}

// printHitTable prints the table after the lines that it sums up, if there are any.
func printHitTable(w io.Writer, table *demo.Table) error {
	if table.Empty() {
		return nil
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return table.Print(w)
}

// newReplay prepares a replay; where flows are wanted, no lists are needed.
func newReplay(cmd *cobra.Command, src *source, flows bool) (*replay.Replay, error) {
	if flows && !cmd.Flags().Changed("config") && len(src.blacklists) == 0 {
		return replay.New(config.Default().Replay(nil)), nil
	}
	cfg, err := src.config()
	if err != nil {
		return nil, err
	}
	set, err := feed.LoadSet(cmd.Context(), cfg.Feed(), cfg.FeedDir(), stderrLog(cmd))
	if err != nil {
		return nil, err
	}
	if !anyAddress(set) {
		fmt.Fprintln(cmd.ErrOrStderr(), "no flow can match: the lists hold no address or network (names and URLs serve lookup and export)")
	}
	options := cfg.Replay(set)
	if options.Geo, err = geo.Open(cfg.Geo, "", stderrLog(cmd)); err != nil {
		return nil, err
	}
	return replay.New(options), nil
}

// anyAddress reports whether set holds any address or network, at whatever time.
func anyAddress(set *intel.Set) bool {
	for range set.All(time.Time{}, func(i *intel.Indicator) bool { return i.Prefix.IsValid() }) {
		return true
	}
	return false
}

func replayFile(cmd *cobra.Command, r *replay.Replay, path string) error {
	in := io.Reader(&interruptible{cmd.Context(), cmd.InOrStdin()})
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	if err := r.Read(cmd.Context(), in); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// interruptible ends a Read that waits, for a terminal or a pipe, with its context.
type interruptible struct {
	ctx context.Context
	in  io.Reader
}

func (r *interruptible) Read(p []byte) (int, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data := make([]byte, len(p)) // p may be read into again when this comes late
		n, err := r.in.Read(data)
		done <- result{data[:n], err}
	}()
	select {
	case got := <-done:
		return copy(p, got.data), got.err
	case <-r.ctx.Done():
		return 0, r.ctx.Err()
	}
}

// printHit prints hits as lines with the syslog header, or as JSON.
func printHit(w io.Writer, asJSON bool) func(*hit.Hit) {
	host, _ := os.Hostname() // "" prints as localhost
	var line []byte
	return func(h *hit.Hit) {
		if asJSON {
			line, _ = json.Marshal(h) // a Hit always marshals
		} else {
			line = hit.AppendLine(hit.AppendHeader(line[:0], h.Time, host, os.Getpid()), h)
		}
		_, _ = w.Write(append(line, '\n')) // Flush reports it
	}
}

func printFlow(w io.Writer, asJSON bool) func(*flow.Record) {
	var line []byte
	return func(r *flow.Record) {
		if asJSON {
			line = r.AppendJSON(line[:0])
		} else {
			line = r.AppendText(line[:0])
		}
		line = append(line, '\n')
		_, _ = w.Write(line) // Flush reports it
	}
}
