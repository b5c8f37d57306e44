package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

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
	var numbered numberedFlows
	before := 0 // found after the last kill
	for round := range 5 {
		p := startAgent(t, dir)
		accepted, least := 0, 100+rand.IntN(3000)
		for numbered.sequence = 0; accepted < least; accepted = acceptedFlows(t, pages) {
			numbered.send(t, p)
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

// TestReadersBesideTheWriter: while the agent keeps flows, other processes ask all the
// time. Each finds at least what the one before it has found, and nothing twice.
func TestReadersBesideTheWriter(t *testing.T) {
	peer.Long(t)
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "ours.txt", "198.51.100.7\n")
	write(t, dir, "flowhound.yaml", `listen: ["udp://127.0.0.1:0"]
feeds:
  - {name: ours, type: list, path: ours.txt, category: c2}
log: {path: alerts.log}
data_dir: data
web: {listen: ""}
`)
	p := startAgent(t, dir)
	var numbered numberedFlows
	poll(t, "the first flows", func() bool { numbered.send(t, p); return len(keptFlows(t, dir)) > 0 })
	var readers sync.WaitGroup
	ended := make(chan struct{})
	for range 3 {
		readers.Go(func() {
			found := 0
			for range 4 {
				n := len(keptFlows(t, dir))
				if n < found {
					t.Errorf("%d flows are found, %d were before", n, found)
				}
				found = n
			}
		})
	}
	go func() { readers.Wait(); close(ended) }()
	for sent := 0; ; sent++ {
		select {
		case <-ended:
			p.end(t)
			return
		case <-time.After(20 * time.Millisecond):
			if sent < 100 { // on a slow machine readers would never come to an end of more and more flows
				numbered.send(t, p)
			}
		}
	}
}

// numberedFlows are flows to one address after the other.
type numberedFlows struct{ next, sequence uint32 }

// send sends 400.
func (n *numberedFlows) send(t *testing.T, p *process) {
	t.Helper()
	for range 20 {
		sets := [][]byte{template()}
		for range 20 {
			n.next++
			sets = append(sets, flowBetween(netip.MustParseAddr("10.1.0.7"), netip.AddrFrom4([4]byte(be.AppendUint32(nil, 0x21000000+n.next)))))
		}
		p.send(t, datagram(n.sequence, sets...))
		n.sequence++
	}
}

var recordsKept = regexp.MustCompile(`(?m)^flowhound_history_records_total (\S+)$`)

// acceptedFlows is how many flows the agent has accepted since its start.
func acceptedFlows(t *testing.T, pages string) int {
	t.Helper()
	page := get(t, "http://"+pages+"/metrics")
	m := recordsKept.FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no count of flows in /metrics: %s", page)
	}
	n, err := strconv.ParseFloat(m[1], 64)
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
	if err != nil || errs.Len() > 0 && !strings.HasPrefix(errs.String(), "no such flows") {
		t.Errorf("flowhound flows: %v\n%s", err, errs.String())
	}
	found := map[string]bool{}
	for line := range bytes.Lines(out) {
		var flow struct{ Dst string }
		if err := json.Unmarshal(line, &flow); err != nil {
			t.Error(err)
		}
		if found[flow.Dst] {
			t.Errorf("the flow to %s is there twice", flow.Dst)
		}
		found[flow.Dst] = true
	}
	return found
}
