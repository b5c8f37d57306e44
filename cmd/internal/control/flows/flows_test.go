package flows

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// records are of 100 clients in turn, a second apart.
func records(n int) []flow.Record {
	out := make([]flow.Record, n)
	base := time.Now().Add(-3 * time.Hour).UnixNano()
	for i := range out {
		at := base + int64(i)*1e9
		out[i] = flow.Record{
			Src: flow.Addr4(0x0a000000 + uint32(i%100)), Dst: flow.Addr4(0xc6336407), SrcPort: uint16(i), DstPort: 443, Proto: 6, Version: 9, Sampling: 1,
			Received: at, Start: at - 2e9, End: at - 1e9, Bytes: uint64(i), Packets: 1, Exporter: flow.Addr4(0xc0000201),
			Has: flow.HasStart | flow.HasEnd | flow.HasPorts | flow.HasProto | flow.HasBytes | flow.HasPackets,
		}
	}
	return out
}

// stored returns what a data set holds.
func stored(t *testing.T, dir string) map[flow.Record]int {
	t.Helper()
	set, err := dataset.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	snap, err := set.Snapshot(time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	out := map[flow.Record]int{}
	count := func(some []flow.Record) error {
		for _, r := range some {
			out[r]++
		}
		return nil
	}
	for _, file := range snap.Files {
		f, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		for g := range f.Groups {
			some, err := f.Records(g, nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = count(some)
		}
		_ = f.Close()
	}
	if err := snap.Recent(t.Context(), count); err != nil {
		t.Fatal(err)
	}
	return out
}

// addAndForget adds records through an Agent and forgets one client.
func addAndForget(t *testing.T, a *Agent, dir string) {
	t.Helper()
	all := records(10_000)
	for len(all) > 0 {
		n := min(len(all), 4096)
		if err := a.Add(t.Context(), all[:n]); err != nil {
			t.Fatal(err)
		}
		all = all[n:]
	}
	var last Event
	if err := a.Forget(t.Context(), []netip.Prefix{netip.MustParsePrefix("10.0.0.7/32")}, func(e Event) error { last = e; return nil }); err != nil {
		t.Fatal(err)
	}
	if last.Outcome == nil || last.Outcome.Records != 100 || last.Outcome.Files == 0 {
		t.Errorf("%+v", last.Outcome)
	}
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := stored(t, dir)
	if len(got) != 9_900 {
		t.Errorf("%d records are stored", len(got))
	}
	for r, n := range got {
		if n != 1 || r.Src == flow.Addr4(0x0a000007) {
			t.Fatalf("%d times %s", n, r.AppendJSON(nil))
		}
	}
}

// TestThroughTheAgent: what is added through the socket of a running agent is exactly
// what was given, and what is forgotten is gone, also from its log.
func TestThroughTheAgent(t *testing.T) {
	dir := t.TempDir()
	var c history.Config
	c.SetDefaults()
	c.Dir = filepath.Join(dir, "flows")
	h, err := history.New(c, history.Dependencies{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	short, err := os.MkdirTemp("", "run") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	run := filepath.Join(short, "run")
	s, err := control.Listen(run, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for path, handler := range Handlers(h) {
		s.Handle(path, handler)
	}
	s.Serve()
	addAndForget(t, &Agent{RunDir: run, Config: c}, c.Dir)

	wrong := control.Stream(t.Context(), run, addPath, batch{make([]byte, recordSize+1)}, nil)
	if wrong == nil || !strings.Contains(wrong.Error(), "one version") {
		t.Errorf("records of another size: %v", wrong)
	}
	local := Of(c.Dir)
	if err := local.Add(t.Context(), records(1)); err == nil || !strings.Contains(err.Error(), "another process writes") {
		t.Errorf("beside the agent: %v", err)
	}
	if err := local.Close(t.Context()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := h.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// TestAlone: without an agent this process does it, also into a folder that is not there
// yet.
func TestAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "flows")
	a := Of(dir)
	a.RunDir = t.TempDir()
	addAndForget(t, a, dir)
	if err := a.Forget(t.Context(), nil, func(Event) error { return nil }); err == nil || !strings.Contains(err.Error(), "name an address") {
		t.Errorf("nothing to forget: %v", err)
	}
	if err := a.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
