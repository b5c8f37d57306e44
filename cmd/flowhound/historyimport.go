package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"
	_ "time/tzdata" // --timezone also where the system has no zones

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/control/flows"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/flow/printed"
	"github.com/flowhound/flowhound/cmd/internal/geo"
	"github.com/flowhound/flowhound/cmd/internal/history/foreign"
	"github.com/flowhound/flowhound/plugin/text"
)

// agent is who changes the history: that of a configuration where it runs, or this process.
func (e *historyDir) agent(cmd *cobra.Command) (*flows.Agent, error) {
	log := stderrLog(cmd)
	if e.dir != "" {
		a := flows.Of(e.dir)
		a.Log = log
		part, err := geo.Open(geo.Config{}, "", log)
		if err == nil {
			a.Places = part.CountryAndAS
		}
		return a, err
	}
	cfg, err := loadConfig(e.config)
	if err != nil {
		return nil, err
	}
	part, err := geo.Open(cfg.Geo, learnedPath(cfg), log)
	if err != nil {
		return nil, err
	}
	return &flows.Agent{RunDir: cfg.RunDir, Config: cfg.Flows(), Places: part.CountryAndAS, Log: log}, nil
}

func historyImportCommand(e *historyDir) *cobra.Command {
	var zone, exporter string
	var o printed.Options
	cmd := &cobra.Command{
		Use:   "import [-c FILE | --history DIR] FILE...",
		Short: "Import flows from nfdump, SiLK or a capture",
		Long: `import reads captures of NetFlow and IPFIX datagrams (pcap, pcapng, gzip, zstd) and
text that other tools print, "-" is standard input:

  nfdump -r nfcapd.202606071040 -o json     or -o csv, -o line6, -o long6, -o extended6, with -N
  rwcut --fields=sIP,dIP,sPort,dPort,protocol,packets,bytes,flags,sTime,duration in.rw

nfdump prints local time and SiLK UTC; --timezone says otherwise. nfcapd has
multiplied the counters of sampling routers already; SiLK has not (--sampling). A line
that cannot be read, or whose numbers were rounded, is reported and left out. Flows go to
the day on which they arrived: what is older than history.keep does not stay. Indicators
are not hunted for in them: flowhound hunt does that.`,
		Example: `  nfdump -R /var/cache/nfdump -o json | flowhound history import --timezone Europe/Oslo -
  flowhound history import --history /tmp/flows old.pcap.gz`,
		Args: someArgs("name a file, for example: flowhound history import nfdump.csv"),
		RunE: func(cmd *cobra.Command, files []string) (err error) {
			if zone != "" {
				if o.Zone, err = time.LoadLocation(zone); err != nil {
					return usageError(fmt.Errorf("--timezone: %q is not a time zone such as UTC or Europe/Oslo", zone))
				}
			}
			if exporter != "" {
				a, err := netip.ParseAddr(exporter)
				if err != nil {
					return usageError(fmt.Errorf("--exporter: %q is not an address", exporter))
				}
				o.Exporter = flow.AddrFrom(a)
			}
			a, err := e.agent(cmd)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, a.Close(cmd.Context())) }()
			r := foreign.NewReader(o)
			failed := false
			for _, name := range files {
				result, err := importFile(cmd, r, a, name)
				printImport(cmd, name, &result, err)
				warnOfTimes(cmd, name, &result, a.Config.Keep)
				if errors.Is(err, cmd.Context().Err()) && err != nil {
					return err
				}
				if err != nil {
					fmt.Fprintf(cmd.ErrOrStderr(), "flowhound: %s: %v\n", text.Screen(name), err)
				}
				failed = failed || err != nil || result.Records == 0
			}
			if failed {
				return &exitError{code: exitFailed}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&zone, "timezone", "", "the time `zone` of times that do not name one, such as UTC or Europe/Oslo")
	cmd.Flags().StringVar(&exporter, "exporter", "", "the `address` of the exporter, if the input does not name it")
	cmd.Flags().Uint32Var(&o.Sampling, "sampling", 0, "the sampling `rate`, if the counters are not yet multiplied by it")
	return cmd
}

func importFile(cmd *cobra.Command, r *foreign.Reader, a *flows.Agent, name string) (foreign.Result, error) {
	in := io.Reader(&interruptible{cmd.Context(), cmd.InOrStdin()})
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return foreign.Result{}, err
		}
		defer f.Close()
		in = f
	}
	return r.Read(cmd.Context(), in, func(records []flow.Record) error { return a.Add(cmd.Context(), records) })
}

// warnOfTimes says what the agent removes soon, and what it keeps for longer than meant.
func warnOfTimes(cmd *cobra.Command, name string, r *foreign.Result, keep time.Duration) {
	if r.Records == 0 {
		return
	}
	now := time.Now()
	if oldest := now.Add(-keep); keep > 0 && r.First.Before(oldest) {
		fmt.Fprintf(cmd.ErrOrStderr(), "flowhound: %s: the flows before %s are older than history.keep; the agent removes them within minutes\n",
			text.Screen(name), oldest.UTC().Format(time.RFC3339))
	}
	if r.Last.After(now.Add(24 * time.Hour)) {
		fmt.Fprintf(cmd.ErrOrStderr(), "flowhound: %s: flows carry times that are still to come; is the time zone (--timezone) or the router's clock wrong?\n", text.Screen(name))
	}
}

// printImport says what a file held.
func printImport(cmd *cobra.Command, name string, r *foreign.Result, err error) {
	if r.Records > 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, %s to %s (%s)\n", text.Screen(name), counted(int(r.Records), "flow", "flows"),
			r.First.UTC().Format(time.RFC3339), r.Last.UTC().Format(time.RFC3339), r.Format)
	} else if r.Format != "" && err == nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "flowhound: %s holds no flow\n", text.Screen(name))
	}
	if r.Bad == 0 {
		return
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s not read\n", text.Screen(name), counted(int(r.Bad), "record was", "records were"))
	for _, why := range r.Why {
		fmt.Fprintf(cmd.ErrOrStderr(), "  %s\n", text.Screen(why))
	}
}
