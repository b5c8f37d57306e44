package integrations_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// namedLines is what a real named wrote with the snippets of bind. The tests in
// rules hold the engine's answers to them.
const namedLines = "../testdata/golden/ossec/named-lines.txt"

// zones are those of the snippets, without what their names end in.
var zones = []string{"allow", "c2", "malware", "botnet", "phishing", "policy"}

// asked are queries that meet each zone of the snippets. Each comes from an
// address of its own, which tells the lines apart.
var asked = []string{"other.example", "www.c2.example", "malware.example", "botnet.example", "phishing.example", "policy.example", "listed.test", "WWW.C2.Example"}

// TestNamedTakesSnippets runs a real named with the snippets and asks it: what it
// logs is what the rules were recorded with.
func TestNamedTakesSnippets(t *testing.T) {
	t.Parallel()
	named, check := peer.Path(t, "named", "bind9"), peer.Path(t, "named-checkconf", "bind9-utils")
	dir := t.TempDir()
	port := peer.FreePort(t, "udp").Port
	conf := namedConf(t, dir, port)
	if out := succeed(t, check, "-z", conf); strings.Contains(out, "not loaded") {
		t.Fatal(out)
	}
	start(t, named, "-c", conf, "-f")
	await(t, filepath.Join(dir, "named.log"), "reload done: success", len(zones))
	for i, name := range asked {
		ask(t, fmt.Sprintf("127.0.0.%d", i+2), port, name)
	}
	got := normalised(await(t, filepath.Join(dir, "rpz.log"), "\n", len(asked)))
	if *update {
		if err := os.WriteFile(namedLines, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(namedLines)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("named wrote other lines than those the rules were recorded with; when that is right, go test ./integrations -update, "+
			"then record the answers as rules/README.md says\n got %s\nwant %s", got, want)
	}
}

// namedConf lets flowhound write the zones, and lays out a configuration that
// includes the snippets as they say. Of the names asked for only listed.test
// exists.
func namedConf(t *testing.T, dir string, port int) string {
	t.Helper()
	config := configure(t, "")
	for _, zone := range zones {
		args := []string{"export", "rpz", "-c", config, "-o", filepath.Join(dir, zone+".rpz.flowhound")}
		if zone == "allow" {
			// To named, names that pass are the same whoever chose them.
			args = append(args, "--category", "other", "--action", "passthru", "--zone", "allow.rpz.flowhound")
		} else {
			args = append(args, "--category", zone, "--zone", zone+".rpz.flowhound")
		}
		succeed(t, flowhound(t), args...)
	}
	for _, name := range []string{"response-policy.conf", "zones.conf", "logging.conf"} {
		place(t, dir, "bind/"+name, "/var/lib/bind/flowhound", dir, "/var/log/named", dir)
	}
	if err := os.WriteFile(filepath.Join(dir, "test"), []byte("$TTL 60\n@ SOA localhost. root.localhost. 1 60 60 60 60\n@ NS localhost.\nlisted A 198.51.100.7\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "named.conf")
	text := fmt.Sprintf(`options {
	directory "%[1]s";
	pid-file "%[1]s/pid";
	session-keyfile "%[1]s/key";
	listen-on port %[2]d { 127.0.0.1; };
	listen-on-v6 { none; };
	forward only;
	forwarders { };
	dnssec-validation no;
	include "%[1]s/response-policy.conf";
};
controls { };
logging {
	channel test { file "%[1]s/named.log"; severity info; };
	category default { test; };
	include "%[1]s/logging.conf";
};
include "%[1]s/zones.conf";
zone "example" { type primary; file "test"; };
zone "test" { type primary; file "test"; };
`, dir, port)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return conf
}

// start runs a program until the test ends.
func start(t *testing.T, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s said: %s", program, said.String())
		}
	})
}

// ask sends a query for name from an address until it is answered.
func ask(t *testing.T, from string, port int, name string) {
	t.Helper()
	query, err := (&dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 1, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name + "."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}).Pack()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(from)}, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := conn.Write(query); err != nil {
			continue
		}
		if _, err := conn.Read(make([]byte, 512)); err == nil {
			return
		}
	}
	t.Fatalf("named did not answer about %s", name)
}

// await returns what named logged once it holds what n times.
func await(t *testing.T, log, what string, n int) string {
	t.Helper()
	var b []byte
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		b, _ = os.ReadFile(log)
		if strings.Count(string(b), what) >= n {
			return string(b)
		}
	}
	t.Fatalf("named did not log %q %d times:\n%s", what, n, b)
	return ""
}

var accidental = regexp.MustCompile(`(?m)^\d\d-\w{3}-\d{4} \d\d:\d\d:\d\d\.\d{3} (.*client @)0x[0-9a-f]+ (127\.0\.0\.\d+)#\d+ `)

// normalised is log with what is another in each run made the same.
func normalised(log string) string {
	return accidental.ReplaceAllString(log, "24-Nov-2026 03:53:14.989 ${1}0x7fa37446d098 ${2}#52005 ")
}
