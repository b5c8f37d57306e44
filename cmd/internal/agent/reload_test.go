package agent_test

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/agent"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// cutAddress is what a list that is cut at the right place holds for another one.
const cutAddress = "203.0.113.2"

// settled is how long a file may stand still at least before it is read.
const settled = 350 * time.Millisecond

// always is on the list all the time; what it is told to have done must add up.
const always = "198.51.100.1"

// traffic is a router that exports, every few milliseconds and until it is told
// to end, one flow to always and one to each address that a test may add to the list.
type traffic struct {
	*router
	stop chan struct{}
	done chan struct{}
	sent int // datagrams
}

func (r *running) traffic() *traffic {
	x := &traffic{r.router("127.0.0.1", 9), make(chan struct{}), make(chan struct{}), 0}
	go func() {
		defer close(x.done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-x.stop:
				return
			case <-tick.C:
			}
			x.sent++
			flows := []dayFlow{call(cutAddress)}
			for n := 1; n <= 9; n++ {
				flows = append(flows, call("198.51.100."+strconv.Itoa(n)))
			}
			x.export(flows...)
		}
	}()
	return x
}

// end stops the traffic and asserts that all of it was read and that the lines of
// all logs tell every flow to always.
func (x *traffic) end(r *running, logs ...string) {
	r.t.Helper()
	close(x.stop)
	<-x.done
	const records = `flowhound_records_total{version="9"}`
	r.awaitMetric(records, float64(10*x.sent))
	got := r.metrics()
	for series, want := range map[string]int{
		records: 10 * x.sent,
		`flowhound_exporter_gap_total{exporter="127.0.0.1"}`: 0,
		`flowhound_dropped_total{queue="alerts"}`:            0,
		`flowhound_dropped_total{queue="log"}`:               0,
	} {
		if v, ok := got[series]; !ok || v != float64(want) {
			r.t.Errorf("%s is %v (there: %v), want %d", series, v, ok, want)
		}
	}
	r.stop()
	told := 0
	for _, log := range logs {
		for _, line := range r.lines(log) {
			if k := keys(line); k["dst"] == always {
				told += count(k)
			}
		}
	}
	if told != x.sent {
		r.t.Errorf("the lines tell of %d flows to %s, %d were sent", told, always, x.sent)
	}
}

// awaitHit waits for the first line about an address.
func (r *running) awaitHit(addr string) {
	r.t.Helper()
	r.awaitLine(` ioc=` + addr + ` `)
}

// ours returns a list of always and more addresses of its network.
func ours(last ...string) string {
	text := always + "\n"
	for _, n := range last {
		text += "198.51.100." + n + "\n"
	}
	return text
}

// TestListChanges changes a list in every way that people and their tools do,
// while flows arrive.
func TestListChanges(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := t.TempDir()
	r := start(t, writeList(t, dir), `alert: {window: 1s, max_window: 1s}
feeds:
  - {name: ours, type: list, path: ours.txt, category: policy}
`)
	x := r.traffic()
	r.awaitHit(always)

	r.write("ours.txt", ours("2")) // in place
	r.awaitHit("198.51.100.2")

	r.replace("ours.txt", ours("2", "3")) // moved into place
	r.awaitHit("198.51.100.3")

	pause := r.writeInHalves("ours.txt", ours("2", "3", "4"), cutAddress+"00\n")
	r.awaitHit("198.51.100.4")
	if pause < settled && r.findLine("alerts.log", " dst="+cutAddress+" ") != nil {
		t.Error("the list was read while it was half written")
	}

	r.remove("ours.txt")
	r.awaitLine(`feed id=ours status=stale indicators=5 `)
	r.wantDegraded("ours")

	r.write("ours.txt", ours("2", "3", "4", "5", "7")) // there again
	r.awaitHit("198.51.100.5")
	r.wantHealthy()

	r.write("ours.txt", "")
	r.awaitLine(`feed id=ours status=stale indicators=6 `)
	r.wantDegraded("ours")
	if n := r.metrics()[`flowhound_indicators{feed="ours"}`]; n != 6 {
		t.Errorf("%v indicators are in use after the list was emptied, want the 6 of before", n)
	}

	r.write("ours.txt", ours("6")) // and the others go
	r.awaitHit("198.51.100.6")
	x.end(r, "alerts.log")
}

