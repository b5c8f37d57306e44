package agent_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestHistoryCannotBeKept: alerts go out while flows cannot be kept, which is said, once;
// when they can, they are.
func TestHistoryCannotBeKept(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := t.TempDir()
	write(t, dir, "flows", "a file in the place of the folder\n")
	r := start(t, writeList(t, dir), `history: {dir: flows}
feeds:
  - {name: ours, type: list, path: ours.txt, category: c2}
`)
	x := r.router("127.0.0.9", 9)
	x.export(call(always))
	r.awaitLine(`agent status=error .* msg="history: no flows are kept: .*flows`)
	r.awaitLine(`hit kind=new .* dst=` + always)
	r.awaitMetric(`flowhound_dropped_total{queue="history"}`, 1)
	if status, h := r.health(); status != http.StatusServiceUnavailable || len(h.Problems) == 0 {
		t.Errorf("/healthz: %d %q", status, h.Problems)
	}
	if err := os.Remove(r.path("flows")); err != nil {
		t.Fatal(err)
	}
	r.await("flows to be kept", func() bool {
		x.export(call(always))
		return r.metrics()["flowhound_history_records_total"] >= 1
	})
	r.awaitLine(`agent status=alive .* msg="history: flows are kept again; those that arrived in between are counted as dropped"`)
	r.await("good health", func() bool { status, _ := r.health(); return status == http.StatusOK })
	r.stop()
}

// TestTwoAgentsOneHistory: the second agent keeps no flows and says so, alerts all the
// same, and keeps them when the first has stopped.
func TestTwoAgentsOneHistory(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	shared := t.TempDir()
	settings := `history: {dir: "` + shared + `"}
feeds:
  - {name: ours, type: list, path: ours.txt, category: c2}
`
	first := start(t, writeList(t, t.TempDir()), settings)
	second := start(t, writeList(t, t.TempDir()), settings)
	second.awaitLine(`agent status=error .* msg="history: no flows are kept, because another process writes ` + shared)
	x := second.router("127.0.0.9", 9)
	x.export(call(always))
	second.awaitLine(`hit kind=new .* dst=` + always)
	first.stop()
	second.await("flows to be kept", func() bool {
		x.export(call(always))
		return second.metrics()["flowhound_history_records_total"] >= 1
	})
	second.awaitLine(`agent status=alive .* msg="history: flows are kept again`)
	second.stop()
}

// TestDataDirIsOnThePage: cmd/README.md names all that a run leaves in data_dir.
func TestDataDirIsOnThePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, writeList(t, t.TempDir()), `history: {enabled: true}
feeds:
  - {name: ours, type: list, path: ours.txt, category: c2}
`)
	r.router("127.0.0.9", 9).export(call(always))
	r.awaitLine(`hit kind=new .* dst=` + always)
	r.stop()
	entries, err := os.ReadDir(r.path("data"))
	if err != nil || len(entries) < 6 {
		t.Fatalf("%d entries in data_dir: %v", len(entries), err)
	}
	for _, e := range entries {
		if e.Name() != "run" && !strings.Contains(string(page), "\n| `"+e.Name()+"` | ") { // run is the test's run_dir
			t.Errorf("the page does not name %s", e.Name())
		}
	}
}
