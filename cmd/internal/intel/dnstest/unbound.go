package dnstest

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// Unbound starts Unbound with the response policy zones, in their order, and
// waits until it has loaded them. It asks upstream, which Named started, for
// everything.
func Unbound(t testing.TB, upstream *Server, zones ...Zone) *Server {
	t.Helper()
	program := Peer(t, "unbound", "unbound")
	s := &Server{t: t, dir: t.TempDir(), port: freePort(t)}
	s.logs = filepath.Join(s.dir, "unbound.log")
	var policies strings.Builder
	for _, z := range zones {
		fmt.Fprintf(&policies, "rpz:\n\tname: %q\n\tzonefile: %q\n\trpz-log: yes\n\trpz-log-name: %q\n", z.Name, z.Path, z.Name)
	}
	s.write("unbound.conf", fmt.Sprintf(`server:
	interface: 127.0.0.1@%d
	do-daemonize: no
	chroot: ""
	username: ""
	pidfile: ""
	directory: %q
	logfile: %q
	use-syslog: no
	verbosity: 1
	module-config: "respip iterator"
	do-not-query-localhost: no
remote-control:
	control-enable: no
stub-zone:
	name: "."
	stub-addr: 127.0.0.1@%d
	stub-no-cache: yes
%s`, s.port, s.dir, s.logs, upstream.port, policies.String()))
	s.start(program, "-d", "-c", filepath.Join(s.dir, "unbound.conf"))
	s.AwaitLog(`start of service`)
	return s
}
