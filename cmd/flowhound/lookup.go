package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
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
domain, those that an allow list takes away too. It exits with 3 when no other
does. Indicators that had expired when their feed was read are not there.`,
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
				a := lookUp(set, name, time.Now())
				found = found || a.live()
				if err := a.print(cmd.OutOrStdout(), asJSON); err != nil {
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

// answer is all that is known of one address or domain.
type answer struct {
	query      string
	allowed    []intel.AllowEntry // the one on the query, or those on single indicators
	indicators []indicatorJSON
}

// lookUp asks the set, past its allow lists: a person wants to see what they hold back.
func lookUp(set *intel.Set, query string, now time.Time) answer {
	a := answer{query: query}
	var indicators []intel.Sighting
	if ip, err := netip.ParseAddr(query); err == nil {
		ip = ip.Unmap()
		indicators = append(set.LookupAll(ip, now), set.LookupDomainAll(ip.String(), now)...)
	} else {
		indicators = set.LookupDomainAll(query, now)
	}
	entry, allowed := set.Allow().Host(query)
	if allowed {
		a.allowed = append(a.allowed, entry)
	}
	for _, i := range indicators {
		parent, parentAllowed := set.Allow().Domain(i.Domain)
		if parentAllowed && !allowed && !slices.Contains(a.allowed, parent) {
			a.allowed = append(a.allowed, parent)
		}
		a.indicators = append(a.indicators, indicatorJSON{
			Query: query, IOC: ioc(&i.Indicator), Feed: i.Feed, Category: i.Category, Score: i.Score, Port: i.Port, Ref: i.Ref, Name: i.Name, Tags: i.Tags,
			FirstSeen: i.FirstSeen, LastSeen: i.LastSeen, Expires: i.Expires, Expired: i.Over,
			Allowed: allowed || parentAllowed,
		})
	}
	return a
}

// live reports whether any indicator is in force.
func (a *answer) live() bool {
	return slices.ContainsFunc(a.indicators, func(j indicatorJSON) bool { return !j.Expired && !j.Allowed })
}

func (a *answer) print(w io.Writer, asJSON bool) error {
	if len(a.indicators)+len(a.allowed) == 0 && !asJSON {
		_, err := fmt.Fprintf(w, "%s: no indicator covers it\n", a.query)
		return err
	}
	for _, e := range a.allowed {
		if err := printAllowed(w, a.query, e, asJSON); err != nil {
			return err
		}
	}
	for _, j := range a.indicators {
		show := j.print
		if asJSON {
			show = func(w io.Writer) error { return json.NewEncoder(w).Encode(j) }
		}
		if err := show(w); err != nil {
			return err
		}
	}
	return nil
}

// allowedJSON is an entry of an allow list as lookup --json prints it.
type allowedJSON struct {
	Query     string `json:"query"`
	IOC       string `json:"ioc"` // what is allowed: the query, or what it lies in
	AllowedBy string `json:"allowed_by"`
	Reason    string `json:"reason,omitempty"`
}

func printAllowed(w io.Writer, query string, e intel.AllowEntry, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(allowedJSON{query, e.String(), e.List, e.Reason})
	}
	reason := ""
	if e.Reason != "" {
		reason = ", " + e.Reason
	}
	_, err := fmt.Fprintf(w, "%s: allowed by %s: %s%s\n", query, e.List, e, reason)
	return err
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
	Allowed   bool           `json:"allowed,omitempty"`
}

func (j *indicatorJSON) print(w io.Writer) error {
	state := ""
	switch {
	case j.Allowed:
		state = " (allowed: does not match)"
	case j.Expired:
		state = " (expired: no longer matches)"
	}
	_, err := fmt.Fprintf(w, "%s: %s in feed %s, category %s, score %d%s\n", j.Query, j.IOC, j.Feed, j.Category, j.Score, state)
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