// TestConfigurationChanges reloads good and bad configurations while flows arrive.
func TestConfigurationChanges(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := t.TempDir()
	r := start(t, writeList(t, dir), `alert: {window: 1s, max_window: 1s}
feeds:
  - {name: ours, type: list, path: ours.txt, category: policy}
`)
	x := r.traffic()
	r.awaitHit(always)

	// A second feed, taken over because the file was saved.
	r.write("more.txt", "198.51.100.2\n")
	r.edit("feeds:\n", "feeds:\n  - {name: more, type: list, path: more.txt, category: c2}\n")
	r.awaitHit("198.51.100.2")
	r.awaitLine(`agent status=reloaded .*the configuration file changed`)

	// Another confidence, taken over because of SIGHUP.
	r.edit("category: c2}", "category: c2, confidence: 33}")
	r.sighup()
	r.awaitLine(`agent status=reloaded .*SIGHUP`)
	r.awaitLine(` ioc=198\.51\.100\.2 score=33 `)

	// A mistake is said with its line, and what was there goes on.
	r.edit("feeds:\n", "feedz:\n")
	r.awaitLine(`agent status=error .*the old configuration stays: \S*flowhound\.yaml:\d+: feedz: unknown key; did you mean feeds\?`)
	r.awaitHealth("reload rejected, the old configuration stays: ")
	r.awaitMetric("flowhound_problems{part=\"agent\"}", 1)
	r.write("more.txt", "198.51.100.2\n198.51.100.3\n")
	r.awaitHit("198.51.100.3")
	r.edit("feedz:\n", "feeds:\n")
	r.await("an end of the problem", func() bool { return r.metrics()["flowhound_problems{part=\"agent\"}"] == 0 })

	// What needs a restart is rejected with all that was changed beside it.
	r.edit(`"udp://127.0.0.1:0"`, `"udp://127.0.0.1:0", "udp://127.0.0.2:0"`)
	r.edit("confidence: 33}", "confidence: 34}")
	r.awaitLine(`agent status=error .*the old configuration stays: a change of listen needs a restart`)
	if r.findLine("alerts.log", ` score=34 `) != nil {
		t.Error("a part of a rejected configuration was taken over")
	}
	r.edit(`, "udp://127.0.0.2:0"`, ``)
	r.awaitLine(` ioc=198\.51\.100\.2 score=34 `)

	// Lines go to another log from now on.
	r.edit("path: alerts.log", "path: elsewhere/alerts.log")
	r.await("a hit in the new log", func() bool { return r.findLine("elsewhere/alerts.log", " ioc="+always+" ") != nil })
	if r.findLine("elsewhere/alerts.log", `agent status=reloaded `) == nil {
		t.Error("the new log does not tell of the reload")
	}
	x.end(r, "alerts.log", "elsewhere/alerts.log")
}

// TestConfigurationChangesAtStart: what is written after the file was read, and before it
// is watched, is taken over, too.
func TestConfigurationChangesAtStart(t *testing.T) {
	t.Parallel()
	dir := writeList(t, t.TempDir())
	write(t, dir, "more.txt", "198.51.100.200\n198.51.100.201\n")
	r := startWith(t, dir, "feeds:\n  - {name: ours, type: list, path: ours.txt}\n", agent.Options{}, func(r *running) {
		r.edit("path: ours.txt", "path: more.txt")
	})
	r.awaitLine(`agent status=reloaded .*the configuration file changed: 2 indicators`)
}

