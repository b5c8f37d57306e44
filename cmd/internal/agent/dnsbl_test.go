package agent_test

import (
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/intel/dnstest"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestBlacklist: a real rbldnsd is asked about whom the own hosts contact, about
// nobody else, and what it lists is reported and folded like any other hit.
func TestBlacklist(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := t.TempDir()
	write(t, dir, "known.txt", "203.0.113.66\n")
	write(t, dir, "allow.txt", "198.51.100.99\n")
	zone := dnstest.Blacklist(t, "bl.example", ":127.0.0.4:Bot, see https://bl.example/why?ip=$\n127.0.0.2\n198.51.100.0/24\n203.0.113.66\n", "2001:db8::1\n")
	r := start(t, dir, `feeds:
  - {name: known, type: list, path: known.txt, category: c2}
allow: [allow.txt]
dnsbl:
  zones: [{zone: bl.example, codes: {127.0.0.4: botnet}, confidence: 70}]
  resolvers: ["`+zone.Address()+`"]
`)
	r.awaitLine(`feed id=bl\.example status=ok indicators=0 msg="answers as it should`)
	x := r.router("127.0.0.9", 9)

	scan := call("198.51.100.50")
	scan.src, scan.dst, scan.sport, scan.dport, scan.flags, scan.packets, scan.bytes = scan.dst, scan.src, scan.dport, scan.sport, 0x02, 1, 60
	x.export(call("198.51.100.7"), call("203.0.113.66"), call("198.51.100.99"), call("192.0.2.200"), scan)
	line := r.awaitLine(`hit kind=dnsbl .*`)[0]
	for _, want := range []string{
		"sev=high dir=outbound state=established cat=botnet feed=bl.example ioc=198.51.100.7 score=70 src=10.1.0.7",
		` ref="https://bl.example/why?ip=198.51.100.7" name="Bot, see https://bl.example/why?ip=198.51.100.7"`,
	} {
		if !strings.Contains(line, want) {
			t.Errorf("%s\nlacks %s", line, want)
		}
	}
	r.awaitLine(`hit kind=new .* ioc=203\.0\.113\.66 `)
	r.awaitMetric(`flowhound_dnsbl_lookups_total{result="clean",zone="bl.example"}`, 1)

	cfg, err := config.Load(r.path("flowhound.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	listed := func() feed.State {
		states, err := asked(cfg).States(t.Context())
		if err != nil || len(states) != 3 {
			t.Fatalf("%+v, %v", states, err)
		}
		return states[2]
	}
	if s := listed(); s.Name != "bl.example" || s.Type != "dnsbl" || s.Status != feed.OK || s.Indicators != 1 {
		t.Errorf("%+v", s)
	}

	x.export(call("198.51.100.7"), call("198.51.100.7")) // known to be listed now: no question, and folded
	r.stop()
	if s := listed(); s.Name != "bl.example" || s.Status != feed.Pending {
		t.Errorf("with no agent: %+v", s)
	}
	hits := 0
	for _, l := range r.lines("alerts.log") {
		if k := keys(l); k != nil && k["feed"] == "bl.example" {
			if hits += count(k); k["ioc"] != "198.51.100.7" {
				t.Error(l)
			}
		}
	}
	if hits != 3 {
		t.Errorf("%d flows reported, of 3:\n%s", hits, strings.Join(r.lines("alerts.log"), "\n"))
	}
}

// TestBlacklistReload: zones come and go with the configuration.
func TestBlacklistReload(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := t.TempDir()
	write(t, dir, "known.txt", "203.0.113.66\n")
	zone := dnstest.Blacklist(t, "bl.example", ":127.0.0.2:Listed\n127.0.0.2\n198.51.100.0/24\n", "2001:db8::1\n")
	r := start(t, dir, "feeds:\n  - {name: known, type: list, path: known.txt}\n#more\n")
	x := r.router("127.0.0.9", 9)
	x.export(call("198.51.100.7"))
	r.edit("#more", "dnsbl: {zones: [{zone: bl.example}], resolvers: [\""+zone.Address()+"\"]}")
	r.sighup()
	r.awaitLine(`feed id=bl\.example status=ok`)
	r.await("a hit", func() bool {
		x.export(call("198.51.100.7"))
		time.Sleep(50 * time.Millisecond)
		return r.findLine("alerts.log", "hit kind=dnsbl ") != nil
	})
	r.edit("zone: bl.example", "zone: bl.example, rate: 0")
	r.sighup()
	r.awaitLine(`agent status=error .*rate.*too small`)
	r.edit("dnsbl:", "#")
	r.sighup()
	r.await("the second reload", func() bool {
		_, there := r.metrics()[`flowhound_dnsbl_listed{zone="bl.example"}`]
		return !there
	})
}
