package exporters

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
	"github.com/flowhound/flowhound/plugin/hit"
)

var (
	noon = time.Date(2026, 6, 7, 12, 0, 0, 0, time.UTC)
	gw   = netip.MustParseAddr("192.0.2.1")
)

// stats is an exporter that was heard of at a time and counts what change says.
func stats(addr netip.Addr, seen time.Time, change func(*netflow.ExporterStats)) netflow.ExporterStats {
	s := netflow.ExporterStats{Exporter: addr, LastSeen: seen}
	s.Datagrams[1] = 1
	if change != nil {
		change(&s)
	}
	return s
}

// TestLook follows one exporter through its troubles: each step is what the
// decoders count at a time, and the lines that are due then.
func TestLook(t *testing.T) {
	lost := func(n uint64) func(*netflow.ExporterStats) {
		return func(s *netflow.ExporterStats) { s.Lost[1] = n }
	}
	unread := func(n uint64) func(*netflow.ExporterStats) {
		return func(s *netflow.ExporterStats) {
			s.Lost[1], s.HeldDropped = 8, n
			s.Missing = netflow.MissingTemplate{Version: 9, Domain: 7, ID: 256}
		}
	}
	guessed := func(s *netflow.ExporterStats) { // beside what was said before
		unread(90)(s)
		s.SamplingGuessed, s.GuessedRate = 12, 100
	}
	c := newWatch()
	for _, step := range []struct {
		at     time.Duration
		seen   time.Duration
		change func(*netflow.ExporterStats)
		want   string // status and message of the line, "" for none
	}{
		{0, 0, nil, "ok sends NetFlow v9"},
		{5 * time.Second, 4 * time.Second, nil, ""},
		{304 * time.Second, 4 * time.Second, nil, ""}, // quiet, but not too long
		{305 * time.Second, 4 * time.Second, nil, "silent no datagrams since 2026-06-07T12:00:04Z"},
		{310 * time.Second, 4 * time.Second, nil, ""}, // said once
		{400 * time.Second, 399 * time.Second, nil, "ok sends again after 6m35s"},
		{405 * time.Second, 404 * time.Second, lost(3), "loss 3 datagrams lost between the exporter and this host"},
		{410 * time.Second, 409 * time.Second, lost(8), ""}, // too early for another
		{1004 * time.Second, 1003 * time.Second, lost(8), ""},
		{1005 * time.Second, 1004 * time.Second, lost(8), "loss 5 datagrams lost"},
		{1700 * time.Second, 1699 * time.Second, lost(8), ""}, // nothing new
		{1705 * time.Second, 1704 * time.Second, unread(2), "template template 256 of domain 7 has not arrived: 2 sets"},
		{1710 * time.Second, 1709 * time.Second, unread(90), ""},
		{2305 * time.Second, 2304 * time.Second, unread(90), "template template 256 of domain 7 has not arrived: 88 sets"},
		{2915 * time.Second, 2914 * time.Second, guessed, "template 12 flows name no sampler, and its samplers have different rates: 1 in 100 is used"},
	} {
		var got []string
		for _, s := range c.look(noon.Add(step.at), []netflow.ExporterStats{stats(gw, noon.Add(step.seen), step.change)}, 0) {
			if s.Part != hit.Collector || s.Exporter != gw {
				t.Errorf("after %s: a line of %+v", step.at, s)
			}
			got = append(got, s.Status+" "+s.Msg)
		}
		switch {
		case step.want == "" && len(got) > 0:
			t.Errorf("after %s: %q, want no line", step.at, got)
		case step.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], step.want)):
			t.Errorf("after %s: %q, want %q", step.at, got, step.want)
		}
	}
}

