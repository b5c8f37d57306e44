package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/flow/udp"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/stage"
)

// BenchmarkReceive is decoding and matching 64 datagrams of 30 flows, of which none
// hits one of 100,000 indicators.
func BenchmarkReceive(b *testing.B) {
	dir := b.TempDir()
	cfg := config.Default()
	cfg.DataDir, cfg.Log.Path = dir, filepath.Join(dir, "alerts.log")
	builder := intel.NewBuilder("ours")
	for i := range 100_000 {
		builder.Add(&intel.Indicator{Prefix: netip.MustParsePrefix(fmt.Sprintf("203.%d.%d.%d/32", i>>16&255, i>>8&255, i&255)), Category: intel.C2, Score: 60})
	}
	a := New(cfg, Options{Log: slog.New(slog.DiscardHandler)})
	a.swapSet(intel.NewSet(builder.Block()))
	openAlerts(b, a, cfg)
	receive := receiver(a)
	var batch []udp.Datagram
	for i := range 64 {
		batch = append(batch, udp.Datagram{Data: v5Datagram(i*30, 30, 200), From: netip.MustParseAddrPort("192.0.2.1:2055")})
	}
	b.ReportAllocs()
	n := int64(0)
	for b.Loop() {
		n++
		receive(1780000000e9+n, batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64/30, "ns/flow")
}

func receiver(a *Agent) udp.Handler {
	return a.stage.NewWorker(stage.Options{Templates: a.templates.Store(), Pass: a.emit.Intake().Pass}).Receive
}

// openAlerts opens what Start would before the workers are made.
func openAlerts(t testing.TB, a *Agent, cfg *config.Config) {
	t.Helper()
	if err := a.openJournal(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.journal.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := a.file.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.file.Stop(context.Background()) })
}
