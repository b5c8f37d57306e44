// Package peer is what tests share that talk to real programs: where these are,
// what a missing one means, free ports, and how many tests wait at a time. Only
// tests import it; it imports the standard library.
package peer

import (
	"flag"
	"net"
	"os"
	"os/exec"
	"testing"
)

// Required reports whether FLOWHOUND_PEERS=required says that all peers are
// installed, as they are in CI: then none may be missing.
func Required() bool { return os.Getenv("FLOWHOUND_PEERS") == "required" }

// Path returns where program is. With -short, or where it is not installed, the
// test is skipped; where peers are required it fails. pkg is what brings it,
// a package of Debian where nothing else is said.
func Path(t testing.TB, program, pkg string) string {
	t.Helper()
	if testing.Short() && !Required() {
		t.Skipf("SKIPPED: -short leaves out what talks to a real %s", program)
	}
	for _, name := range []string{program, "/usr/sbin/" + program} { // on Debian in no user's PATH
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	Missing(t, "%s is not installed; install %s", program, pkg)
	return ""
}

// Missing skips the test, or fails it where peers are required.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if Required() {
		t.Fatalf(format, args...)
	}
	t.Skipf("SKIPPED: "+format, args...)
}

// FreePort returns an address of the loopback interface that nobody listens on:
// network is tcp or udp. Somebody may take it before the test does.
func FreePort(t testing.TB, network string) *net.TCPAddr {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		a := c.LocalAddr().(*net.UDPAddr)
		return &net.TCPAddr{IP: a.IP, Port: a.Port}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr)
}

// Waiting is called by TestMain of a package whose tests mostly wait, for timers,
// programs and sockets: sixteen of those that are parallel run at a time, however
// few cores there are. The flag -parallel overrides it.
func Waiting() { _ = flag.Set("test.parallel", "16") }
