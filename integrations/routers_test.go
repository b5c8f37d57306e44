package integrations_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/integrations"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestRouters: every file sends to the one collector.
func TestRouters(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(integrations.Files, "routers/*")
	if err != nil || len(files) < 12 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		text := read(t, file)
		if !strings.Contains(text, "192.0.2.10") || !strings.Contains(text, "2055") {
			t.Errorf("%s does not send to 192.0.2.10, port 2055", file)
		}
	}
}

// flow is what the test looks at of a line of replay --flows.
type flow struct {
	Version      int
	Src, Dst     netip.Addr
	Sport, Dport int
}

// TestSoftflowdTakesSnippet runs softflowd with the file's options on two minutes
// of traffic, and reads what it sends.
func TestSoftflowdTakesSnippet(t *testing.T) {
	t.Parallel()
	traffic := filepath.Join(t.TempDir(), "traffic.pcap") // of the end-to-end tests
	succeed(t, "sh", "-c", "gzip -dc ../testdata/pcap/traffic.pcap.gz >"+traffic)
	flows := softflowd(t, traffic)
	v6, answered := 0, 0
	type ends struct {
		src, dst     netip.Addr
		sport, dport int
	}
	seen := map[ends]bool{}
	for _, f := range flows {
		seen[ends{f.Src, f.Dst, f.Sport, f.Dport}] = true
	}
	for _, f := range flows {
		if f.Src.Is6() {
			v6++
		}
		if seen[ends{f.Dst, f.Src, f.Dport, f.Sport}] {
			answered++
		}
		if f.Version != 9 {
			t.Errorf("version %d", f.Version)
		}
	}
	if len(flows) < 400 || v6 == 0 || answered == 0 {
		t.Errorf("%d flows, %d of IPv6, %d with their answer", len(flows), v6, answered)
	}
}

// TestSoftflowdTimeouts asks a running softflowd what it made of the file: one that
// reads a capture minds no timeout.
func TestSoftflowdTimeouts(t *testing.T) {
	t.Parallel()
	program, control := peer.Path(t, "softflowd", "softflowd"), peer.Path(t, "softflowctl", "softflowd")
	words, dir := ownNetwork(t), t.TempDir()
	conf := place(t, dir, "routers/softflowd.conf", "192.0.2.10:2055", "127.0.0.1:2055")
	script := peer.Path(t, "ip", "iproute2") + " link set lo up && . " + conf + ` && cd ` + dir + ` || exit
		timeout 30 ` + program + ` -d -i lo -p pid -c ctl $options &
		n=0
		until [ -S ctl ] || [ $n = 100 ]; do sleep 0.1; n=$((n + 1)); done
		timeout 10 ` + control + ` -c ctl timeouts
		timeout 10 ` + control + ` -c ctl shutdown
		wait`
	got := succeed(t, words[0], append(words[1:], "sh", "-c", script)...)
	for _, want := range []string{"TCP timeout: 15s", "TCP post-RST timeout: 15s", "TCP post-FIN timeout: 15s", "UDP timeout: 15s", "ICMP timeout: 15s", "General timeout: 15s", "Maximum lifetime: 60s"} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("not %q:\n%s", want, got)
		}
	}
}

// softflowd runs it with the file's options on a capture, and returns what it sends.
func softflowd(t *testing.T, capture string) []flow {
	t.Helper()
	program, dir := peer.Path(t, "softflowd", "softflowd"), t.TempDir()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	// As systemd reads the file: EnvironmentFile, with $options split at spaces.
	conf := place(t, dir, "routers/softflowd.conf", "192.0.2.10:2055", conn.LocalAddr().String())
	interf, options, _ := strings.Cut(succeed(t, "sh", "-c", ". "+conf+`; echo "$interface"; echo "$options"`), "\n")
	if interf != "eth1" {
		t.Errorf("interface is %q", interf)
	}
	args := append([]string{"-a", "-d", "-c", "none", "-p", filepath.Join(dir, "pid"), "-r", capture}, strings.Fields(options)...)
	succeed(t, program, args...)
	return replay(t, filepath.Join(dir, "sent.pcap"), received(t, conn))
}

// received are the datagrams that wait.
func received(t *testing.T, conn *net.UDPConn) (datagrams [][]byte) {
	t.Helper()
	for {
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 65535)
		n, err := conn.Read(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return datagrams
		}
		if err != nil {
			t.Fatal(err)
		}
		datagrams = append(datagrams, b[:n])
	}
}

// packet is a datagram from 192.0.2.1 to port 2055 of 192.0.2.10.
type packet struct {
	at      uint32 // seconds
	payload []byte
}

