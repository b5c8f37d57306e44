package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestKill kills the program with SIGKILL amid its work and starts it again on the
// same data_dir: data without a template decodes, at the sampling rate that was
// told before; no line is said twice, ids go on, and of the counts that were held
// at most those since the last snapshot, ten seconds, are lost.
func TestKill(t *testing.T) {
	peer.Long(t)
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "ours.txt", "198.51.100.7\n198.51.100.8\n")
	write(t, dir, "flowhound.yaml", `listen: ["udp://127.0.0.1:0"]
feeds:
  - {name: ours, type: list, path: ours.txt, category: c2}
log: {path: alerts.log}
data_dir: data
web: {listen: ""}
`)
	const first, second = "198.51.100.7", "198.51.100.8"

	p := startAgent(t, dir)
	sequence := uint32(0)
	export := func(sets ...[]byte) {
		p.send(t, datagram(sequence, sets...))
		sequence++
	}
	export(template(), sampling(100), flowTo(first))
	poll(t, "the first line", func() bool { return len(hits(t, dir)) == 1 })
	poll(t, "the templates to be saved", func() bool {
		_, err := os.Stat(filepath.Join(dir, "data", "templates"))
		return err == nil
	})

	// Held, the first of them in a snapshot: the one that is seen first may have been made
	// while they were on their way.
	const held = 5
	folds := filepath.Join(dir, "data", "folds")
	for range 2 {
		before := modified(t, folds)
		for range held {
			export(flowTo(first))
		}
		poll(t, "a snapshot of the fold state", func() bool { return modified(t, folds).After(before) })
	}
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait()

	p = startAgent(t, dir)
	const after = 2
	export(flowTo(second)) // a template came before the kill only
	for range after {
		export(flowTo(first))
	}
	poll(t, "a line about data without a template", func() bool {
		return slices.ContainsFunc(hits(t, dir), func(h hitLine) bool { return h.dst == second })
	})
	p.end(t)

	ids := map[string]bool{}
	told := map[string]int{}
	var numbers []string
	for _, h := range hits(t, dir) {
		if ids[h.id] {
			t.Errorf("two lines have the id %s", h.id)
		}
		ids[h.id] = true
		told[h.dst] += h.count
		if want := 100 * bytesOfFlow * h.count; h.bytes != want {
			t.Errorf("%d bytes in %d flows, want %d at a sampling rate of 100: %s", h.bytes, h.count, want, h.line)
		}
		if h.dst == first {
			_, n, _ := strings.Cut(h.id, "-")
			numbers = append(numbers, n+" "+h.kind)
		}
	}
	if want := []string{"1 new", "2 repeat"}; !slices.Equal(numbers, want) {
		t.Errorf("lines about %s: %q, want %q in one series", first, numbers, want)
	}
	if n, all := told[first], 1+2*held+after; n < all-held || n > all {
		t.Errorf("the lines tell of %d flows to %s, %d were sent and %d could be lost", n, first, all, held)
	}
	if told[second] != 1 {
		t.Errorf("the lines tell of %d flows to %s, one was sent", told[second], second)
	}
}

// process is the program, running.
type process struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
	conn   net.Conn
}

// startAgent starts the agent in dir and waits until it listens.
func startAgent(t *testing.T, dir string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(t.Context(), "flowhound", "run", "-c", filepath.Join(dir, "flowhound.yaml"))}
	p.cmd.Stderr = &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	started := regexp.MustCompile(fmt.Sprintf(`flowhound\[%d\]: agent status=started .*udp://(127\.0\.0\.1:\d+) `, p.cmd.Process.Pid))
	var addr string
	poll(t, "the agent to start", func() bool {
		if m := started.FindStringSubmatch(readLog(t, dir)); m != nil {
			addr = m[1]
		}
		return addr != ""
	})
	conn, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	p.conn = conn
	return p
}

func (p *process) send(t *testing.T, b []byte) {
	t.Helper()
	if _, err := p.conn.Write(b); err != nil {
		t.Fatal(err)
	}
}

// end interrupts the program, which must end well.
func (p *process) end(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, p.stderr.String())
	}
}

// poll waits until done. The slowest takes ten seconds on a quiet machine.
func poll(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func modified(t *testing.T, path string) time.Time {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readLog(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "alerts.log"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(b)
}

// hitLine is what the test looks at in a line.
type hitLine struct {
	line, kind, dst, id string
	count, bytes        int
}

var hitKeys = regexp.MustCompile(`(?m)^.* hit kind=(\S+) .* dst=(\S+) .* count=(\d+) bytes=(\d+) .* id=(\S+) .*$`)

func hits(t *testing.T, dir string) []hitLine {
	t.Helper()
	var all []hitLine
	for _, m := range hitKeys.FindAllStringSubmatch(readLog(t, dir), -1) {
		h := hitLine{line: m[0], kind: m[1], dst: m[2], id: m[5]}
		h.count, _ = strconv.Atoi(m[3])
		h.bytes, _ = strconv.Atoi(m[4])
		all = append(all, h)
	}
	return all
}

// bytesOfFlow is what each flow of flowTo has.
const bytesOfFlow = 700

var be = binary.BigEndian

// datagram is NetFlow v9 (RFC 3954) of an exporter that is up for an hour.
func datagram(sequence uint32, sets ...[]byte) []byte {
	b := be.AppendUint16(nil, 9)
	b = be.AppendUint16(b, uint16(len(sets)))
	b = be.AppendUint32(b, uint32(time.Hour.Milliseconds()))
	b = be.AppendUint32(b, uint32(time.Now().Unix()))
	b = be.AppendUint32(b, sequence)
	b = be.AppendUint32(b, 1) // source id
	return append(b, slices.Concat(sets...)...)
}

// words is a set of 16-bit values.
func words(id uint16, values ...uint16) []byte {
	b := be.AppendUint16(nil, id)
	b = be.AppendUint16(b, uint16(4+2*len(values)))
	for _, v := range values {
		b = be.AppendUint16(b, v)
	}
	return b
}

// template is addresses, ports, bytes, packets and four bytes of protocol, flags
// and padding: 24 bytes.
func template() []byte {
	return words(0, 256, 9, 8, 4, 12, 4, 7, 2, 11, 2, 1, 4, 2, 4, 4, 1, 6, 1, 210, 2)
}

// sampling is an options template for the sampling interval, and its value.
func sampling(rate uint16) []byte {
	return slices.Concat(
		words(1, 257, 4, 4, 1, 4, 34, 4, 0), // scope: system
		words(257, 0, 0, 0, rate))
}

// flowTo is a set of one flow, of a conversation that 10.1.0.7 has with remote.
func flowTo(remote string) []byte {
	return flowBetween(netip.MustParseAddr("10.1.0.7"), netip.MustParseAddr(remote))
}
