package integrations_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

var metricName = regexp.MustCompile(`flowhound_[a-z_]+`)

// metrics returns the names of the metrics that the agent has, from its source:
// which series there are at run time depends on what was seen.
func metrics(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir("../cmd/internal", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?:\bdesc|metric\.Desc|= Desc)\("([a-z_]+)"`).FindAllStringSubmatch(string(b), -1) {
			names["flowhound_"+m[1]] = true
		}
		for _, m := range regexp.MustCompile(`Name: "(flowhound_[a-z_]+)"`).FindAllStringSubmatch(string(b), -1) {
			names[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 20 {
		t.Fatalf("%d metrics only", len(names))
	}
	return names
}

// dashboard is what is wanted of Grafana's.
type dashboard struct {
	Panels []struct {
		ID      int
		Title   string
		GridPos struct{ H, W, X, Y int }
		Targets []struct{ Expr string }
	}
}

// TestMonitoring: the rules and the dashboard ask for metrics that there are, in
// expressions that Prometheus takes.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	known := metrics(t)
	ask := func(where, expr string) {
		for _, name := range metricName.FindAllString(expr, -1) {
			if !known[name] {
				t.Errorf("%s asks for %s, which there is not", where, name)
			}
		}
	}
	rules := read(t, "prometheus/rules.yml")
	for line := range strings.Lines(rules) {
		if expr, ok := strings.CutPrefix(strings.TrimSpace(line), "expr: "); ok {
			ask("prometheus/rules.yml", expr)
		}
	}
	var d dashboard
	if err := json.Unmarshal([]byte(read(t, "grafana/dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	cells := map[[2]int]string{}
	queries := "groups:\n- name: dashboard\n  rules:\n"
	for _, p := range d.Panels {
		g := p.GridPos
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, taken := cells[[2]int{x, y}]; taken || x >= 24 {
					t.Fatalf("panel %q lies over %q or outside", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		for i, target := range p.Targets {
			ask("grafana: "+p.Title, target.Expr)
			queries += fmt.Sprintf("  - record: q%d_%d\n    expr: %q\n", p.ID, i, strings.ReplaceAll(target.Expr, "$instance", ".*"))
		}
	}

	promtool := peer.Path(t, "promtool", "prometheus")
	dir := t.TempDir()
	dashboardRules := filepath.Join(dir, "dashboard.yml")
	if err := os.WriteFile(dashboardRules, []byte(queries), 0o644); err != nil {
		t.Fatal(err)
	}
	place(t, dir, "prometheus/rules.yml")
	succeed(t, promtool, "check", "rules", filepath.Join(dir, "rules.yml"), dashboardRules)
	succeed(t, promtool, "check", "config", place(t, dir, "prometheus/scrape.yml"))
	for _, alert := range []string{"FlowhoundHearsNothing", "FlowhoundFeedStale", "FlowhoundOutputDead"} {
		if !strings.Contains(rules, "alert: "+alert+"\n") {
			t.Errorf("no alert %s", alert)
		}
	}
	succeed(t, promtool, "test", "rules", write(t, dir, "test.yml", alertTest))
}

// alertTest is a feed that grows old and an output that gives up.
const alertTest = `rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'flowhound_feed_age_seconds{feed="otx",instance="gw"}', values: '0+60x4000'}
      - {series: 'flowhound_output_hits_total{output="siem",result="dead",instance="gw"}', values: '0x2000 5x2000'}
      - {series: 'flowhound_records_total{version="9",instance="gw"}', values: '0+1000x4000'}
    alert_rule_test:
      - {eval_time: 40h, alertname: FlowhoundFeedStale}
      - eval_time: 52h
        alertname: FlowhoundFeedStale
        exp_alerts:
          - exp_labels: {severity: warning, feed: otx, instance: gw}
            exp_annotations: {summary: feed otx was last read in full 2d 4h 0m 0s ago, action: flowhound feed list}
`

func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
