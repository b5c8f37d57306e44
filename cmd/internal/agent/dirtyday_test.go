package agent_test

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/site"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestDirtyFeeds replays the day with five feeds, two of which name what they must
// not, and an allow list. Not a line comes of what is allowed, ours, expired,
// decayed or inactive, and all other lines are those of clean feeds.
func TestDirtyFeeds(t *testing.T) {
	peer.Long(t)
	dir := t.TempDir()
	d, err := writeDay(dir)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := replayDay(t, d)

	who := dayInnocent
	cfg := config.Default()
	cfg.KnownGood.Except = []netip.Prefix{netip.PrefixFrom(dayInnocent.resolver, 32)} // that is what it tests
	cfg.Networks.Local = d.Local
	cfg.Exporters.Sampling = site.Sampling{who.router: 1} // names it, and changes nothing
	cfg.Allow = []string{writeFile(t, dir, "allow.txt", fmt.Sprintf("%s # our resolver\n%s # a neighbour\n", who.resolver, who.neighbour))}
	list := func(name, text string) feed.Source {
		return feed.Source{Name: name, Type: feed.List, Format: "auto", Path: writeFile(t, dir, name, text), Category: intel.C2, HasCategory: true, Confidence: 90}
	}
	planted := list("planted", plantedCSV(t, d))
	planted.Format, planted.Column = "csv", "ip"
	cfg.Feeds = []feed.Source{
		planted,
		{Name: "pulses", Type: feed.OTX, Confidence: 90, Category: intel.Malware, HasCategory: true, Path: writeFile(t, dir, "pulses", fmt.Sprintf(
			`{"results": [{"id": "6740d1a0f3b52c0e9a41e001", "name": "A pulse of all sorts", "modified": "2026-11-20T00:00:00", "indicators": [
				{"type": "IPv4", "indicator": %q, "is_active": 1}, {"type": "IPv4", "indicator": "192.168.7.7", "is_active": 1},
				{"type": "IPv4", "indicator": %q, "is_active": 0}, {"type": "IPv4", "indicator": %q, "expiration": "2026-11-21T00:00:00", "is_active": 1},
				{"type": "IPv4", "indicator": %q, "is_active": 1}]}]}`, who.resolver, who.gone, who.old, who.server))},
		list("dirty", fmt.Sprintf("0.0.0.0/0\n::/0\n10.0.0.0/8\n10.10.0.0/16\n2001:db8:10::/48\n%s\n%s\n192.0.2.0/31\n", who.server, who.router)),
		list("neighbours", fmt.Sprintf("%s\n", who.neighbour)),
		list("scanners", fmt.Sprintf("ip,category,last_seen\n%s,scanner,2026-10-01\n", who.stale)),
	}
	got, _ := replayWith(t, cfg, d)
	compareDays(t, got, want)

	// Without the allow list there is something to keep still about.
	cfg.Allow = nil
	loud, _ := replayWith(t, cfg, d)
	for _, a := range []netip.Addr{who.resolver, who.neighbour} {
		if !slices.ContainsFunc(loud, func(h hit.Hit) bool { return h.Remote == a }) {
			t.Errorf("nothing is said of %s, allowed or not", a)
		}
	}
	// What a clean list names of those addresses is said.
	cfg.Feeds = append(cfg.Feeds, list("clean", fmt.Sprintf("%s\n%s\n%s\n%s\n", who.old, who.gone, who.stale, who.listed)))
	loud, _ = replayWith(t, cfg, d)
	for _, a := range []netip.Addr{who.old, who.gone, who.stale, who.listed} {
		if !slices.ContainsFunc(loud, func(h hit.Hit) bool { return h.Remote == a && h.Feed == "clean" && h.Score == 90 }) {
			t.Errorf("%s does not talk, or its feed is not heard", a)
		}
	}
}

func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// plantedCSV is all lists of the day in one.
func plantedCSV(t *testing.T, d *day) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("ip,category,confidence\n")
	for _, f := range d.Feeds {
		text, err := os.ReadFile(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		for ip := range strings.FieldsSeq(string(text)) {
			fmt.Fprintf(&b, "%s,%s,%d\n", ip, f.Category, f.Confidence)
		}
	}
	return b.String()
}

// compareDays holds the lines against each other, but for who says it.
func compareDays(t *testing.T, got, want []hit.Hit) {
	t.Helper()
	said := func(hits []hit.Hit) []string {
		var out []string
		for _, h := range hits {
			out = append(out, fmt.Sprint(h.ID, h.Kind, h.Severity, h.Direction, h.State, h.Category, h.IOC, h.Score,
				h.Src, h.SrcPort, h.Dst, h.DstPort, h.Count, h.Bytes, h.Sources, h.Targets, h.Start, h.End))
		}
		return out
	}
	a, b := said(got), said(want)
	if slices.Equal(a, b) {
		return
	}
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			at := func(s []string) string {
				return cmp.Or(strings.Join(s[min(i, len(s)):min(i+1, len(s))], ""), "nothing")
			}
			t.Fatalf("%d lines, want %d; the first that differs is\n%s\nwant\n%s", len(a), len(b), at(a), at(b))
		}
	}
}
