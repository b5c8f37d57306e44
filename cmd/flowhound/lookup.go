package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/agent"
	"github.com/flowhound/flowhound/cmd/internal/intel"
)

func lookupCommand() *cobra.Command {
	var src source
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "lookup [-c FILE | --blacklist LIST...] ADDRESS|DOMAIN...",
		Short: "Tell which indicators cover an address or a domain, and why",
		Long: `lookup reads the feeds and prints every indicator that covers each address or
domain, expired ones too. It exits with 3 when nothing that is live does.`,
		Example: "  flowhound lookup 198.51.100.23 bad.example",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			cfg, err := src.config()
			if err != nil {
				return err
			}
			set, err := agent.LoadSet(cmd.Context(), cfg, stderrLog(cmd))
			if err != nil {
				return err
			}
			found := false
			for _, name := range names {
				now := time.Now()
				indicators := indicatorsOn(set, name, now)
				for _, i := range indicators {
					found = found || i.Expires.IsZero() || i.Expires.After(now)
				}
				if err := printIndicators(cmd.OutOrStdout(), name, indicators, now, asJSON); err != nil {
					return err
				}
			}
			if !found {
				return &exitError{code: exitNoMatch}
			}
			return nil
		},
	}
	src.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object for each indicator")
	return cmd
}

func indicatorsOn(set *intel.Set, name string, now time.Time) []intel.Indicator {
	ip, err := netip.ParseAddr(name)
	if err != nil {
		return set.LookupDomain(name, now)
	}
	return append(set.LookupAll(ip), set.LookupDomain(ip.Unmap().String(), now)...)
}

// indicatorJSON is an indicator as lookup --json prints it: the keys of a hit's indicators.
type indicatorJSON struct {
	Query     string         `json:"query"`
	IOC       string         `json:"ioc"`
	Feed      string         `json:"feed"`
	Category  intel.Category `json:"cat"`
	Score     uint8          `json:"score"`
	Port      uint16         `json:"port,omitempty"`
	Ref       string         `json:"ref,omitempty"`
	Name      string         `json:"name,omitempty"`
	Tags      string         `json:"tags,omitempty"`
	FirstSeen time.Time      `json:"first_seen,omitzero"`
	LastSeen  time.Time      `json:"last_seen,omitzero"`
	Expires   time.Time      `json:"expires,omitzero"`
	Expired   bool           `json:"expired,omitempty"`
}

func printIndicators(w io.Writer, query string, indicators []intel.Indicator, now time.Time, asJSON bool) error {
	if len(indicators) == 0 && !asJSON {
		_, err := fmt.Fprintf(w, "%s: no indicator covers it\n", query)
		return err
	}
	for _, i := range indicators {
		j := indicatorJSON{
			Query: query, IOC: ioc(&i), Feed: i.Feed, Category: i.Category, Score: i.Score, Port: i.Port, Ref: i.Ref, Name: i.Name, Tags: i.Tags,
			FirstSeen: i.FirstSeen, LastSeen: i.LastSeen, Expires: i.Expires, Expired: !i.Expires.IsZero() && !i.Expires.After(now),
		}
		if asJSON {
			if err := json.NewEncoder(w).Encode(j); err != nil {
				return err
			}
			continue
		}
		if err := j.print(w); err != nil {
			return err
		}
	}
	return nil
}

func (j *indicatorJSON) print(w io.Writer) error {
	expired := ""
	if j.Expired {
		expired = " (expired: no longer matches)"
	}
	_, err := fmt.Fprintf(w, "%s: %s in feed %s, category %s, score %d%s\n", j.Query, j.IOC, j.Feed, j.Category, j.Score, expired)
	for _, line := range []struct{ label, value string }{
		{"name", j.Name}, {"reference", j.Ref}, {"tags", j.Tags}, {"first seen", day(j.FirstSeen)}, {"last seen", day(j.LastSeen)}, {"expires", day(j.Expires)},
	} {
		if line.value != "" && err == nil {
			_, err = fmt.Fprintf(w, "    %-10s  %s\n", line.label, line.value)
		}
	}
	return err
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// ioc is the indicator as people write it.
func ioc(i *intel.Indicator) string {
	switch {
	case i.URL != "":
		return i.URL
	case i.Domain != "":
		return i.Domain
	case i.Prefix.IsSingleIP():
		return i.Prefix.Addr().String()
	}
	return i.Prefix.String()
}
