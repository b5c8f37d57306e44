package main

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/agent"
	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

func lookupCommand() *cobra.Command {
	var src source
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "lookup [-c FILE | --blacklist LIST...] ADDRESS|DOMAIN|URL...",
		Short: "Tell which indicators cover an address, a domain or a URL, and why",
		Long: `lookup reads the feeds and prints every indicator that covers each address,
domain or URL: which feed says so and why, when it was seen, how its score came
about, what the feeds are worth together, and which mutes hold its alerts back.
Those that an allow list takes away are there too, and those that expired in the
last 90 days. It exits with 3 when no other is.`,
		Example: "  flowhound lookup 198.51.100.23 bad.example hxxp://bad[.]example/gate.php",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			cfg, err := src.config()
			if err != nil {
				return err
			}
			set, err := feed.LoadSet(cmd.Context(), cfg.Feed(), cfg.FeedDir(), stderrLog(cmd))
			if err != nil {
				return err
			}
			found := false
			for _, name := range names {
				a := lookUp(set, agent.Mutes(cfg), name, time.Now())
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
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object for each indicator, allow list entry and mute")
	return cmd
}

// answer is all that is known of one address, domain or URL.
type answer struct {
	query   string
	allowed []intel.AllowEntry // the one on the query, or those on single indicators
	mutes   []alert.Mute       // that may hold its alerts back, depending on who calls
	found   []cover            // best first
	now     time.Time
}

// cover is one indicator that covers the query.
type cover struct {
	intel.Sighting
	allowed bool
}

func (f *cover) live() bool { return !f.Over && !f.allowed }

// lookUp asks the set, past its allow lists: a person wants to see what they hold back.
func lookUp(set *intel.Set, mutes []alert.Mute, query string, now time.Time) answer {
	a := answer{query: query, now: now}
	host, link := hostOf(query)
	ip, err := netip.ParseAddr(host)
	var sightings []intel.Sighting
	if err == nil {
		ip = ip.Unmap()
		host = ip.String()
		sightings = set.LookupAll(ip, now)
		a.mutes = muting(mutes, ip, sightings, now)
	}
	for _, s := range set.LookupDomainAll(host, now) {
		if link == "" || s.URL == "" || s.URL == link {
			sightings = append(sightings, s)
		}
	}
	entry, allowed := set.Allow().Host(host)
	if allowed {
		a.allowed = append(a.allowed, entry)
	}
	for _, s := range sightings {
		parent, parentAllowed := set.Allow().Domain(s.Domain)
		if parentAllowed && !allowed && !slices.Contains(a.allowed, parent) {
			a.allowed = append(a.allowed, parent)
		}
		a.found = append(a.found, cover{s, allowed || parentAllowed})
	}
	return a
}

// hostOf returns the address or name that a query is about, and the URL when it is
// one, both without the marks that keep people from clicking.
func hostOf(query string) (host, link string) {
	var i intel.Indicator
	if why := ingest.Parse(strings.TrimSpace(query), &i); why != "" {
		return query, ""
	}
	switch {
	case i.URL != "":
		if u, ok := intel.SplitURL(i.URL); ok {
			return u.Host, i.URL
		}
	case i.Domain != "":
		return i.Domain, ""
	case i.Prefix.IsSingleIP():
		return i.Prefix.Addr().String(), ""
	}
	return query, ""
}

// muting returns the entries that may mute one of an address's indicators.
func muting(mutes []alert.Mute, ip netip.Addr, on []intel.Sighting, now time.Time) (out []alert.Mute) {
	for _, m := range mutes {
		if !m.Over(now) && slices.ContainsFunc(on, func(s intel.Sighting) bool { return !s.Over && m.Concerns(ip, s.Category) }) {
			out = append(out, m)
		}
	}
	return out
}

// live reports whether any indicator is in force.
func (a *answer) live() bool {
	return slices.ContainsFunc(a.found, func(f cover) bool { return f.live() })
}
