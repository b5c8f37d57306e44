package feed

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/cmd/internal/metric"
)

var (
	descIndicators = metric.Desc("indicators", "Indicators in use, by feed.", "feed")
	descChanged    = metric.Desc("indicators_changed", "Indicators that the last new version of a feed added, removed or changed, by feed.", "feed", "change")
	descAllowed    = metric.Desc("indicators_allowed", "Indicators left out because an allow list covers them, by feed.", "feed")
	descAllow      = metric.Desc("allow_entries", "Entries of an allow list, by file.", "list")
	descAge        = metric.Desc("feed_age_seconds", "Time since a feed was last known to be up to date, by feed.", "feed")
	descErrors     = metric.Desc("feed_errors_total", "Failures to fetch or read a feed, by feed.", "feed")
	descFetches    = metric.Desc("feed_fetches_total", "Successful fetches of a feed, by feed and whether they brought a new version.", "feed", "result")
	descLeftOut    = metric.Desc("feed_left_out", "Indicators of a feed that are not in use, by feed and reason.", "feed", "reason")
	descSwap       = metric.Desc("set_swap_seconds", "Time that the last build of the set of indicators took.")
	descReload     = metric.Desc("reload_timestamp_seconds", "Unix time at which indicators or configuration were last swapped in.")
)

// Describe sends nothing: which series exist depends on the feeds.
func (k *Keeper) Describe(chan<- *prometheus.Desc) {}

// Collect tells how the feeds are.
func (k *Keeper) Collect(ch chan<- prometheus.Metric) {
	m := metric.To(ch)
	for _, s := range k.States() {
		if s.Type == TypeAllow {
			m.Gauge(descAllow, float64(s.Indicators), s.Path)
			continue
		}
		m.Gauge(descIndicators, float64(s.Indicators), s.Name)
		m.Gauge(descChanged, float64(s.Change.Added), s.Name, "added")
		m.Gauge(descChanged, float64(s.Change.Removed), s.Name, "removed")
		m.Gauge(descChanged, float64(s.Change.Changed), s.Name, "changed")
		m.Gauge(descAllowed, float64(s.Drops[ingest.Allowed].Count), s.Name)
		m.Counter(descErrors, uint64(s.Errors), s.Name)
		if s.URL != "" {
			m.Counter(descFetches, uint64(s.Fetches), s.Name, "changed")
			m.Counter(descFetches, uint64(s.Unchanged), s.Name, "unchanged")
		}
		for reason, drop := range s.Drops {
			m.Gauge(descLeftOut, float64(drop.Count), s.Name, string(reason))
		}
		switch {
		case s.FreshAt.IsZero():
		case s.URL == "": // its file is watched: what was read last is the newest
			m.Gauge(descAge, time.Since(s.LoadedAt).Seconds(), s.Name)
		default:
			m.Gauge(descAge, max(time.Since(s.FreshAt), 0).Seconds(), s.Name)
		}
	}
	k.mu.Lock()
	swapped, took := k.swapped, k.took
	k.mu.Unlock()
	m.Gauge(descSwap, took.Seconds())
	m.Gauge(descReload, float64(swapped.UnixNano())/1e9)
}
