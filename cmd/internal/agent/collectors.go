package agent

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
	"github.com/flowhound/flowhound/plugin/hit"
)

const (
	silentAfter = 5 * time.Minute  // longer than the active timeout of most exporters
	sayAgain    = 10 * time.Minute // the least time between two lines on one trouble of one exporter
	maxLines    = 100              // on exporters within sayAgain: forged ones must not flood the log
)

// collectors knows what was last said of each exporter, and what has to be said
// next. It belongs to one goroutine.
type collectors struct {
	exporters map[netip.Addr]*exporterWatch
	drops     trouble // the kernel's, all sockets together

	// said counts the lines since saidSince, left those that were one too many.
	said, left uint64
	saidSince  time.Time
}

// exporterWatch is what was last said of one exporter.
type exporterWatch struct {
	silent         bool
	lost, unread   trouble
	guessed        trouble
	lastDatagramAt time.Time
}

// trouble is a counter whose moves are worth a line, but not each.
type trouble struct {
	said   uint64 // the count that the last line covered
	saidAt time.Time
}

// moved returns by how much count rose since the last line, or 0 while it is too
// early for the next.
func (t *trouble) moved(count uint64, now time.Time) uint64 {
	if count <= t.said || now.Sub(t.saidAt) < sayAgain {
		return 0
	}
	n := count - t.said
	t.said, t.saidAt = count, now
	return n
}

func newCollectors() *collectors {
	return &collectors{exporters: map[netip.Addr]*exporterWatch{}}
}

// look compares what the decoders and sockets count now with what was said, and
// returns the lines that are due. Exporters that the decoders forgot are
// forgotten here, too.
func (c *collectors) look(now time.Time, stats []netflow.ExporterStats, kernelDrops uint64) []hit.Status {
	var lines []hit.Status
	say := func(exporter netip.Addr, status, format string, args ...any) {
		lines = append(lines, hit.Status{Part: hit.Collector, Status: status, Exporter: exporter, Msg: fmt.Sprintf(format, args...)})
	}
	if n := c.drops.moved(kernelDrops, now); n > 0 {
		say(netip.Addr{}, "loss", "%d datagrams dropped by this host's kernel: the socket buffer was full; raise net.core.rmem_max to 67108864 or use a faster machine", n)
	}
	present := make(map[netip.Addr]bool, len(stats))
	for _, s := range stats {
		present[s.Exporter] = true
		w, known := c.exporters[s.Exporter]
		switch {
		case !known:
			w = &exporterWatch{}
			c.exporters[s.Exporter] = w
			say(s.Exporter, "ok", "sends %s", protocols(&s))
		case w.silent && s.LastSeen.After(w.lastDatagramAt):
			w.silent = false
			say(s.Exporter, "ok", "sends again after %s", s.LastSeen.Sub(w.lastDatagramAt).Round(time.Second))
		case !w.silent && now.Sub(s.LastSeen) > silentAfter:
			w.silent = true
			say(s.Exporter, "silent", "nothing came since %s: is the exporter up, and does it still export to this host?", s.LastSeen.UTC().Format(time.RFC3339))
		}
		w.lastDatagramAt = s.LastSeen
		if n := w.lost.moved(sum(s.Lost), now); n > 0 {
			say(s.Exporter, "loss", "%s lost between the exporter and this host, by its sequence numbers", lost(&s, n))
		}
		if n := w.unread.moved(s.HeldDropped, now); n > 0 && s.Missing.ID != 0 {
			say(s.Exporter, "template", "template %d of domain %d has not come: %d sets of flows could not be read; let the exporter send its templates every minute",
				s.Missing.ID, s.Missing.Domain, n)
		}
		if n := w.guessed.moved(s.SamplingGuessed, now); n > 0 {
			say(s.Exporter, "template", "%d flows name no sampler, and its samplers have different rates: 1 in %d was taken, the last that it told; let its flow records carry the sampler id, or set exporters.sampling",
				n, s.GuessedRate)
		}
	}
	maps.DeleteFunc(c.exporters, func(a netip.Addr, _ *exporterWatch) bool { return !present[a] })
	return c.limit(now, lines)
}

// limit lets maxLines through within sayAgain, and then says how many it kept back.
func (c *collectors) limit(now time.Time, lines []hit.Status) []hit.Status {
	var kept []hit.Status
	if now.Sub(c.saidSince) >= sayAgain {
		if c.left > 0 {
			kept = append(kept, hit.Status{Part: hit.Collector, Status: "ok", Msg: fmt.Sprintf("%d more lines on exporters were left out; see the metrics", c.left)})
		}
		c.said, c.left, c.saidSince = 0, 0, now
	}
	for _, l := range lines {
		if c.said >= maxLines {
			c.left++
			continue
		}
		c.said++
		kept = append(kept, l)
	}
	return kept
}

func sum(v netflow.PerVersion) (n uint64) {
	for _, x := range v {
		n += x
	}
	return n
}

func protocols(s *netflow.ExporterStats) string {
	text := ""
	for i, name := range []string{"NetFlow v5", "NetFlow v9", "IPFIX"} {
		if s.Datagrams[i] > 0 {
			if text != "" {
				text += " and "
			}
			text += name
		}
	}
	if text == "" {
		return "datagrams that are no NetFlow"
	}
	return text
}

// lost names the unit: the versions count different things.
func lost(s *netflow.ExporterStats, n uint64) string {
	switch {
	case s.Lost[0] > 0:
		return fmt.Sprintf("%d flows", n)
	case s.Lost[1] > 0:
		return fmt.Sprintf("%d datagrams", n)
	}
	return fmt.Sprintf("%d records", n)
}

// decoderStats returns what each worker's decoder counts.
func (a *Agent) decoderStats() []netflow.Stats {
	workers := a.stage.Workers()
	stats := make([]netflow.Stats, len(workers))
	for i, w := range workers {
		stats[i] = w.Decoder().Stats()
	}
	return stats
}

// exportersOf returns the counters of all exporters in the order of their
// addresses, those that reach several workers or ports added up.
func exportersOf(stats []netflow.Stats) []netflow.ExporterStats {
	byAddr := map[netip.Addr]*netflow.ExporterStats{}
	for _, d := range stats {
		for _, s := range d.Exporters {
			gather(byAddr, s.Exporter, s)
		}
	}
	all := make([]netflow.ExporterStats, 0, len(byAddr))
	for _, s := range byAddr {
		all = append(all, *s)
	}
	slices.SortFunc(all, func(x, y netflow.ExporterStats) int { return x.Exporter.Compare(y.Exporter) })
	return all
}

// gather adds s to what into has under key.
func gather[K comparable](into map[K]*netflow.ExporterStats, key K, s netflow.ExporterStats) {
	if known, ok := into[key]; ok {
		known.Add(&s)
	} else {
		into[key] = &s
	}
}

func (a *Agent) kernelDrops() (n uint64) {
	for _, l := range a.listeners {
		n += l.Drops()
	}
	return n
}
