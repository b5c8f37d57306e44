package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestKillHistory kills the program with SIGKILL again and again while it keeps flows:
// every flow that it has accepted is found, once, before the next start and after it.
func TestKillHistory(t *testing.T) {
	peer.Long(t)
	t.Parallel()
	dir := t.TempDir()
	pages := peer.FreePort(t, "tcp").String()
	write(t, dir, "ours.txt", "198.51.100.7\n")
	write(t, dir, "flowhound.yaml", `listen: ["udp://127.0.0.1:0"]
feeds:
  - {name: ours, type: list, path: ours.txt, category: c2}
log: {path: alerts.log}
data_dir: data
web: {listen: "`+pages+`"}
`)
	next := uint32(0x21000000) // address of the next flow
	before := 0                // found after the last kill
	for round := range 5 {
		p := startAgent(t, dir)
		accepted, least := 0, 100+rand.IntN(3000)
		for sequence := uint32(0); accepted < least; accepted = acceptedFlows(t, pages) {
			for range 20 {
				sets := [][]byte{template()}
				for range 20 {
					next++
					sets = append(sets, flowBetween(netip.MustParseAddr("10.1.0.7"), netip.AddrFrom4([4]byte(be.AppendUint32(nil, next)))))
				}
				p.send(t, datagram(sequence, sets...))
				sequence++
			}
		}
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = p.cmd.Wait()
		found := keptFlows(t, dir)
		if len(found) < before+accepted {
			t.Fatalf("round %d: %d flows were accepted and %d were there before, %d are found", round, accepted, before, len(found))
		}
		before = len(found)
	}
	p := startAgent(t, dir)
	p.end(t)
	if found := keptFlows(t, dir); len(found) != before {
		t.Errorf("%d flows are found after the last start, %d were there before", len(found), before)
	}
}

var recordsKept = regexp.MustCompile(`(?m)^flowhound_history_records_total (\S+)$`)

// acceptedFlows is how many flows the agent has accepted since its start.
func acceptedFlows(t *testing.T, pages string) int {
	t.Helper()
	response, err := http.Get("http://" + pages + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	m := recordsKept.FindSubmatch(b)
	if m == nil {
		t.Fatalf("no count of flows in /metrics: %s", b)
	}
	n, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// keptFlows are the flows that the program finds, by their destination. None is there
// twice.
func keptFlows(t *testing.T, dir string) map[string]bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "flowhound", "flows", "-c", filepath.Join(dir, "flowhound.yaml"), "--last", "1d", "--limit", "0", "--json")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || errs.Len() > 0 {
		t.Fatalf("flowhound flows: %v\n%s", err, errs.String())
	}
	found := map[string]bool{}
	for line := range bytes.Lines(out) {
		var flow struct{ Dst string }
		if err := json.Unmarshal(line, &flow); err != nil {
			t.Fatal(err)
		}
		if found[flow.Dst] {
			t.Fatalf("the flow to %s is there twice", flow.Dst)
		}
		found[flow.Dst] = true
	}
	return found
}
