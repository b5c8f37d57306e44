package agent

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/flow/udp"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
)

// TestOverflow lets more flows hit than the queue to the alert goroutine holds,
// while that goroutine does not run: they are folded, said when it runs again,
// and their counts add up.
func TestOverflow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg := config.Default()
	cfg.DataDir, cfg.Log.Path = dir, filepath.Join(dir, "alerts.log")
	cfg.Feeds = []feed.Source{{Name: "ours", Type: feed.List, Path: filepath.Join(dir, "ours.txt"), Category: intel.C2, HasCategory: true, Confidence: 90}}
	if err := os.WriteFile(cfg.Feeds[0].Path, []byte("198.51.100.0/24\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	set, err := feed.LoadSet(t.Context(), cfg.Feed(), cfg.FeedDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	a := New(cfg, Options{Log: log, StopTime: time.Minute})
	a.swapSet(set)
	openAlerts(t, a, cfg)
	receive := receiver(a)

	const flows, conversations = 3 * 8192, 10 // three times what the queue holds
	for sent := 0; sent < flows; {
		datagram := v5Datagram(sent, min(30, flows-sent), conversations)
		receive(time.Now().UnixNano(), []udp.Datagram{{Data: datagram, From: netip.MustParseAddrPort("192.0.2.1:2055")}})
		sent += 30
	}
	if err := a.emit.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.emit.Stop(t.Context()), a.journal.Settle(t.Context()), a.file.Stop(t.Context())); err != nil {
		t.Fatal(err)
	}
	if lost := a.emit.Lost(); lost != 0 {
		t.Errorf("%d matches are lost", lost)
	}
	lines, err := os.ReadFile(cfg.Log.Path)
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for line := range strings.Lines(string(lines)) {
		if _, rest, ok := strings.Cut(line, " count="); ok {
			n, _, _ := strings.Cut(rest, " ")
			count, _ := strconv.Atoi(n)
			told += count
		}
	}
	if told != flows {
		t.Errorf("the lines tell of %d flows, %d hit", told, flows)
	}
}

// v5Datagram has n flows of 10.1.0.7, each to the next of some addresses of
// 198.51.100.0/24.
func v5Datagram(first, n, addresses int) []byte {
	b := make([]byte, 24+48*n)
	b[1], b[3] = 5, byte(n)
	for i := range n {
		r := b[24+48*i:]
		copy(r, []byte{10, 1, 0, 7, 198, 51, 100, byte(1 + (first+i)%addresses)})
		r[19], r[23] = 1, 100 // packets, bytes
		r[32], r[35] = 200, 80
		r[37], r[38] = uint8(flow.ACK|flow.PSH), 6
	}
	return b
}