func TestLookNamesWhatIsSentAndLost(t *testing.T) {
	for _, c := range []struct {
		datagrams, lost netflow.PerVersion
		want            []string
	}{
		{netflow.PerVersion{1, 0, 0}, netflow.PerVersion{4, 0, 0}, []string{"sends NetFlow v5", "4 flows lost"}},
		{netflow.PerVersion{0, 1, 0}, netflow.PerVersion{0, 4, 0}, []string{"sends NetFlow v9", "4 datagrams lost"}},
		{netflow.PerVersion{0, 0, 1}, netflow.PerVersion{0, 0, 4}, []string{"sends IPFIX", "4 records lost"}},
		{netflow.PerVersion{1, 1, 1}, netflow.PerVersion{}, []string{"sends NetFlow v5 and NetFlow v9 and IPFIX"}},
	} {
		s := stats(gw, noon, func(s *netflow.ExporterStats) { s.Datagrams, s.Lost = c.datagrams, c.lost })
		var got []string
		for _, line := range newWatch().look(noon, []netflow.ExporterStats{s}, 0) {
			got = append(got, line.Msg)
		}
		if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// TestLookForgets: an exporter that the decoders forgot is a new one when it
// comes again, and takes no memory meanwhile.
func TestLookForgets(t *testing.T) {
	c := newWatch()
	here := []netflow.ExporterStats{stats(gw, noon, nil)}
	for i, want := range []int{1, 0, 1} {
		known := here
		if i == 1 {
			known = nil
		}
		if got := c.look(noon, known, 0); len(got) != want {
			t.Errorf("look %d: %d lines, want %d", i, len(got), want)
		}
		if len(c.exporters) != len(known) {
			t.Errorf("look %d: %d exporters are remembered of %d", i, len(c.exporters), len(known))
		}
	}
}

// TestLookIsNoFlood: what forged exporters make it say is bounded, and that lines are
// missing is said.
func TestLookIsNoFlood(t *testing.T) {
	var all []netflow.ExporterStats
	for n := range 4000 {
		all = append(all, stats(netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)}), noon, nil))
	}
	c := newWatch()
	got := c.look(noon, all, 0)
	if len(got) != maxLines {
		t.Fatalf("%d lines, want %d", len(got), maxLines)
	}
	// More of them come, and go, all the time.
	for i := range 100 {
		known := all[:0:0]
		if i%2 == 1 {
			known = all
		}
		if again := c.look(noon.Add(time.Duration(i+1)*lookEvery), known, 0); len(again) != 0 {
			t.Fatalf("%d lines at look %d, want none", len(again), i)
		}
	}
	later := c.look(noon.Add(finding.RepeatAfter), nil, 0)
	if want := fmt.Sprintf("%d more lines", 4000-maxLines+50*4000); len(later) != 1 || !strings.HasPrefix(later[0].Msg, want) {
		t.Errorf("after %s: %+v, want %q", finding.RepeatAfter, later, want)
	}
}

// TestForgedExportersLeaveRoomForLines: what newcomers make it say does not keep back
// what is said of exporters that proved themselves, and a flood is one line.
func TestForgedExportersLeaveRoomForLines(t *testing.T) {
	var newcomers []netflow.ExporterStats
	for n := range 4000 {
		s := stats(netip.AddrFrom4([4]byte{10, 51, byte(n >> 8), byte(n)}), noon, nil)
		s.Newcomer = true
		newcomers = append(newcomers, s)
	}
	c := newWatch()
	got := c.look(noon, newcomers, 20_000)
	if len(got) != 1+maxNew || !strings.HasPrefix(got[0].Msg, "20000 exporters were evicted") {
		t.Fatalf("%d lines, the first %+v", len(got), got[0])
	}
	proven := stats(gw, noon, func(s *netflow.ExporterStats) { s.Lost[1] = 7 })
	got = c.look(noon.Add(lookEvery), append(newcomers, proven), 30_000)
	if len(got) != 2 || got[0].Exporter != gw || !strings.HasPrefix(got[1].Msg, "7 datagrams lost") {
		t.Errorf("of the proven one: %+v", got)
	}
	// Forged ones fall silent, of course.
	if got := c.look(noon.Add(2*silentAfter-time.Second), newcomers, 30_000); len(got) != 0 {
		t.Errorf("of silent newcomers: %+v", got)
	}
}

func TestLabelsAreKeptForProvenExporters(t *testing.T) {
	x := New(Dependencies{})
	label := func(n int, newcomer bool) string {
		return x.label(&netflow.ExporterStats{Exporter: netip.AddrFrom4([4]byte{10, 51, byte(n >> 8), byte(n)}), Newcomer: newcomer})
	}
	for n := range 4000 {
		if l := label(n, true); (l == "other") != (n >= maxLabels/4) {
			t.Fatalf("newcomer %d has label %s", n, l)
		}
	}
	for n := range 4000 {
		if l := label(5000+n, false); (l == "other") != (n >= maxLabels-maxLabels/4) {
			t.Fatalf("proven exporter %d has label %s", n, l)
		}
	}
}
