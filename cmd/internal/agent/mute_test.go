package agent_test

import (
	"strings"
	"testing"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestMuted: what is muted makes no line and is counted, what is not goes on, and
// an entry that has ended is said once.
func TestMuted(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := t.TempDir()
	write(t, dir, "known.txt", "203.0.113.66\n203.0.113.67\n")
	r := start(t, dir, `feeds:
  - {name: known, type: list, path: known.txt}
mute:
  - {ioc: 203.0.113.66, until: 2099-12-31, why: "ticket 4711"}
  - {ioc: 203.0.113.67, until: 2020-12-31, why: "long ago"}
`)
	x := r.router("127.0.0.9", 9)
	x.export(call("203.0.113.66"), call("203.0.113.67"))
	r.awaitLine(`hit kind=new .* ioc=203\.0\.113\.67 `)
	r.awaitMetric(`flowhound_muted_total{mute="ioc=203.0.113.66"}`, 1)
	r.awaitMetric(`flowhound_muted_total{mute="ioc=203.0.113.67"}`, 0)
	const says = `the mute of ioc=203.0.113.67 (long ago) ended at 2021-01-01T00:00:00Z`
	r.await("the end of a mute", func() bool { return strings.Contains(strings.Join(r.lines("alerts.log"), "\n"), says) })
	r.stop()
	log := strings.Join(r.lines("alerts.log"), "\n")
	if strings.Contains(log, "203.0.113.66 ") || strings.Count(log, says) != 1 {
		t.Error(log)
	}
}
