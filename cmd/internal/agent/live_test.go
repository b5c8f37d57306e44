package agent_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/intel/dnstest"
)

// The lines that real exporters lead to, and what the real engine answered to
// them; the tests in rules record the answers.
const (
	liveLines   = "../../../testdata/golden/ossec/live-lines.txt"
	liveAnswers = "../../../testdata/golden/ossec/live-answers.txt"

	writeAgain = "go test ./cmd/internal/agent -run TestLive -update, then record the answers as rules/README.md says"
)

// manifest is testdata/pcap/manifest.json.
type manifest struct {
	Captures []exported
	Planted  []planted
}

type exported struct {
	Version  int
	Exporter string
	Biflow   bool
	Records  int
}

// planted is a conversation that the lists know. Local is a network where many
// hosts were asked.
type planted struct {
	Local, Remote, Category, Direction, State string
	Records                                   int
}

// intended is what must be said of what is planted, and the engine's rule and
// level for it.
var intended = map[string]struct {
	severity, kind, rule, level string
}{
	"c2":         {"critical", "new", "100920", "14"},
	"malware":    {"high", "new", "100922", "12"},
	"botnet":     {"high", "new", "100921", "12"},
	"bruteforce": {"medium", "new", "100932", "8"},
	"scanner":    {"info", "new", "100939", "3"},
	"policy":     {"medium", "new", "100917", "8"},
}

// toldBy reports whether a hit says of a planted conversation what it must.
func (p planted) toldBy(k map[string]string) bool {
	return p.isIn(k) && k["sev"] == intended[p.Category].severity && k["kind"] == intended[p.Category].kind &&
		k["cat"] == p.Category && k["dir"] == p.Direction && k["state"] == p.State
}

// isIn reports whether a hit is about a planted conversation.
func (p planted) isIn(k map[string]string) bool {
	local, remote := k["src"], k["dst"]
	if p.Direction == "inbound" {
		local, remote = remote, local
	}
	if remote != p.Remote {
		return false
	}
	network, err := netip.ParsePrefix(p.Local)
	if err != nil {
		return local == p.Local
	}
	return network.Contains(netip.MustParseAddr(local))
}

// plantedFor returns what an exporter of c's version can see: v5 knows no IPv6.
func (m *manifest) plantedFor(c exported) []planted {
	return slices.DeleteFunc(slices.Clone(m.Planted), func(p planted) bool {
		return c.Version == 5 && strings.Contains(p.Remote, ":")
	})
}

