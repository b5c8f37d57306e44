package exporters

import (
	"fmt"
	"maps"
	"net/netip"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
	"github.com/flowhound/flowhound/plugin/hit"
)

const (
	silentAfter = 5 * time.Minute // longer than the active timeout of most exporters
	maxLines    = 100             // within finding.RepeatAfter: forged exporters must not flood the log
	maxNew      = 20              // of them on exporters that have not proved themselves
)

// watch knows what was last said of each exporter, and what has to be said next. It
// belongs to one goroutine.
type watch struct {
	exporters map[netip.Addr]*exporter

	forgotten finding.Moves // of all decoders

	// said counts the lines since saidSince, saidNew those of them on newcomers, left
	// those that were one too many.
	said, saidNew, left int
	saidSince           time.Time
}

// exporter is what was last said of one.
type exporter struct {
	silent         bool
	slow           time.Duration // of its clock, as was said
	lost, unread   finding.Moves
	guessed        finding.Moves
	lastDatagramAt time.Time
}

// clockMoves is by how much an exporter's clock must have moved to be told of again.
const clockMoves = 5 * time.Second

// clockOf says how an exporter's clock is.
func clockOf(slow time.Duration) string {
	switch {
	case slow > 0:
		return fmt.Sprintf("its clock is %s slow; the times of its flows are corrected, but set its clock by NTP", slow.Round(time.Second))
	case slow < 0:
		return fmt.Sprintf("its clock is %s fast; the times of its flows are corrected, but set its clock by NTP", (-slow).Round(time.Second))
	}
	return "its clock is right again"
}

func newWatch() *watch { return &watch{exporters: map[netip.Addr]*exporter{}} }

// look compares what the decoders count now with what was said, and returns the
// lines that are due. Exporters that the decoders forgot are
// forgotten here, too.
func (c *watch) look(now time.Time, stats []netflow.ExporterStats, forgotten uint64) []hit.Status {
	var lines, newcomers []hit.Status
	to := &lines
	say := func(from netip.Addr, status, format string, args ...any) {
		*to = append(*to, hit.Status{Part: hit.Collector, Status: status, Exporter: from, Msg: fmt.Sprintf(format, args...)})
	}
	if n := c.forgotten.Since(forgotten, now); n > 0 {
		say(netip.Addr{}, "loss", "%d exporters were evicted: more addresses send NetFlow than are kept; if they are forged, list your exporters in exporters.allow, else raise exporters.max", n)
	}
	present := make(map[netip.Addr]bool, len(stats))
	for _, s := range stats {
		present[s.Exporter] = true
		if to = &lines; s.Newcomer {
			to = &newcomers
		}
		w, known := c.exporters[s.Exporter]
		switch {
		case !known:
			w = &exporter{}
			c.exporters[s.Exporter] = w
			say(s.Exporter, "ok", "sends %s", protocols(&s))
		case w.silent && s.LastSeen.After(w.lastDatagramAt):
			w.silent = false
			say(s.Exporter, "ok", "sends again after %s", s.LastSeen.Sub(w.lastDatagramAt).Round(time.Second))
		case !w.silent && !s.Newcomer && now.Sub(s.LastSeen) > silentAfter:
			w.silent = true
			say(s.Exporter, "silent", "no datagrams since %s: is the exporter up, and does it still export to this host?", s.LastSeen.UTC().Format(time.RFC3339))
		}
		w.lastDatagramAt = s.LastSeen
		if off := (s.Slow - w.slow).Abs(); off > clockMoves || s.Slow == 0 && w.slow != 0 {
			w.slow = s.Slow
			say(s.Exporter, "ok", "%s", clockOf(s.Slow))
		}
		if n := w.lost.Since(s.Lost.Sum(), now); n > 0 {
			say(s.Exporter, "loss", "%s lost between the exporter and this host, by its sequence numbers", lost(&s, n))
		}
		if n := w.unread.Since(s.HeldDropped, now); n > 0 && s.Missing.ID != 0 {
			say(s.Exporter, "template", "template %d of domain %d has not arrived: %d sets of flows could not be read; let the exporter send its templates every minute",
				s.Missing.ID, s.Missing.Domain, n)
		}
		if n := w.guessed.Since(s.SamplingGuessed, now); n > 0 {
			say(s.Exporter, "template", "%d flows name no sampler, and its samplers have different rates: 1 in %d is used, the last one it sent; configure it to send the sampler id with its flow records, or set exporters.sampling",
				n, s.GuessedRate)
		}
	}
	maps.DeleteFunc(c.exporters, func(a netip.Addr, _ *exporter) bool { return !present[a] })
	return c.limit(now, lines, newcomers)
}

// limit lets maxLines through within finding.RepeatAfter, maxNew of them on newcomers, and
// then says how many it kept back.
func (c *watch) limit(now time.Time, lines, newcomers []hit.Status) []hit.Status {
	var kept []hit.Status
	if now.Sub(c.saidSince) >= finding.RepeatAfter {
		if c.left > 0 {
			kept = append(kept, hit.Status{Part: hit.Collector, Status: "ok", Msg: fmt.Sprintf("%d more lines on exporters were left out; see the metrics", c.left)})
		}
		c.said, c.saidNew, c.left, c.saidSince = 0, 0, 0, now
	}
	n := min(len(lines), maxLines-c.said)
	k := min(len(newcomers), maxNew-c.saidNew, maxLines-c.said-n)
	c.said += n + k
	c.saidNew += k
	c.left += len(lines) - n + len(newcomers) - k
	return append(append(kept, lines[:n]...), newcomers[:k]...)
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