// capture is a pcap file of raw IPv4.
func capture(packets []packet) []byte {
	const raw = 101
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, raw, 0, 0, 0)
	for _, p := range packets {
		size := uint32(28 + len(p.payload))
		for _, v := range []uint32{p.at, 0, size, size} {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		ip := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 10}
		binary.BigEndian.PutUint16(ip[2:], uint16(size))
		b = append(b, ip...)
		for _, v := range []uint16{40000, 2055, uint16(8 + len(p.payload)), 0} {
			b = binary.BigEndian.AppendUint16(b, v)
		}
		b = append(b, p.payload...)
	}
	return b
}

// replay writes datagrams of NetFlow version 9 as a capture and returns the flows in it.
func replay(t *testing.T, name string, datagrams [][]byte) (flows []flow) {
	t.Helper()
	var packets []packet
	for _, d := range datagrams {
		packets = append(packets, packet{at: binary.BigEndian.Uint32(d[8:]), payload: d}) // the header's export time
	}
	if err := os.WriteFile(name, capture(packets), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), flowhound(t), "replay", "--flows", "--json", name).Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range bytes.Lines(out) {
		var f flow
		if err := json.Unmarshal(line, &f); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		flows = append(flows, f)
	}
	return flows
}

// TestOpenVSwitchTakesSnippets runs both scripts, twice, on a database of Open
// vSwitch with a bridge in it, without a switch.
func TestOpenVSwitchTakesSnippets(t *testing.T) {
	t.Parallel()
	vsctl, server, tool := peer.Path(t, "ovs-vsctl", "openvswitch-switch"), peer.Path(t, "ovsdb-server", "openvswitch-common"), peer.Path(t, "ovsdb-tool", "openvswitch-common")
	dir := t.TempDir()
	db, socket := filepath.Join(dir, "conf.db"), "unix:"+filepath.Join(dir, "db.sock")
	succeed(t, tool, "create", db, "/usr/share/openvswitch/vswitch.ovsschema")
	cmd := exec.Command(server, "--remote=p"+socket, "--no-chdir", "--unixctl="+filepath.Join(dir, "ctl"), db)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	wrapper := "#!/bin/sh\nexec " + vsctl + " --no-wait --timeout=10 --db=" + socket + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "ovs-vsctl"), []byte(wrapper), 0o755); err != nil {
		t.Fatal(err)
	}
	run := func(words ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", words, err, out)
		}
		return string(out)
	}
	own := filepath.Join(dir, "ovs-vsctl")
	run(own, "--retry", "init")
	run(own, "add-br", "br0")
	for _, name := range []string{"netflow", "ipfix"} {
		script := place(t, dir, "routers/openvswitch-"+name+".sh")
		succeed(t, peer.Path(t, "shellcheck", "shellcheck"), script)
		run("sh", script)
		run("sh", script) // again
	}
	for _, tt := range []struct{ table, column, want string }{
		{"NetFlow", "targets", `["192.0.2.10:2055"]`}, {"NetFlow", "active_timeout", "60"}, {"IPFIX", "targets", `["192.0.2.10:2055"]`},
		{"IPFIX", "cache_active_timeout", "60"}, {"IPFIX", "sampling", "1"},
	} {
		if got := strings.TrimSpace(run(own, "--columns="+tt.column, "--data=bare", "--format=csv", "--no-headings", "list", tt.table)); strings.Trim(got, `"[]`) != strings.Trim(tt.want, `"[]`) {
			t.Errorf("%s of %s is %q, not once %s", tt.column, tt.table, got, tt.want)
		}
	}
}

// TestOPNsense runs the script against a server that answers as OPNsense's API.
func TestOPNsense(t *testing.T) {
	t.Parallel()
	peer.Path(t, "curl", "curl")
	var calls []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || user != "KEY" || password != "SEC:RET" {
			http.Error(w, "", http.StatusUnauthorized)
			return
		}
		calls = append(calls, r.URL.Path+" "+string(body))
		_, _ = w.Write([]byte(`{"result":"saved"}`))
	}))
	defer server.Close()
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte("KEY:SEC:RET\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	script := place(t, dir, "routers/opnsense.sh", "https://firewall.example", server.URL)
	succeed(t, peer.Path(t, "shellcheck", "shellcheck"), script)
	succeed(t, "sh", script, key)
	if len(calls) != 2 || !strings.HasPrefix(calls[0], "/api/diagnostics/netflow/setconfig ") || calls[1] != "/api/diagnostics/netflow/reconfigure {}" {
		t.Fatalf("called %q", calls)
	}
	var config struct {
		Netflow struct {
			Capture                        struct{ Interfaces, Version, Targets string }
			ActiveTimeout, InactiveTimeout string
		}
	}
	_, body, _ := strings.Cut(calls[0], " ")
	if err := json.Unmarshal([]byte(body), &config); err != nil {
		t.Fatal(err)
	}
	n := config.Netflow
	if n.Capture.Targets != "192.0.2.10:2055" || n.Capture.Version != "v9" || n.ActiveTimeout != "60" || n.InactiveTimeout != "15" || !regexp.MustCompile(`^\w+$`).MatchString(n.Capture.Interfaces) {
		t.Errorf("%+v", n)
	}
}