func readManifest(t *testing.T) manifest {
	t.Helper()
	b, err := os.ReadFile("../../../testdata/pcap/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var m manifest
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	m.Captures = slices.DeleteFunc(m.Captures, func(c exported) bool { return c.Biflow })
	return m
}

// TestLive lets softflowd export the same traffic as NetFlow v5, v9 and IPFIX to
// running agents.
func TestLive(t *testing.T) {
	t.Parallel()
	softflowd := dnstest.Peer(t, "softflowd", "softflowd")
	traffic := gunzip(t, "../../../testdata/pcap/traffic.pcap.gz")
	m := readManifest(t)
	agents := make([]*running, len(m.Captures))
	for i, c := range m.Captures {
		agents[i] = exportTo(t, softflowd, traffic, c)
	}
	lines := make([][]string, len(m.Captures))
	for i, c := range m.Captures {
		agents[i].awaitLine(`collector status=ok exporter=127\.0\.0\.1 msg="sends `)
		agents[i].stop()
		lines[i] = normalise(agents[i].lines("alerts.log"), c)
		checkPlantedLines(t, m.plantedFor(c), lines[i])
	}
	if t.Failed() {
		return
	}
	got := strings.Join(slices.Concat(lines...), "\n") + "\n"
	if *update {
		if err := os.WriteFile(liveLines, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(liveLines)
	if err != nil {
		t.Fatalf("%v: %s", err, writeAgain)
	}
	if got != string(want) {
		t.Errorf("the lines are not those of %s: %s\n%s", liveLines, writeAgain, got)
	}
}

// exportTo starts an agent and lets softflowd export to it: every flow is counted.
func exportTo(t *testing.T, softflowd, traffic string, c exported) *running {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../../testdata/feed")); err != nil {
		t.Fatal(err)
	}
	settings, err := os.ReadFile(filepath.Join(dir, "flowhound.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, dir, string(settings))
	out, err := exec.CommandContext(t.Context(), softflowd, "-a", "-d", "-c", "none", "-r", traffic,
		"-n", r.addr.String(), "-v", strconv.Itoa(c.Version)).CombinedOutput()
	if err != nil {
		t.Fatalf("softflowd: %v\n%s", err, out)
	}

	records := fmt.Sprintf(`flowhound_records_total{version="%d"}`, c.Version)
	r.awaitMetric(records, float64(c.Records))
	got := r.metrics()
	for series, want := range map[string]int{
		records: c.Records,
		`flowhound_exporter_records_total{exporter="127.0.0.1"}`: c.Records,
		`flowhound_exporter_gap_total{exporter="127.0.0.1"}`:     0,
		`flowhound_udp_drops_total`:                              0,
		`flowhound_lookups_total`:                                2 * c.Records,
	} {
		if v, ok := got[series]; !ok || v != float64(want) {
			t.Errorf("%s is %v (there: %v), want %d", series, v, ok, want)
		}
	}
	return r
}

// normalise puts fixed values in the place of what differs from run to run, and
// the lines about the agent itself, some of which come on a clock, before the hits.
func normalise(lines []string, c exported) []string {
	var status, hits []string
	series := map[string]int{}
	for _, line := range lines {
		for _, r := range []struct{ re, to string }{
			{`^\w{3} [ \d]\d [\d:]{8} gw flowhound\[\d+\]: `, "Jun  7 12:38:20 gw flowhound[123]: "},
			{` exporter=127\.0\.0\.1 `, " exporter=" + c.Exporter + " "},
			{` seen=\d\S+ `, " seen=2026-06-07T10:37:51Z/2026-06-07T10:38:11Z "},
			{`udp://127\.0\.0\.1:\d+ with \d+ workers`, "udp://127.0.0.1:2055 with 2 workers"},
			{`msg="\d+s up, `, `msg="5s up, `},
		} {
			line = regexp.MustCompile(r.re).ReplaceAllString(line, r.to)
		}
		k := keys(line)
		if k == nil {
			status = append(status, line)
			continue
		}
		name, _, _ := strings.Cut(k["id"], "-")
		if series[name] == 0 {
			series[name] = len(series) + 1
		}
		hits = append(hits, strings.Replace(line, " id="+name, fmt.Sprintf(" id=v%ds%d", c.Version, series[name]), 1))
	}
	return append(status, hits...)
}

// checkPlantedLines asserts that everything planted was found, in full and as
// what it is, and nothing else.
func checkPlantedLines(t *testing.T, all []planted, lines []string) {
	t.Helper()
	told, want := 0, 0
	for _, line := range lines {
		told += count(keys(line))
	}
	for _, p := range all {
		want += p.Records
		records, found := 0, false
		for _, line := range lines {
			if k := keys(line); p.isIn(k) {
				records += count(k)
				found = found || p.toldBy(k)
			}
		}
		if records != p.Records {
			t.Errorf("%s: the lines count %d records, %d were exported", p.Remote, records, p.Records)
		}
		if !found {
			t.Errorf("no line is as it must be for %+v (%+v):\n%s", p, intended[p.Category], strings.Join(lines, "\n"))
		}
	}
	if told != want {
		t.Errorf("the lines count %d records, %d are planted", told, want)
	}
}

// TestLiveAnswers: to each planted conversation, from each exporter, the engine
// answered with the rule and the level that are meant.
func TestLiveAnswers(t *testing.T) {
	t.Parallel()
	lines := strings.Split(readText(t, liveLines), "\n")
	_, recorded, _ := strings.Cut(readText(t, liveAnswers), "\n\n")
	answers := strings.Split(recorded, "\n")
	if len(lines) != len(answers) {
		t.Fatalf("%d answers to %d lines: %s", len(answers), len(lines), writeAgain)
	}
	m := readManifest(t)
	for _, c := range m.Captures {
		for _, p := range m.plantedFor(c) {
			want, found := intended[p.Category], false
			for i, line := range lines {
				if k := keys(line); k["exporter"] == c.Exporter && p.toldBy(k) {
					found = true
					if a := strings.Split(answers[i], "\t"); a[0] != want.rule || a[1] != want.level {
						t.Errorf("rule %s of level %s, want %s of %s: %s", a[0], a[1], want.rule, want.level, line)
					}
				}
			}
			if !found {
				t.Errorf("no line of exporter %s is as it must be for %+v: %s", c.Exporter, p, writeAgain)
			}
		}
	}
}

func readText(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatalf("%v: %s", err, writeAgain)
	}
	return strings.TrimSpace(string(b))
}

// gunzip unpacks a file into a temporary folder and returns its path.
func gunzip(t *testing.T, name string) string {
	t.Helper()
	packed, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), strings.TrimSuffix(filepath.Base(name), ".gz"))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
