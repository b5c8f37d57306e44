package dnstest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Blacklist starts rbldnsd with one zone, whose answers live ten minutes, and
// waits until it answers. ip4 and ip6 are data sets of the types ip4set and
// ip6trie.
func Blacklist(t testing.TB, zone, ip4, ip6 string) *Server {
	t.Helper()
	program := Peer(t, "rbldnsd", "rbldnsd")
	s := &Server{t: t, dir: t.TempDir(), port: freePort(t)}
	for _, path := range []string{s.dir, s.write("ip4", ip4), s.write("ip6", ip6)} {
		if err := os.Chmod(path, 0o755); err != nil { //nolint:gosec // started by root, rbldnsd reads as a user of its own
			t.Fatal(err)
		}
	}
	s.start(program, "-n", "-t", "600", "-w", s.dir, "-b", fmt.Sprintf("127.0.0.1/%d", s.port),
		zone+":ip4set:ip4", zone+":ip6trie:ip6")
	question := s.question(zone, false)
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, err := s.exchange("udp", question); err == nil {
			return s
		}
	}
	t.Fatal("rbldnsd does not answer")
	return nil
}

// Zones starts BIND as the server of zones alone, by their names, and waits until
// it has loaded those that it can. Each is made of records without head, or, where
// it is "", cannot be loaded: named answers SERVFAIL then.
func Zones(t testing.TB, records map[string]string) *Server {
	t.Helper()
	program := Peer(t, "named", "bind9")
	s := &Server{t: t, dir: t.TempDir(), port: freePort(t)}
	s.logs = filepath.Join(s.dir, "named.log")
	var definitions strings.Builder
	for i, zone := range slices.Sorted(maps.Keys(records)) {
		content := "this is no zone\n"
		if r := records[zone]; r != "" {
			content = "$TTL 60\n@ SOA localhost. hostmaster.localhost. 1 3600 600 604800 60\n@ NS localhost.\n" + r
		}
		path := s.write(fmt.Sprintf("zone%d", i), content)
		fmt.Fprintf(&definitions, "zone %q { type primary; file %q; };\n", zone, path)
	}
	s.write("named.conf", fmt.Sprintf(`options {
	directory %q;
	listen-on port %d { 127.0.0.1; };
	listen-on-v6 { none; };
	pid-file none;
	session-keyfile none;
	recursion no;
	dnssec-validation no;
};
controls { };
logging { channel all { file "named.log"; severity info; }; category default { all; }; };
%s`, s.dir, s.port, definitions.String()))
	s.start(program, "-f", "-c", filepath.Join(s.dir, "named.conf"))
	s.AwaitLog(`running$`)
	return s
}
