package agent_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestYesterday: a flow that nobody listed becomes a line once its address is listed,
// one line, also after a restart, and while the address goes and comes again.
func TestYesterday(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := t.TempDir()
	const settings = "feeds: [{name: known, type: list, path: known.txt, category: c2, reference: \"https://list.example/c2\"}]\n"
	write(t, dir, "known.txt", "198.51.100.99\n")
	r := start(t, dir, settings)
	x := r.router("127.0.0.9", 9)
	x.export(call("203.0.113.66"), call("203.0.113.67"), call("198.51.100.99"))
	r.awaitLine(`hit kind=new .* ioc=198\.51\.100\.99 `)
	r.replace("known.txt", "198.51.100.99\n203.0.113.66\n")
	r.awaitLine(`hit kind=retro sev=\w+ dir=outbound state=\w+ cat=c2 feed=known ioc=203\.0\.113\.66 .* count=1 .* ref="https://list\.example/c2" name="known"`)
	r.awaitMetric("flowhound_hunts_total", 1)
	r.stop()

	r = start(t, dir, settings)
	r.replace("known.txt", "203.0.113.67\n") // the two others go
	r.awaitLine(`hit kind=retro .* ioc=203\.0\.113\.67 `)
	r.replace("known.txt", "203.0.113.67\n198.51.100.99\n203.0.113.66\n")
	r.awaitMetric("flowhound_hunts_total", 2)
	r.stop()
	log := strings.Join(r.lines("alerts.log"), "\n")
	for _, ioc := range []string{"203.0.113.66", "203.0.113.67"} {
		if n := len(regexp.MustCompile(`hit kind=retro .* ioc=`+regexp.QuoteMeta(ioc)+` `).FindAllString(log, -1)); n != 1 {
			t.Errorf("%s stands in %d lines of a hunt:\n%s", ioc, n, log)
		}
	}
	if strings.Contains(log, "kind=retro") && regexp.MustCompile(`hit kind=retro .* ioc=198\.51\.100\.99 `).MatchString(log) {
		t.Errorf("what was alerted is said again:\n%s", log)
	}
}
