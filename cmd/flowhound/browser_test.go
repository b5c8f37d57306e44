package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/web/users"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

const pagesDir = "../internal/web/pages"

// node returns a command that runs a test of the pages in a real Chromium against
// address. Pictures are kept where FLOWHOUND_SHOTS says.
func node(t *testing.T, script, address string, env ...string) *exec.Cmd {
	t.Helper()
	peer.Long(t)
	program, chromium := peer.Path(t, "node", "nodejs"), peer.Path(t, "chromium", "chromium")
	if _, err := os.Stat(filepath.Join(pagesDir, "node_modules", "playwright-core")); err != nil {
		peer.Missing(t, "playwright-core is not installed; run: cd cmd/internal/web/pages && npm ci --ignore-scripts")
	}
	cmd := exec.CommandContext(t.Context(), program, filepath.Join("test", script))
	cmd.Dir = pagesDir
	cmd.Env = append(os.Environ(), "PAGES=http://"+address, "CHROMIUM="+chromium, "SHOTS="+os.Getenv("FLOWHOUND_SHOTS"))
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// drive runs cmd and does what it asks for: a line "DO WHAT" is answered with a line.
func drive(t *testing.T, cmd *exec.Cmd, do func(what string) string) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	checks := 0
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "ok ") {
			checks++
		}
		t.Log(line)
		if what, ok := strings.CutPrefix(line, "DO "); ok {
			fmt.Fprintln(in, strings.ReplaceAll(do(what), "\n", " "))
		}
	}
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v", err)
	}
	if checks == 0 {
		t.Error("nothing was checked")
	}
}

// TestPagesAsAPerson: a person logs in, looks at the map, drills down, reads a hit's
// story, mutes it, and takes a table away. What the map shows is what flowhound top says.
func TestPagesAsAPerson(t *testing.T) {
	t.Parallel()
	const password = "correct horse battery"
	dir := t.TempDir()
	address := peer.FreePort(t, "tcp").String()
	cmd := node(t, "walk.mjs", address, "PASSWORD="+password)
	pulses, err := os.ReadFile("../internal/demo/assets/pulses.json")
	if err != nil {
		t.Fatal(err)
	}
	hostile := regexp.MustCompile(`"name": "[^"]*"`).ReplaceAllString(string(pulses), `"name": "<script>alert(1)</script> \u202e <img src=x onerror=alert(2)>"`)
	write(t, dir, "pulses.json", hostile)
	write(t, dir, "botnet.txt", "203.0.113.208/28\n198.51.100.200\n")
	write(t, dir, "places.csv", "network,country_code,asn,as_name\n198.51.100.0/24,CH,64502,Beispiel Swiss\n203.0.113.0/24,NL,64498,Voorbeeld Colocation\n")
	write(t, dir, "flowhound.yaml", fmt.Sprintf(`listen: ["udp://127.0.0.1:0"]
feeds:
  - {name: pulses, type: otx, path: pulses.json, category: malware, confidence: 85}
  - {name: botnet, type: list, path: botnet.txt, category: botnet}
geo: {database: places.csv}
exports:
  - {format: nftables, path: flowhound.nft}
  - {format: plain, path: botnet.lst, categories: [botnet]}
history: {enabled: true}
log: {path: alerts.log}
data_dir: data
web: {listen: %q, users: users}
`, address))
	anna, err := users.ForPassword("anna", users.Operator, []byte(password))
	if err != nil {
		t.Fatal(err)
	}
	if err := users.Add(filepath.Join(dir, "users"), anna, ""); err != nil {
		t.Fatal(err)
	}
	p := startAgent(t, dir)
	sequence := uint32(0)
	export := func(sets ...[]byte) {
		p.send(t, datagram(sequence, sets...))
		sequence++
	}
	export(template())
	own := netip.MustParseAddr("10.1.0.7")
	for i := range 6 { // answers of Switzerland, each larger than the one before
		for range i + 1 {
			export(flowBetween(netip.AddrFrom4([4]byte{198, 51, 100, byte(20 + i)}), own))
		}
	}
	export(flowTo("203.0.113.200"))
	export(flowBetween(netip.MustParseAddr("203.0.113.200"), own))
	top := []string{"top", "-c", filepath.Join(dir, "flowhound.yaml"), "--scc", "ch", "--fields", "sip,sport", "--value", "bytes", "--count", "5", "--json"}
	said := ""
	poll(t, "the flows to be kept", func() bool {
		var status int
		said, _, status = flowhound(t, top...)
		return status == 0 && strings.HasPrefix(said, `{"records":21,`)
	})
	poll(t, "the hit", func() bool { return len(hits(t, dir)) > 0 })
	cmd.Env = append(cmd.Env, "TOP=["+strings.ReplaceAll(strings.TrimSpace(said), "\n", ",")+"]")
	drive(t, cmd, func(what string) string {
		if command, ok := strings.CutPrefix(what, "run "); ok {
			return shell(t, command, filepath.Join(dir, "flowhound.yaml"))
		}
		switch what {
		case "hit":
			export(flowTo("203.0.113.211"))
		case "flows":
			for range 20 {
				export(flowBetween(netip.MustParseAddr("198.51.100.20"), own))
			}
		case "configuration":
			b, err := os.ReadFile(filepath.Join(dir, "flowhound.yaml"))
			if err != nil {
				t.Error(err)
			}
			return string(b)
		}
		return "done"
	})
	p.end(t)
}

// shell runs a command that a page names, as a person would paste it on a host whose
// configuration is config. It returns the exit status and what was printed.
func shell(t *testing.T, command, config string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `flowhound() { command flowhound "$@" -c "$CONFIG"; }; `+command)
	cmd.Env = append(os.Environ(), "CONFIG="+config)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	var e *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &e) {
		t.Error(err)
	}
	status := cmd.ProcessState.ExitCode()
	if status != 0 {
		t.Logf("%s: %d: %s", command, status, errs.String())
	}
	return fmt.Sprintf("%d %s", status, out.String())
}

// startDemo starts the demo's pages and returns their address.
func startDemo(t *testing.T) (address string) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "flowhound", "demo", "--web", "--listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the program
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the demo: %v", err)
		}
	})
	m := regexp.MustCompile(`http://(127\.0\.0\.1:\d+)/`).FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("the demo says %q", line)
	}
	return m[1]
}

// TestDemoPages looks at every page of the demo. widths.mjs: it is accessible and within
// its window at four widths in both themes, and the first page is small; with
// FLOWHOUND_PICTURES=FOLDER README's pictures are made anew. keys.mjs: it works with the
// keyboard alone. tables.mjs: each number can be taken away as a table. hostile.mjs: no text of a feed or a host widens it or is HTML.
func TestDemoPages(t *testing.T) {
	t.Parallel()
	_ = node(t, "widths.mjs", "127.0.0.1:1") // is there one?
	address := startDemo(t)
	poll(t, "the demo's hits", func() bool {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return false
		}
		defer c.Close()
		fmt.Fprintf(c, "GET /api/v1/top HTTP/1.0\r\n\r\n")
		b, _ := io.ReadAll(c)
		return strings.Contains(string(b), `"sip"`)
	})
	for _, script := range []string{"widths", "keys", "tables", "hostile"} {
		t.Run(script, func(t *testing.T) {
			drive(t, node(t, script+".mjs", address), func(string) string { return "" })
		})
	}
}
