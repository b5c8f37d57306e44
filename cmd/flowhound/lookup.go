package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

func lookupCommand() *cobra.Command {
	var src source
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "lookup [-c FILE | --blacklist LIST...] ADDRESS|NETWORK|DOMAIN|URL...",
		Short: "Show which indicators cover an address, a network, a domain or a URL, and why",
		Long: `lookup reads the feeds and prints every indicator that covers each address,
network, domain or URL: which feed says so and why, when it was seen, how its
score was computed, the score of all feeds together, and which mutes apply.
Indicators that an allow list removes are shown too, and those that expired in the
last 90 days. For a network it also shows the indicators inside it. It shows the
country and the owner of an address, and whether country databases disagree. With a
configuration it adds the alerts of the last 7 days, and from the history all hosts
that talked to the address: first, last, how much, and how regularly. The exit status
is 3 when nothing matched.`,
		Example: `  flowhound lookup 198.51.100.23 bad.example hxxp://bad[.]example/gate.php
  flowhound lookup 198.51.100.0/24`,
		Args: someArgs("name an address, a network, a domain or a URL, for example: flowhound lookup 198.51.100.7"),
		RunE: func(cmd *cobra.Command, names []string) error {
			return runLookup(cmd, &src, names, asJSON)
		},
	}
	src.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object for each indicator, allow list entry and mute")
	return cmd
}

// runLookup prints what is known of each name.
func runLookup(cmd *cobra.Command, src *source, names []string, asJSON bool) error {
	queries, err := parseQueries(names)
	if err != nil {
		return usageError(err)
	}
	cfg, err := src.config()
	if err != nil {
		return err
	}
	feeds := cfg.Feed()
	set, err := feed.LoadSet(cmd.Context(), feeds, cfg.FeedDir(), stderrLog(cmd))
	if err != nil {
		return err
	}
	policy := ingest.NewPolicy(feeds.Local, feeds.Exporters...)
	learned := ""
	if len(src.blacklists) == 0 {
		learned = learnedPath(cfg)
	}
	where := openPlaces(cfg.Geo, learned, stderrLog(cmd))
	found := false
	for _, q := range queries {
		a := lookUp(set, cfg.Mute, q, time.Now())
		if q.network.IsValid() {
			a.unused = policy.Reject(q.network)
		}
		found = found || a.live()
		if err := a.print(cmd.OutOrStdout(), asJSON); err != nil {
			return err
		}
		if err := where.print(cmd.OutOrStdout(), q, time.Now(), asJSON); err != nil {
			return err
		}
		if len(src.blacklists) > 0 {
			continue
		}
		if err := printAlerts(cmd.OutOrStdout(), q, cfg.Log.Path, time.Now(), asJSON); err != nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "flowhound: %v\n", err)
		}
		if err := printContacts(cmd, cfg, q, asJSON); cmd.Context().Err() != nil {
			return err
		} else if err != nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "flowhound: %v\n", err)
		}
	}
	if !found {
		return &exitError{code: exitNoMatch}
	}
	return nil
}

// query is what a person asks about: a network (of one address, mostly), a name, or
// a URL and the name or address in it.
type query struct {
	text    string // as given
	network netip.Prefix
	name    string // of a domain, or of a URL whose host is not an address
	url     string
	unused  ingest.Reason // why no feed can list it; "": one can
}

// parseQueries reads all queries before any is answered. Marks that keep people from
// clicking do no harm.
func parseQueries(texts []string) ([]query, error) {
	out := make([]query, len(texts))
	for n, text := range texts {
		var i intel.Indicator
		why := ingest.Parse(strings.TrimSpace(text), &i)
		if why == ingest.Unreadable {
			return nil, fmt.Errorf("%q cannot be looked up: %s", text, why)
		}
		q := query{text: text, network: i.Prefix, name: i.Domain, url: i.URL, unused: why}
		if q.url != "" {
			if u, ok := intel.SplitURL(q.url); ok {
				q.name = u.Host
			}
			if ip, err := netip.ParseAddr(q.name); err == nil {
				q.name, q.network = "", netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen())
			}
		}
		out[n] = q
	}
	return out, nil
}

// host is the name, or the address where the query is about one; "" for a network.
func (q *query) host() string {
	if q.network.IsSingleIP() {
		return q.network.Addr().String()
	}
	return q.name
}

// answer is all that is known of one query.
type answer struct {
	query   string
	unused  ingest.Reason      // why no feed can list it; "": one can
	allowed []intel.AllowEntry // the one on the query, or those on single indicators
	mutes   []alert.Mute       // that may hold its alerts back, depending on who calls
	found   []cover            // best first
	within  []intel.Indicator  // of a network: what matches in it, by address
	// shared is the content network, and scanner the research project, whose address
	// it is.
	shared, scanner string
	now             time.Time
}

// cover is one indicator that covers the query.
type cover struct {
	intel.Sighting
	allowed bool
}

func (f *cover) live() bool { return !f.Over && !f.allowed }

// lookUp asks the set, past its allow lists: a person wants to see what they hold back.
func lookUp(set *intel.Set, mutes []alert.Mute, q query, now time.Time) answer {
	a := answer{query: q.text, unused: q.unused, now: now, shared: set.Labels().Shared(q.network), scanner: set.Labels().Scanner(q.network)}
	var sightings []intel.Sighting
	if q.network.IsValid() {
		for _, s := range set.LookupAll(q.network.Addr(), now) {
			if s.Prefix.Bits() <= q.network.Bits() {
				sightings = append(sightings, s)
			}
		}
	}
	if q.network.IsSingleIP() {
		a.mutes = muting(mutes, q.network.Addr(), sightings, now)
	} else if q.network.IsValid() {
		a.within = within(set, q.network, now)
	}
	host := q.host()
	for _, s := range set.LookupDomainAll(host, now) {
		if q.url == "" || s.URL == "" || s.URL == q.url {
			sightings = append(sightings, s)
		}
	}
	entry, allowed := set.Allow().Host(host)
	if host == "" {
		entry, allowed = set.Allow().Network(q.network)
	}
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

// within returns the indicators that match a part of the network.
func within(set *intel.Set, network netip.Prefix, now time.Time) []intel.Indicator {
	inside := func(i *intel.Indicator) bool {
		return i.Prefix.IsValid() && i.Prefix.Bits() > network.Bits() && network.Contains(i.Prefix.Addr())
	}
	return slices.Collect(set.All(now, inside))
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
	return len(a.within) > 0 || slices.ContainsFunc(a.found, func(f cover) bool { return f.live() })
}
