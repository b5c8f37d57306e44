package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/alert/output"
	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/host"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// conversations sends n flows, each between another own host and another listed one:
// nothing of them is folded.
func (p *process) conversations(t *testing.T, first, n int) {
	t.Helper()
	for sequence := uint32(first); n > 0; sequence++ {
		sets := [][]byte{template()}
		for range min(20, n) {
			sets = append(sets, flowBetween(netip.AddrFrom4([4]byte{10, 1, byte(first >> 8), byte(first)}), netip.AddrFrom4([4]byte{198, 51, byte(first >> 8), byte(first)})))
			first++
			n--
		}
		p.send(t, datagram(sequence, sets...))
	}
}

// delivered returns the ids of the hits in a file of the sink, and how often each.
func delivered(t *testing.T, path string) map[string]int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	ids := map[string]int{}
	for line := range strings.Lines(string(b)) {
		var h plugin.Hit
		if json.Unmarshal([]byte(line), &h) == nil {
			ids[h.ID]++
		}
	}
	return ids
}

// TestOutputsReload: an output that did not change keeps its process, one that did
// keeps its spool, and what is removed says what stays.
func TestOutputsReload(t *testing.T) {
	peer.Long(t)
	t.Parallel()
	dir := t.TempDir()
	web := peer.FreePort(t, "tcp").String()
	config := func(outputs string) {
		sinkConfig(t, dir, `  - {name: same, type: sink, batch: {every: 0s}, settings: {file: "`+dir+`/same.json"}}
`+outputs, `web: {listen: "`+web+`"}`)
	}
	config(`  - {name: other, type: sink, batch: {every: 0s}, settings: {address: "127.0.0.1:1"}}
  - {name: gone, type: nothing}
  - {name: picky, type: sink, kinds: [retro], settings: {file: "` + dir + `/picky.json"}}`)
	p := startAgent(t, dir)
	poll(t, "the plugins", func() bool { s := listOutputs(t, dir); return s[0].PID != 0 && s[1].PID != 0 && s[3].PID != 0 })
	before := listOutputs(t, dir)
	p.conversations(t, 0, 100)
	poll(t, "hits in a spool", func() bool { return listOutputs(t, dir)[1].Depth == 100 })

	config(`  - {name: other, type: sink, batch: {every: 0s}, settings: {file: "` + dir + `/other.json"}}
  - {name: new, type: sink, batch: {every: 0s}, settings: {file: "` + dir + `/new.json"}}`)
	poll(t, "the reload", func() bool { return strings.Contains(readLog(t, dir), "agent status=reloaded") })
	if !strings.Contains(readLog(t, dir), `output id=gone status=down msg="not configured any more: 100 hits stay on disk`) {
		t.Errorf("what stays is not said:\n%s", readLog(t, dir)[max(0, len(readLog(t, dir))-1000):])
	}
	p.conversations(t, 100, 100)
	for name, want := range map[string]int{"same": 200, "other": 200, "new": 100} {
		poll(t, name, func() bool { return len(delivered(t, filepath.Join(dir, name+".json"))) == want })
	}
	after := listOutputs(t, dir)
	if len(after) != 3 || after[0].PID != before[0].PID || after[1].PID == before[1].PID {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if _, err := os.Stat(filepath.Join(dir, "picky.json")); err == nil {
		t.Error("a filter does not hold")
	}

	for _, line := range []string{
		`flowhound_output_hits_total{output="same",result="delivered"} 200`, `flowhound_output_hits_total{output="same",result="accepted"} 200`,
		`flowhound_queue_depth{queue="output:other"} 0`, `flowhound_output_oldest_seconds{output="new"} 0`, `flowhound_output_up{output="same"} 1`,
	} {
		// What stands in the file was delivered; the agent hears of it after that.
		poll(t, line+" in the metrics", func() bool { return strings.Contains(get(t, "http://"+web+"/metrics"), line+"\n") })
	}
	http.DefaultClient.CloseIdleConnections()
	p.end(t)
	for name, ids := range map[string]map[string]int{"same": delivered(t, dir+"/same.json"), "other": delivered(t, dir+"/other.json")} {
		for id, n := range ids {
			if n != 1 {
				t.Errorf("%s: %s was delivered %d times", name, id, n)
			}
		}
	}
}

// get returns what a page says.
func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestHungOutputs: while every output hangs, whatever its deadline, each flow that
// hits has its line, and the agent ends when it is told to.
func TestHungOutputs(t *testing.T) {
	peer.Long(t)
	t.Parallel()
	dir := t.TempDir()
	sinkConfig(t, dir, `  - {name: a, type: sink, timeout: 1s, settings: {file: x, hang: true}}
  - {name: b, type: sink, settings: {file: x, hang: true}}`)
	p := startAgent(t, dir)
	const n, some = 2000, 500 // a line comes two seconds after its flow
	for i := 0; i < n; i += some {
		p.conversations(t, i, some)
		poll(t, "the lines", func() bool { return strings.Count(readLog(t, dir), ": hit kind=new ") == i+some })
	}
	poll(t, "an output to be down", func() bool { return strings.Contains(readLog(t, dir), "output id=a status=down ") })
	for _, s := range listOutputs(t, dir) {
		if s.Depth != n || s.Dropped != 0 {
			t.Errorf("%+v", s)
		}
	}
	p.end(t)
}

// BenchmarkPlugin takes hits through the journal and a plugin's process into
// a file that forgets them.
func BenchmarkPlugin(b *testing.B) {
	program, err := exec.LookPath("flowhound-output-sink")
	if err != nil {
		b.Fatal(err)
	}
	p := host.New(host.Options{
		Name: "siem", Type: "sink", Dir: filepath.Dir(program), Settings: []byte(`{"file":"/dev/null"}`), RunDir: b.TempDir(), Version: "test",
	})
	p.Start()
	for !p.State().Ready {
		time.Sleep(time.Millisecond)
	}
	j, err := journal.Open(journal.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	j.Keep(1 << 60)
	c := output.Config{Name: "siem"}
	c.SetDefaults()
	out := output.New(c, output.Dependencies{Journal: j, Writer: p})
	out.Start()
	ioc := netip.MustParsePrefix("198.51.100.7/32")
	h := &hit.Hit{
		Kind: hit.New, Severity: hit.High, Direction: hit.Outbound, State: hit.Established, Category: "c2", Feed: "otx", IOC: ioc, Score: 60,
		Src: netip.MustParseAddr("10.1.2.3"), SrcPort: 51234, Dst: ioc.Addr(), DstPort: 443, Proto: 6, Count: 1, Bytes: 18412, Packets: 97,
		Exporter: netip.MustParseAddr("192.0.2.1"), Time: time.Now(), ID: "7k3m9q2v8w1xz-1", Name: "Emotet wave 3",
		Indicators: []hit.Indicator{{IOC: ioc, Feed: "otx", Category: "c2", Score: 60, Name: "Emotet wave 3"}},
	}
	b.ReportAllocs()
	for n := 1; b.Loop(); n++ {
		copied := *h
		if _, err := j.Append(&journal.Record{To: []string{output.CursorOf("siem")}, Hit: &copied}); err != nil {
			b.Fatal(err)
		}
		if n%1000 == 0 { // no agent has so many hits at once that memory is full
			if err := j.Written(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	for out.Stats().Delivered < uint64(b.N) {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	if s := out.Stats(); s.Dropped+s.Dead > 0 {
		b.Errorf("%+v", s)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "hits/s")
	b.ReportMetric(float64(p.State().Memory)/1e6, "MB")
	out.Stop(b.Context())
	if err := j.Close(b.Context()); err != nil {
		b.Error(err)
	}
	if err := p.Stop(b.Context()); err != nil {
		b.Error(err)
	}
}
