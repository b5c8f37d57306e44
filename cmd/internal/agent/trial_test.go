package agent_test

import (
	"os"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/control/status"
	"github.com/flowhound/flowhound/cmd/internal/control/trial"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// A planted flow arrives in the log as a test, whatever exporters.allow and
// alert.min_severity say, and its sender is no exporter.
func TestTrial(t *testing.T) {
	peer.Long(t)
	for _, lowest := range []string{"info", "medium", "high", "critical"} {
		t.Run(lowest, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, "known.txt", "203.0.113.66\n")
			r := start(t, dir, "feeds: [{name: known, type: list, path: known.txt}]\nalert: {min_severity: "+lowest+"}\nexporters: {allow: [192.0.2.1]}\nnetworks: {local: [10.0.0.0/24]}\n")
			var steps []trial.Step
			if err := trial.Run(t.Context(), r.path("data/run"), func(s trial.Step) error { steps = append(steps, s); return nil }); err != nil {
				t.Fatal(err)
			}
			if len(steps) != 3 || !steps[0].OK || !steps[1].OK || !steps[2].OK || steps[2].ID == "" {
				t.Fatalf("%+v", steps)
			}
			log, err := os.ReadFile(r.path("alerts.log"))
			if err != nil || !strings.Contains(string(log), " feed=flowhound-test ") || !strings.Contains(string(log), "id="+steps[2].ID+" ") || !strings.Contains(string(log), `name="`+trial.Name+`"`) {
				t.Errorf("%v\n%s", err, log)
			}
			s, err := status.Ask(t.Context(), r.path("data/run"))
			if err != nil || len(s.Exporters) > 0 || len(s.Rejected) > 0 || strings.Contains(string(log), " collector ") {
				t.Errorf("it made an exporter: %+v, %v\n%s", s, err, log)
			}
		})
	}
}
