package agent_test

import (
	"os"
	"testing"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestAllowList: what an allow list names raises no alert, from the moment that the
// list or the configuration is saved, and is reported again when it goes.
func TestAllowList(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := t.TempDir()
	for name, text := range map[string]string{"ours.txt": ours("2", "3"), "allow.txt": "198.51.100.2 # the resolver\n"} {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := start(t, dir, `alert: {window: 1s, max_window: 1s}
feeds:
  - {name: ours, type: list, path: ours.txt, category: policy}
allow: [allow.txt]
`)
	r.awaitLine(`feed id=ours status=ok indicators=2 msg="2 indicators; left out: 1 on an allow list \(first: 198\.51\.100\.2 of `)
	r.awaitLine(`feed id=allow:\S+ status=ok indicators=1 msg="1 allowed entry"`)
	x := r.traffic()
	r.awaitHit("198.51.100.3")
	if r.findLine("alerts.log", " dst=198.51.100.2 ") != nil {
		t.Error("what is allowed was reported")
	}
	got := r.metrics()
	for series, want := range map[string]float64{
		`flowhound_indicators{feed="ours"}`:                     2,
		`flowhound_indicators_allowed{feed="ours"}`:             1,
		`flowhound_allow_entries{list="` + dir + `/allow.txt"}`: 1,
	} {
		if v, ok := got[series]; !ok || v != want {
			t.Errorf("%s is %v (there: %v), want %v", series, v, ok, want)
		}
	}

	r.write("allow.txt", "198.51.100.3\n")
	r.awaitHit("198.51.100.2")

	r.write("allow.txt", "<html>")
	r.awaitLine(`feed id=allow:\S+ status=stale indicators=1 msg="allow list `)
	r.wantDegraded("allow list")

	r.edit("allow: [allow.txt]\n", "")
	r.awaitLine(`agent status=reloaded `)
	r.wantHealthy()
	r.awaitMetric(`flowhound_indicators{feed="ours"}`, 3)
	x.end(r, "alerts.log")
}
