package integrations_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestUnboundFollowsBIND runs the two snippets for large zones: Unbound loads the
// zones from BIND, and when BIND loads a new version, it hears of it and takes over
// what has changed.
func TestUnboundFollowsBIND(t *testing.T) {
	t.Parallel()
	named, unbound := peer.Path(t, "named", "bind9"), peer.Path(t, "unbound", "unbound")
	dir := t.TempDir()
	primary, secondary := peer.FreePort(t, "udp").Port, peer.FreePort(t, "udp").Port
	zone := func(list string) {
		t.Helper()
		path := filepath.Join(dir, "list.txt")
		if err := os.WriteFile(path, []byte(list), 0o600); err != nil {
			t.Fatal(err)
		}
		config := filepath.Join(dir, "flowhound.yaml")
		if err := os.WriteFile(config, []byte("data_dir: "+dir+"/data\nfeeds: [{name: l, type: list, path: "+path+", category: c2}]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		succeed(t, flowhound(t), "export", "rpz", "-c", config, "--zone", "rpz.flowhound", "-o", filepath.Join(dir, "rpz.flowhound"))
		succeed(t, flowhound(t), "export", "rpz", "-c", config, "--action", "allow", "-o", filepath.Join(dir, "allow.rpz.flowhound"))
	}
	zone("gone.example\nstays.example\n")

	conf := place(t, dir, "unbound/primary.conf", "/var/lib/bind/flowhound", dir, `directory "/var/cache/bind";`,
		fmt.Sprintf("directory %q; pid-file %q; session-keyfile %q;", dir, dir+"/pid", dir+"/key"),
		"port 5300", fmt.Sprintf("port %d", primary), "port 53;", fmt.Sprintf("port %d;", secondary),
		`include "/etc/bind/rndc.key";`, "", `controls { inet 127.0.0.1 allow { localhost; } keys { "rndc-key"; }; };`, "controls { };")
	b, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(conf, append(b, fmt.Sprintf("logging { channel l { file %q; severity debug; }; category default { l; }; category xfer-out { l; }; };\nzone \"example\" { type primary; file \"example\"; };\n", dir+"/named.log")...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "example"), []byte("$TTL 0\n@ SOA localhost. root.localhost. 1 60 60 60 0\n@ NS localhost.\ngone A 192.0.2.1\nstays A 192.0.2.1\ncomes A 192.0.2.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := exec.Command(named, "-c", conf, "-f")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	await(t, filepath.Join(dir, "named.log"), "all zones loaded", 1)

	rpz := place(t, dir, "unbound/secondary.conf", "/var/lib/unbound", dir+"/unbound", "5300", fmt.Sprint(primary))
	if err := os.Mkdir(filepath.Join(dir, "unbound"), 0o700); err != nil {
		t.Fatal(err)
	}
	main := filepath.Join(dir, "main.conf")
	text := fmt.Sprintf("server:\n\tinterface: 127.0.0.1@%d\n\tdo-daemonize: no\n\tchroot: \"\"\n\tusername: \"\"\n\tpidfile: \"\"\n\tdirectory: %q\n\tlogfile: %q\n\tuse-syslog: no\n\tdo-not-query-localhost: no\n\tverbosity: 2\n"+
		"remote-control:\n\tcontrol-enable: no\ninclude: %q\n", secondary, dir, dir+"/unbound.log", rpz)
	// There are no keys of the root here, and all that exists is BIND's.
	text += fmt.Sprintf("server:\n\tmodule-config: \"respip iterator\"\nstub-zone:\n\tname: example\n\tstub-addr: 127.0.0.1@%d\n\tstub-no-cache: yes\n", primary)
	if err := os.WriteFile(main, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, unbound, "-d", "-c", main)
	blocked := func(name string, want bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			code, ok := rcode(t, secondary, name)
			if ok && (code == dnsmessage.RCodeNameError) == want {
				return
			}
			if time.Now().After(end) {
				log, _ := os.ReadFile(dir + "/named.log")
				t.Fatalf("%s: blocked should be %v, answer %v; BIND said\n%s", name, want, code, log[max(0, len(log)-3000):])
			}
		}
	}
	blocked("gone.example", true)
	blocked("stays.example", true)
	blocked("comes.example", false)

	zone("stays.example\ncomes.example\n")
	if err := server.Process.Signal(syscall.SIGHUP); err != nil { // as rndc reload
		t.Fatal(err)
	}
	blocked("comes.example", true)
	blocked("gone.example", false)
	blocked("stays.example", true)
	if log := await(t, filepath.Join(dir, "named.log"), "IXFR ended", 1); !strings.Contains(log, "rpz.flowhound") {
		t.Errorf("the change went over as a whole zone:\n%s", log)
	}
}

// rcode asks once.
func rcode(t *testing.T, port int, name string) (dnsmessage.RCode, bool) {
	t.Helper()
	query, err := (&dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 1, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name + "."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}).Pack()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	answer := make([]byte, 4096)
	if _, err := conn.Write(query); err != nil {
		return 0, false
	}
	n, err := conn.Read(answer)
	if err != nil {
		return 0, false
	}
	var m dnsmessage.Message
	if err := m.Unpack(answer[:n]); err != nil {
		return 0, false
	}
	return m.RCode, true
}
