package agent_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/control/doctor"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestDoctor: the agent says what a person must fix, and nothing once it is fixed.
func TestDoctor(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := t.TempDir()
	write(t, dir, "known.txt", "203.0.113.66\n")
	if err := os.MkdirAll(filepath.Join(dir, "data/spool/siem"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "data/spool/siem/dead.ndjson", "{}\n{}\n")
	r := start(t, dir, "outputs: [{name: siem, type: nothing}]\nfeeds:\n  - {name: known, type: list, path: known.txt}\n  - {name: gone, type: list, path: gone.txt}\n")
	ask := func() finding.List {
		t.Helper()
		l, err := doctor.Ask(t.Context(), r.path("data/run"))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	has := func(level finding.Level, what string) bool {
		for _, f := range ask() {
			if f.Level == level && strings.Contains(f.What, what) && (f.Fix == "") == (level == finding.OK) {
				return true
			}
		}
		return false
	}
	for level, what := range map[finding.Level]string{finding.OK: "the agent runs: version 1.2.0", finding.Bad: "no exporter has sent anything"} {
		if !has(level, what) {
			t.Errorf("%s: %s is missing: %+v", level, what, ask())
		}
	}
	if !has(finding.Bad, fmt.Sprintf("listens on udp://127.0.0.1:%d alone, which no router reaches", r.addr.Port())) {
		t.Errorf("no finding says where it listens: %+v", ask())
	}
	if !has(finding.Bad, "gone.txt does not exist") || !has(finding.OK, "1 indicator is loaded") {
		t.Errorf("feeds: %+v", ask())
	}

	r.await("the output to be down", func() bool { return has(finding.Bad, "output siem is down: there is no flowhound-output-nothing") })
	if !has(finding.Warn, "output siem has 2 dead letters") {
		t.Errorf("outputs: %+v", ask())
	}

	// Flows that began long ago, all of them between strangers.
	x := r.router("127.0.0.9", 9)
	old := call("192.0.2.1")
	old.src, old.start = old.dst, time.Now().Add(-10*time.Minute)
	r.await("late flows and transit", func() bool {
		for range 200 {
			x.export(old)
		}
		return has(finding.Warn, "after they began") && has(finding.Warn, "neither side in networks.local")
	})
	if !has(finding.OK, "1 exporter was heard") || has(finding.Bad, "no exporter") {
		t.Errorf("%+v", ask())
	}
}
