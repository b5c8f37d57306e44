// Package peer is what tests share that talk to real programs: where these are,
// what a missing one means, free ports, and how many tests wait at a time. Only
// tests and benchmarks import it; it imports the standard library.
package peer

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
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

// Long skips the test with -short, unless peers are required: it kills programs,
// installs them, waits for timers of the real clock or counts millions.
func Long(t testing.TB) {
	t.Helper()
	if testing.Short() && !Required() {
		t.Skip("SKIPPED: -short leaves out what takes seconds")
	}
}

// Rounds returns how often a test repeats what is random or kills: all where peers
// are required, as they are in CI, and few on a developer's machine.
func Rounds(few, all int) int {
	if Required() {
		return all
	}
	return few
}

// Missing skips the test, or fails it where peers are required.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if Required() {
		t.Fatalf(format, args...)
	}
	t.Skipf("SKIPPED: "+format, args...)
}

// Ports are taken from below those that kernels give to whoever asks for port 0
// (32768 and up on Linux): what other tests open meanwhile takes none of them.
const firstPort, ports = 10_000, 20_000

// nextPort is where the search goes on, begun at another place in each process.
var (
	begin    = uint32(os.Getpid()%ports) * 7
	nextPort atomic.Uint32
)

// FreePort returns an address of the loopback interface that nobody listens on, and
// that no other call returns, neither here nor in another test process, as long as this
// process lives: network is tcp or udp.
func FreePort(t testing.TB, network string) *net.TCPAddr {
	t.Helper()
	for range ports {
		a := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: firstPort + int((begin+nextPort.Add(1))%ports)}
		var c io.Closer
		var err error
		if network == "udp" {
			c, err = net.ListenPacket("udp4", a.String())
		} else {
			c, err = net.Listen("tcp4", a.String())
		}
		if err != nil {
			continue
		}
		_ = c.Close()
		if reserve(network, a.Port) {
			return a
		}
	}
	t.Fatal("no port is free")
	return nil
}

// reserved are the marks of this process: as long as one is open, no other test process
// takes the port, also while a program that has it is started again.
var reserved sync.Map // of net.Listener by name

// reserve marks a port by a socket of Linux that has a name and no file, which ends with
// the process. Elsewhere there is no such mark.
func reserve(network string, port int) bool {
	if runtime.GOOS != "linux" {
		return true
	}
	name := fmt.Sprintf("@flowhound-test/%s/%d", network, port)
	mark, err := net.Listen("unix", name)
	if err != nil {
		return false
	}
	reserved.Store(name, mark)
	return true
}

// Waiting is called by TestMain of a package whose tests mostly wait, for timers,
// programs and sockets: sixteen of those that are parallel run at a time, however
// few cores there are. The flag -parallel overrides it.
func Waiting() { _ = flag.Set("test.parallel", "16") }
