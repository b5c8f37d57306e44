package dnstest

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What every name resolves to that no zone has anything to say of.
const (
	ServedV4 = "203.0.113.80"
	ServedV6 = "2001:db8:80::80"
)

// Named starts BIND with the response policy zones, in their order, and waits
// until it has loaded them. It answers for the whole name space: served holds
// records of the root zone, and for all other names there are ServedV4 and
// ServedV6. The owners in served must have one label, since names between the
// root and a deeper one would not be served.
func Named(t testing.TB, served string, zones ...Zone) *Server {
	t.Helper()
	program := Peer(t, "named", "bind9")
	s := &Server{t: t, dir: t.TempDir(), port: freePort(t)}
	s.logs = filepath.Join(s.dir, "named.log")
	s.write("root.zone", fmt.Sprintf(`$TTL 60
@ SOA localhost. hostmaster.localhost. 1 3600 600 604800 60
@ NS localhost.
* A %s
* AAAA %s
`, ServedV4, ServedV6)+served)

	// A secret to everybody: the server lives in a test.
	key := `key "test" { algorithm hmac-sha256; secret "c2VjcmV0IG9mIGEgdGVzdA=="; };` + "\n"
	control := freePort(t)
	s.write("rndc.conf", fmt.Sprintf(`%soptions { default-server 127.0.0.1; default-port %d; default-key "test"; };`, key, control))
	var policies, definitions strings.Builder
	for _, z := range zones {
		fmt.Fprintf(&policies, " zone %q log yes;", z.Name)
		fmt.Fprintf(&definitions, "zone %q { type primary; file %q; allow-query { none; }; };\n", z.Name, z.Path)
	}
	policy := ""
	if len(zones) > 0 {
		policy = "response-policy {" + policies.String() + " } min-update-interval 0;"
	}
	s.write("named.conf", key+fmt.Sprintf(`options {
	directory %q;
	listen-on port %d { 127.0.0.1; };
	listen-on-v6 { none; };
	pid-file none;
	session-keyfile none;
	recursion yes;
	dnssec-validation no;
	%s
};
controls { inet 127.0.0.1 port %d allow { 127.0.0.1; } keys { "test"; }; };
logging {
	channel all { file "named.log"; print-time yes; print-category yes; print-severity yes; severity info; };
	category default { all; };
	category rpz { all; };
	category rpz-passthru { all; };
};
zone "." { type primary; file "root.zone"; };
%s`, s.dir, s.port, policy, control, definitions.String()))

	s.start(program, "-f", "-c", filepath.Join(s.dir, "named.conf"))
	s.AwaitLog(` running$`)
	for _, z := range zones {
		s.AwaitLog(`rpz: ` + z.Name + `: reload done: success$`)
	}
	return s
}

// ReloadCommand returns the command that makes a server which Named started read
// a zone's file again. It returns before that is done.
func (s *Server) ReloadCommand(zone string) []string {
	s.t.Helper()
	return []string{Peer(s.t, "rndc", "bind9-utils"), "-c", filepath.Join(s.dir, "rndc.conf"), "reload", zone}
}

// Reload makes a server which Named started read a zone's file again, and waits
// until the zone of that serial has taken effect.
func (s *Server) Reload(zone string, serial uint32) {
	s.t.Helper()
	loaded := fmt.Sprintf("zone %s/IN: loaded serial %d\n", zone, serial)
	done := fmt.Sprintf("rpz: %s: reload done: success\n", zone)
	before := s.Log()
	command := s.ReloadCommand(zone)
	if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		s.t.Fatalf("rndc: %v\n%s", err, out)
	}
	if strings.Contains(before, loaded) {
		return // there is nothing new
	}
	// Either of the two may come first.
	s.await("serial and policy of "+zone, func(log string) bool {
		return strings.Contains(log, loaded) && strings.Count(log, done) > strings.Count(before, done)
	})
}