// TestLogMoves: a log that cannot be written is left for one that can, which tells
// of the lines that are lost.
func TestLogMoves(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	r := start(t, writeList(t, t.TempDir()), `feeds:
  - {name: ours, type: list, path: ours.txt}
`)
	for err := fs.ErrExist; err != nil; { // no log can be there then; it may be made again in between
		r.remove("alerts.log")
		if err = os.Mkdir(r.path("alerts.log"), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
	}
	r.router("127.0.0.1", 5).export(call(always))
	r.await("a line that waits", func() bool { return r.metrics()[`flowhound_queue_depth{queue="log"}`] > 0 })
	r.edit("path: alerts.log", "path: elsewhere.log")
	r.sighup()
	r.await("the new log", func() bool { return r.findLine("elsewhere.log", `agent status=reloaded `) != nil })
	if r.findLine("elsewhere.log", " ioc="+always+" ") == nil || r.findLine("elsewhere.log", "agent status=dropping") != nil {
		t.Errorf("the lines that waited for the old log are not in the new one:\n%s", strings.Join(r.lines("elsewhere.log"), "\n"))
	}
	if line := r.findLine("elsewhere.log", `agent status=error .*`); line != nil {
		t.Errorf("the reload is called rejected: %s", line[0])
	}
}

// TestExportersChange takes over whose datagrams are read.
func TestExportersChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := start(t, writeList(t, dir), `feeds:
  - {name: ours, type: list, path: ours.txt}
`)
	x := r.router("127.0.0.9", 5)
	x.export(call(always))
	r.awaitMetric(`flowhound_records_total{version="5"}`, 1)
	r.edit("feeds:\n", "exporters: {allow: [127.0.0.1], sampling: {127.0.0.1: 100}}\nfeeds:\n")
	r.sighup()
	r.awaitLine(`agent status=reloaded `)
	x.export(call(always))
	r.awaitMetric(`flowhound_datagrams_refused_total`, 1)
	r.router("127.0.0.1", 5).export(call(always))
	r.awaitMetric(`flowhound_records_total{version="5"}`, 2)
	r.stop()
	if line := r.findLine("alerts.log", `count=1 bytes=100000 .*exporter=127\.0\.0\.1 `); line == nil {
		t.Errorf("no line has the bytes times the sampling rate:\n%s", strings.Join(r.lines("alerts.log"), "\n"))
	}
}

func writeList(t *testing.T, dir string) string {
	t.Helper()
	if err := os.WriteFile(dir+"/ours.txt", []byte(ours()), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// writeInHalves writes a file, and the end of its last line after a pause; it
// returns how long that was.
func (r *running) writeInHalves(name, content, lastLine string) time.Duration {
	r.t.Helper()
	f, err := os.Create(r.path(name))
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(content + lastLine[:len(cutAddress)]); err != nil {
		r.t.Fatal(err)
	}
	began := time.Now()
	time.Sleep(200 * time.Millisecond) // the pause is what is tested
	if _, err := f.WriteString(lastLine[len(cutAddress):]); err != nil {
		r.t.Fatal(err)
	}
	return time.Since(began)
}

func (r *running) remove(name string) {
	r.t.Helper()
	if err := os.Remove(r.path(name)); err != nil {
		r.t.Fatal(err)
	}
}

// wantDegraded asserts that /healthz names what.
func (r *running) wantDegraded(what string) {
	r.t.Helper()
	status, h := r.health()
	if status != http.StatusServiceUnavailable || h.Status != "degraded" || !strings.Contains(strings.Join(h.Problems, "\n"), what) {
		r.t.Errorf("/healthz answers %d %+v, want 503 and a word about %s", status, h, what)
	}
}

func (r *running) wantHealthy() {
	r.t.Helper()
	if status, h := r.health(); status != http.StatusOK || h.Status != "ok" || h.Version != "1.2.0" || len(h.Problems) > 0 {
		r.t.Errorf("/healthz answers %d %+v, want 200 and ok", status, h)
	}
}
