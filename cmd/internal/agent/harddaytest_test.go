package agent_test

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/replay"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// hardOffset is how slow edge's clock is.
const hardOffset = -40 * time.Second

// write exports the planned records, each exporter once a second. dist and core
// restart during the day: their clocks, sequence numbers and templates begin anew.
func (d *hardDay) write(path string) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	buffered := bufio.NewWriterSize(file, 1<<20)
	capture, err := newDayCapture(buffered)
	if err != nil {
		return err
	}
	slices.SortStableFunc(d.records, func(a, b hardRecord) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.from, b.from)) })
	exporters := []*dayExporter{
		{addr: netip.MustParseAddr("192.0.2.1"), version: 9, boot: d.start.Add(-50 * time.Hour)},
		{addr: netip.MustParseAddr("192.0.2.2"), version: 5, boot: d.start.Add(-90 * time.Hour)},
		{addr: netip.MustParseAddr("192.0.2.3"), version: 10, boot: d.start.Add(-9 * time.Hour)},
	}
	offset := []time.Duration{0, 400 * time.Millisecond, hardOffset}
	send := func(n int, at time.Time, datagram []byte) error {
		if datagram == nil {
			return nil
		}
		return capture.write(exporters[n].addr, at, datagram)
	}
	second := d.start
	restarts := []time.Time{d.start.Add(13 * time.Hour), d.start.Add(17 * time.Hour)}
	for _, r := range d.records {
		for ; r.at.Sub(second) >= time.Second; second = second.Add(time.Second) {
			for n, e := range exporters {
				at := second.Add(time.Second)
				if err := send(n, at, e.flush(at.Add(offset[n]))); err != nil {
					return err
				}
				if n < len(restarts) && at.Equal(restarts[n]) {
					*e = dayExporter{addr: e.addr, version: e.version, boot: at.Add(-2 * time.Minute)}
				}
			}
		}
		f := r.f
		f.start, f.end = f.start.Add(offset[r.from]), f.end.Add(offset[r.from])
		if err := send(r.from, r.at, exporters[r.from].add(f, r.at.Add(offset[r.from]))); err != nil {
			return err
		}
	}
	for n, e := range exporters {
		if err := send(n, second.Add(2*time.Second), e.flush(second.Add(2*time.Second).Add(offset[n]))); err != nil {
			return err
		}
	}
	return buffered.Flush()
}

// configured writes the lists and returns the configuration of the day.
func (d *hardDay) configured(t *testing.T) *config.Config {
	t.Helper()
	cfg := config.Default()
	var err error
	if cfg.Feeds, err = d.feeds(); err != nil {
		t.Fatal(err)
	}
	cfg.Networks.Local = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("203.0.113.0/24")}
	return cfg
}

// TestHardDay: a day of a thousand hosts must be short enough to be read, and hide
// nothing, also where nobody has told which addresses hosts are translated to. With
// FLOWHOUND_DAY=DIR the captures and the lists stay there, a folder each.
func TestHardDay(t *testing.T) {
	peer.Long(t)
	for _, mix := range hardMixes {
		t.Run(mix.name, func(t *testing.T) {
			dir := t.TempDir()
			if keep := os.Getenv("FLOWHOUND_DAY"); keep != "" {
				dir = filepath.Join(keep, mix.name)
				if err := os.MkdirAll(dir, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			d := newHardDay(dir, mix)
			capture := filepath.Join(dir, "hardday.pcap")
			if err := d.write(capture); err != nil {
				t.Fatal(err)
			}
			t.Run("with networks.nat", func(t *testing.T) { d.replay(t, capture, hardNAT) })
			t.Run("without", func(t *testing.T) { d.replay(t, capture) })
		})
	}
}

// replay reads the day's capture and judges its lines.
func (d *hardDay) replay(t *testing.T, capture string, nat ...netip.Prefix) {
	cfg := d.configured(t)
	cfg.Networks.NAT = nat
	set, err := feed.LoadSet(t.Context(), cfg.Feed(), cfg.FeedDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var hits []hit.Hit
	r := replay.New(cfg.Replay(set))
	r.OnHit = func(h *hit.Hit) { hits = append(hits, *h) }
	f, err := os.Open(capture)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := r.Read(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	summary := r.Close()

	var told uint64
	high := 0
	by := map[string]int{}
	for _, h := range hits {
		told += h.Count + h.Duplicates
		if h.Severity >= hit.High {
			high++
		}
		if late := h.Last.Sub(h.End); late > 30*time.Second+d.edgeLate.Abs() && h.Sampling <= 1 && h.First.Sub(d.start) > time.Hour && h.Count > 0 {
			t.Errorf("%s: the last record ended %v before it came: edge's slow clock shows", h.ID, late)
		}
		by[fmt.Sprintf("%s %s %s %s", h.Severity, h.Direction, h.Category, h.Kind)]++
	}
	t.Logf("%d flows, %d hit: %d lines, %d of them high", summary.Flows, summary.HitFlows, len(hits), high)
	for _, k := range slices.Sorted(func(yield func(string) bool) {
		for k := range by {
			if !yield(k) {
				return
			}
		}
	}) {
		t.Logf("%5d %s", by[k], k)
	}
	if int(summary.HitFlows) != d.listed || told != summary.HitFlows {
		t.Errorf("%d records have a listed address, %d hit, the lines say %d", d.listed, summary.HitFlows, told)
	}
	if len(hits) > 1500 || high > 150 {
		t.Errorf("%d lines, %d of them high: nobody reads that", len(hits), high)
	}
	d.check(t, hits)
}

// check holds every plant to its severity, its volume and its regularity.
func (d *hardDay) check(t *testing.T, hits []hit.Hit) {
	t.Helper()
	for _, p := range d.plants {
		var worst hit.Severity
		var bytes uint64
		said, words, lines := false, "", 0
		for _, h := range hits {
			if h.Local != p.local || p.remote.IsValid() && h.Remote != p.remote {
				continue
			}
			said = said || h.Kind == hit.New && h.Severity == p.severity
			worst, bytes, words = max(worst, h.Severity), bytes+h.Bytes, cmp.Or(h.Regular.String(), words)
			lines++
		}
		t.Logf("%-40s %3d lines, %s, %d bytes of %d, %q", p.name, lines, worst, bytes, p.bytes, words)
		if !said || worst != p.severity && !p.shared {
			t.Errorf("%s (%v, %v): worst %s, new at %s: %v", p.name, p.local, p.remote, worst, p.severity, said)
		}
		if p.bytes > 0 && (float64(bytes) < 0.95*float64(p.bytes) || float64(bytes) > 1.05*float64(p.bytes)) {
			t.Errorf("%s: %d bytes told, %d are true", p.name, bytes, p.bytes)
		}
		if p.regular && words == "" {
			t.Errorf("%s: nothing says that it calls regularly", p.name)
		}
	}
}
