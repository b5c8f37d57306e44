package rules_test

import (
	"encoding/binary"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestRetroIsScored: a flow that nobody listed is kept by a running agent; a list names
// its address then, and the line that the agent writes of the past is what the rules of
// the real engines raise.
func TestRetroIsScored(t *testing.T) {
	peer.Long(t)
	programs := map[*engine]string{}
	for _, e := range []*engine{ossec, wazuh} {
		if program := e.find(); program != "" {
			programs[e] = program
		} else {
			t.Logf("SKIPPED: no %s in %s, PATH or /var/ossec/bin, or not root", e.program, e.env)
		}
	}
	if len(programs) == 0 {
		t.Skip("SKIPPED: there is no engine to ask")
	}
	line := retroLine(t)
	for e, program := range programs {
		answers, _ := e.ask(t, program, []string{line})
		a := answers[0]
		if a.Rule != 100948 || a.Level != 12 {
			t.Errorf("%s: rule %d, level %d for\n%s", e.name, a.Rule, a.Level, line)
		}
		fields := "\n" + strings.Join(a.Fields, "\n") + "\n"
		for _, want := range map[string][]string{
			"ossec": {"\nid=203.0.113.66\n", "\nsrcip=10.1.0.7\n", "\ndstip=203.0.113.66\n", "\nflowhound.kind=retro\n"},
			"wazuh": {"\nsrcip=10.1.0.7\n", "\ndstip=203.0.113.66\n"},
		}[e.name] {
			if !strings.Contains(fields, want) {
				t.Errorf("%s decodes no %q:%s", e.name, want, fields)
			}
		}
	}
}

// retroLine runs the agent until it has hunted, and returns the line.
func retroLine(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	program := peer.Program(t, "cmd/flowhound")
	put := func(name, content string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	put("ours.txt", "198.51.100.99\n")
	put("flowhound.yaml", `listen: ["udp://127.0.0.1:0"]
feeds: [{name: ours, type: list, path: ours.txt, category: c2, reference: "https://list.example/c2"}]
log: {path: alerts.log, hostname: gw}
data_dir: data
run_dir: run
web: {listen: ""}
`)
	cmd := exec.CommandContext(t.Context(), program, "run", "-c", filepath.Join(dir, "flowhound.yaml"))
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, said.String())
		}
	}()
	await := func(re string, meanwhile func()) []string {
		t.Helper()
		exp := regexp.MustCompile(`(?m)^.*flowhound\[\d+\]: ` + re + `.*$`)
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			meanwhile()
			b, _ := os.ReadFile(filepath.Join(dir, "alerts.log"))
			if m := exp.FindStringSubmatch(string(b)); m != nil {
				return m
			}
		}
		b, _ := os.ReadFile(filepath.Join(dir, "alerts.log"))
		t.Fatalf("waited in vain for a line %s:\n%s\n%s", re, b, said.String())
		return nil
	}
	addr := await(`agent status=started .*udp://(127\.0\.0\.1:\d+) `, func() {})[1]
	conn, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// The second flow hits, which says that the first one has been received.
	await(`hit kind=new .* ioc=198\.51\.100\.99 `, func() {
		if _, err := conn.Write(netflow5(0x0a010007, 0xcb007142, 0xc6336463)); err != nil {
			t.Error(err)
		}
	})
	put("ours.txt", "198.51.100.99\n203.0.113.66\n")
	return await(`hit kind=retro .* ioc=203\.0\.113\.66 `, func() {})[0]
}

// netflow5 is a datagram of NetFlow version 5 with an established flow to each remote.
func netflow5(local uint32, remotes ...uint32) []byte {
	const up = 3600_000
	be := binary.BigEndian
	b := be.AppendUint16(be.AppendUint16(nil, 5), uint16(len(remotes)))
	b = be.AppendUint32(be.AppendUint32(b, up), uint32(time.Now().Unix()))
	b = append(b, make([]byte, 12)...)
	for _, remote := range remotes {
		b = be.AppendUint32(be.AppendUint32(be.AppendUint32(b, local), remote), 0)
		b = append(b, 0, 1, 0, 2)                                     // interfaces
		b = be.AppendUint32(be.AppendUint32(b, 97), 18412)            // packets, octets
		b = be.AppendUint32(be.AppendUint32(b, up-20_000), up-10_000) // first, last
		b = be.AppendUint16(be.AppendUint16(b, 51234), 443)
		b = append(b, 0, 0x1b, 6, 0)
		b = append(b, make([]byte, 8)...)
	}
	return b
}
