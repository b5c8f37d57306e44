package agent_test

import (
	"log/slog"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/replay"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// pair is who a hit speaks of.
type pair struct{ local, remote netip.Addr }

// TestDay replays a day of mixed traffic: what a person reads of it must be short,
// right and complete.
func TestDay(t *testing.T) {
	peer.Long(t)
	d, err := writeDay(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	hits, summary := replayDay(t, d)
	if int(summary.Flows) != d.Records {
		t.Errorf("%d flows read, %d were written", summary.Flows, d.Records)
	}
	if int(summary.HitFlows) != d.HitRecords {
		t.Errorf("%d flows hit, %d were planted", summary.HitFlows, d.HitRecords)
	}

	var told uint64
	probes, beacons := 0, 0
	worst := map[pair]hit.Severity{}
	ids := map[string]bool{}
	for _, h := range hits {
		told += h.Count
		if ids[h.ID] {
			t.Errorf("two lines have the id %s", h.ID)
		}
		ids[h.ID] = true
		p := pair{h.Local, h.Remote}
		worst[p] = max(worst[p], h.Severity)
		switch {
		case h.Direction == hit.Inbound && h.State == hit.Attempt && h.Category == "scanner":
			probes++
		case p == (pair{d.Beacon.Local, d.Beacon.Remote}):
			beacons++
		}
	}
	if int(told) != d.HitRecords {
		t.Errorf("the lines' counts add up to %d, but %d flows hit", told, d.HitRecords)
	}
	t.Logf("%d probes became %d lines, %d beacons %d, all hits %d lines", dayProbes, probes, dayBeacons, beacons, len(hits))
	if probes >= 120 {
		t.Errorf("%d probes became %d lines, want fewer than 120", dayProbes, probes)
	}
	if beacons < 8 || beacons > 14 {
		t.Errorf("a host that beacons every five minutes gave %d lines, want about ten", beacons)
	}
	checkPlanted(t, d, worst)
}

// checkPlanted holds every planted compromise to its severity.
func checkPlanted(t *testing.T, d *day, worst map[pair]hit.Severity) {
	t.Helper()
	for _, p := range d.Planted {
		if got, ok := worst[pair{p.Local, p.Remote}]; !ok || got != p.Severity {
			t.Errorf("%s %s score %d (%s, %s): severity %s (said: %v), want %s", p.Column, p.Category, p.Score, p.Local, p.Remote, got, ok, p.Severity)
		}
	}
}

func replayDay(t *testing.T, d *day) ([]hit.Hit, replay.Summary) {
	t.Helper()
	cfg := config.Default()
	cfg.Feeds, cfg.Networks.Local = d.Feeds, d.Local
	return replayWith(t, cfg, d)
}

func replayWith(t *testing.T, cfg *config.Config, d *day) ([]hit.Hit, replay.Summary) {
	t.Helper()
	set, err := feed.LoadSet(t.Context(), cfg.Feed(), cfg.FeedDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var hits []hit.Hit
	r := replay.New(cfg.Replay(set))
	var last time.Time
	r.OnHit = func(h *hit.Hit) {
		if h.Time.Before(last) {
			t.Errorf("line %s is of %s, after one of %s", h.ID, h.Time, last)
		}
		last = h.Time
		hits = append(hits, *h)
	}
	f, err := os.Open(d.Capture)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := r.Read(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	summary := r.Close() // says what is held
	return hits, summary
}
