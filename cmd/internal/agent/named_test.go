package agent_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel/dnstest"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// What named logged of the look-ups in TestNamed, and what the real engine
// answered to that; the tests in rules record the answers.
const (
	blockedLines   = "../../../testdata/golden/ossec/blocked-lines.txt"
	blockedAnswers = "../../../testdata/golden/ossec/blocked-answers.txt"

	blockedAgain = "go test ./cmd/internal/agent -run TestNamed -update, then record the answers as rules/README.md says"
)

// TestNamed: a pulse arrives, and named, which the agent tells of it, answers no
// more for what it lists; it is withdrawn, and named answers again.
func TestNamed(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	const zone = "c2.rpz.flowhound"
	known, arrives := pulse("known.example", "domain"), pulse("bad.example", "domain", "198.51.100.66", "IPv4")
	dir := t.TempDir()
	write(t, dir, "pulses.json", pulses(known))
	r := start(t, dir, `feeds:
  - {name: otx, type: otx, path: pulses.json}
exports:
  - {format: rpz, path: rpz.db, zone: `+zone+`, categories: [c2], every: 1s}
`)
	r.awaitLine(`export id=rpz\.db status=ok indicators=1 `)

	// named can start now that there is a zone, and the agent can be told of it.
	server := dnstest.Named(t, "evil A 198.51.100.66\n", dnstest.Zone{Name: zone, Path: r.path("rpz.db")})
	reload, err := json.Marshal(server.ReloadCommand(zone))
	if err != nil {
		t.Fatal(err)
	}
	r.edit("every: 1s}", "every: 1s, reload: "+string(reload)+"}")
	r.sighup()
	r.awaitLine(`agent status=reloaded `)

	d := digger{t, dnstest.Peer(t, "dig", "bind9-dnsutils"), server.Port()}
	d.want("known.example", "NXDOMAIN")
	listed := []string{"bad.example", "www.bad.example", "evil"}
	for _, name := range append(listed, "good.example") {
		d.want(name, "NOERROR")
	}

	r.replace("pulses.json", pulses(known, arrives))
	r.await("named to block "+listed[0], func() bool { return d.dig(listed[0]) == "NXDOMAIN" })
	for _, name := range append(listed, "known.example") {
		d.want(name, "NXDOMAIN")
	}
	d.want("good.example", "NOERROR")
	logged := blocked(server.Log())

	r.replace("pulses.json", pulses(known))
	r.await("named to answer for "+listed[0], func() bool { return d.dig(listed[0]) == "NOERROR" })
	for _, name := range listed {
		d.want(name, "NOERROR")
	}
	d.want("known.example", "NXDOMAIN")
	if regexp.MustCompile(`rpz.*(invalid|not the canonical)`).MatchString(server.Log()) {
		t.Errorf("named complains of the zone:\n%s", server.Log())
	}
	if line := r.findLine("alerts.log", `export .* status=error .*`); line != nil {
		t.Error(line[0])
	}

	if *update {
		if err := os.WriteFile(blockedLines, []byte(logged), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := readText(t, blockedLines) + "\n"; logged != want {
		t.Errorf("named logged\n%swhere %s has\n%s(%s)", logged, blockedLines, want, blockedAgain)
	}
}

// TestBlockedAnswers: to each of named's lines the engine answered with an alert
// that a client asked for a control server.
func TestBlockedAnswers(t *testing.T) {
	t.Parallel()
	lines := strings.Split(readText(t, blockedLines), "\n")
	_, recorded, _ := strings.Cut(readText(t, blockedAnswers), "\n\n")
	answers := strings.Split(recorded, "\n")
	if len(answers) != len(lines) {
		t.Fatalf("%d answers to %d lines: %s", len(answers), len(lines), blockedAgain)
	}
	for i, a := range answers {
		if !strings.HasPrefix(a, "100977\t12\t") || !strings.Contains(a, "\tsrcip=127.0.0.1\t") {
			t.Errorf("the engine answers\n%s to\n%s", a, lines[i])
		}
	}
}

// digger asks a name server as a person would.
type digger struct {
	t    *testing.T
	path string
	port int
}

var digStatus = regexp.MustCompile(`status: (\w+),`)

// dig returns the code of the answer about a name's address.
func (d digger) dig(name string) string {
	d.t.Helper()
	out, err := exec.CommandContext(d.t.Context(), d.path, "@127.0.0.1", "-p", strconv.Itoa(d.port), "+time=5", name, "A").CombinedOutput()
	m := digStatus.FindSubmatch(out)
	if err != nil || m == nil {
		d.t.Fatalf("dig %s: %v\n%s", name, err, out)
	}
	return string(m[1])
}

func (d digger) want(name, code string) {
	d.t.Helper()
	if got := d.dig(name); got != code {
		d.t.Errorf("dig %s: %s, want %s", name, got, code)
	}
}

// blocked returns one line of each name that named blocked, with fixed values in
// the place of what differs from run to run.
func blocked(log string) string {
	var kept strings.Builder
	seen := map[string]bool{}
	for line := range strings.Lines(log) {
		_, about, ok := strings.Cut(line, ": rpz ")
		if !ok || !strings.Contains(about, " NXDOMAIN rewrite ") || seen[about] {
			continue
		}
		seen[about] = true
		for _, r := range []struct{ re, to string }{
			{`^\d\d-\w{3}-\d{4} [\d:.]+ `, "23-Nov-2026 07:33:27.859 "},
			{`@0x[0-9a-f]+ 127\.0\.0\.1#\d+ `, "@0x7fda8293f098 127.0.0.1#44496 "},
		} {
			line = regexp.MustCompile(r.re).ReplaceAllString(line, r.to)
		}
		kept.WriteString(line)
	}
	return kept.String()
}

// pulse returns a pulse about command and control with pairs of indicator and type.
func pulse(indicators ...string) map[string]any {
	var list []map[string]any
	for i := 0; i < len(indicators); i += 2 {
		list = append(list, map[string]any{"id": i, "indicator": indicators[i], "type": indicators[i+1], "is_active": 1, "role": "command_and_control"})
	}
	now := time.Now().UTC().Format("2006-01-02T15:04:05")
	return map[string]any{
		"id": fmt.Sprintf("%024x", len(indicators)), "name": "About " + indicators[0], "tags": []string{"c2"},
		"modified": now, "created": now, "indicators": list,
	}
}

func pulses(all ...map[string]any) string {
	b, err := json.Marshal(map[string]any{"results": all, "count": len(all)})
	if err != nil {
		panic(err)
	}
	return string(b)
}
