package udp_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/flowhound/flowhound/cmd/internal/flow/udp"
)

// spread sends rounds datagrams from several ports of every address, then checks
// that each address had one worker, that all its datagrams came, in order, and
// that the addresses were shared out.
func spread(t *testing.T, l *udp.Listener, in *inbox, to string, sources []string) {
	t.Helper()
	const ports, rounds = 3, 20
	var conns []*net.UDPConn
	for _, s := range sources {
		for range ports {
			conns = append(conns, dial(t, s, to))
		}
	}
	l.Start()
	for i := range rounds {
		for _, c := range conns {
			send(t, c, fmt.Sprint(i))
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	if want := rounds * len(conns); len(in.arrivals) != want || l.Drops() != 0 {
		t.Errorf("%d of %d datagrams arrived, %d dropped", len(in.arrivals), want, l.Drops())
	}
	worker := map[netip.Addr]int{}
	next := map[netip.AddrPort]int{}
	share := make([]int, in.workers)
	for _, a := range in.arrivals {
		if w, known := worker[a.from.Addr()]; !known {
			worker[a.from.Addr()] = a.worker
			share[a.worker]++
		} else if w != a.worker {
			t.Fatalf("%v came to worker %d and %d", a.from, w, a.worker)
		}
		if a.data != fmt.Sprint(next[a.from]) {
			t.Fatalf("%v: datagram %s came when %d was due", a.from, a.data, next[a.from])
		}
		next[a.from]++
	}
	for _, s := range sources {
		if _, ok := worker[netip.MustParseAddr(s)]; !ok {
			t.Errorf("nothing came from %s", s)
		}
	}
	// A fair die leaves a worker with less than half of its share once in
	// thousands of tries; the addresses are the same in every run.
	for w, n := range share {
		if n < len(sources)/len(share)/2 {
			t.Errorf("worker %d has %d of %d exporters: %v", w, n, len(sources), share)
		}
	}
}

func TestEveryExporterHasOneWorker(t *testing.T) {
	for _, tt := range []struct{ name, listen string }{
		{"dual stack", "udp://:0"},
		{"IPv4", "udp://0.0.0.0:0"},
		{"one address", "udp://127.0.0.1:0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var in inbox
			l := listen(t, tt.listen, udp.Options{Workers: 4, NewHandler: in.newHandler})
			if in.workers != 4 {
				t.Fatalf("%d workers", in.workers)
			}
			var sources []string
			for i := range 60 {
				// As networks are numbered: one gateway each, then neighbours.
				sources = append(sources, fmt.Sprintf("127.%d.0.1", i), fmt.Sprintf("127.0.1.%d", i+1))
			}
			spread(t, l, &in, on("127.0.0.1", l), sources)
		})
	}
}

func TestEveryIPv6ExporterHasOneWorker(t *testing.T) {
	for _, listenOn := range []string{"udp://:0", "udp://[2001:db8::1]:0"} {
		t.Run(listenOn, func(t *testing.T) {
			ownNetwork(t)
			var in inbox
			l := listen(t, listenOn, udp.Options{Workers: 4, NewHandler: in.newHandler})
			var sources []string
			for i := range 60 {
				sources = append(sources, fmt.Sprintf("2001:db8:%x::1", i), fmt.Sprintf("2001:db8::1:%x", i+1))
			}
			spread(t, l, &in, on("2001:db8::1", l), sources)
		})
	}
}

// ownNetwork moves the test's thread into a network namespace where all of
// 127.0.0.0/8 and 2001:db8::/32 are addresses of this host. The thread ends with
// the test.
func ownNetwork(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("SKIPPED: many IPv6 addresses need a network namespace, and so root: %v", err)
	}
	for _, args := range []string{"link set lo up", "-6 route add local 2001:db8::/32 dev lo"} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Skipf("SKIPPED: ip %s: %v: %s", args, err, out)
		}
	}
	// bind(2) takes addresses of interfaces only, unless told.
	if err := os.WriteFile("/proc/sys/net/ipv6/ip_nonlocal_bind", []byte("1"), 0); err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
}

func TestDropsAreCounted(t *testing.T) {
	const sent = 2000
	var in inbox
	log, _ := logTo()
	l := listen(t, "udp://127.0.0.1:0", udp.Options{Workers: 2, Buffer: 16 << 10, Log: log, NewHandler: in.newHandler})
	if d := l.Drops(); d != 0 {
		t.Errorf("%d drops before the first datagram", d)
	}
	c := dial(t, "", l.Addr().String())
	for range sent {
		send(t, c, "a datagram for a full buffer")
	}
	dropped := l.Drops()
	if dropped == 0 {
		t.Error("no drops though nobody reads")
	}
	l.Start()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := uint64(len(in.arrivals)) + dropped; got != sent {
		t.Errorf("%d arrived and %d dropped: %d, want %d", len(in.arrivals), dropped, got, sent)
	}
	if after := l.Drops(); after != dropped {
		t.Errorf("%d drops after Close, %d before", after, dropped)
	}
}

func TestBufferIsGranted(t *testing.T) {
	var in inbox
	log, said := logTo()
	l := listen(t, "udp://127.0.0.1:0", udp.Options{Buffer: 100 << 10, Log: log, NewHandler: in.newHandler})
	if l.Buffer() != 100<<10 || said.Len() > 0 {
		t.Errorf("%d bytes granted, log: %s", l.Buffer(), said)
	}
}

func TestCappedBufferIsSaid(t *testing.T) {
	withoutNetAdmin(t)
	var in inbox
	log, said := logTo()
	const ask = 1 << 29
	l := listen(t, "udp://127.0.0.1:0", udp.Options{Workers: 2, Buffer: ask, Log: log, NewHandler: in.newHandler})
	if l.Buffer() <= 0 || l.Buffer() >= ask {
		t.Skipf("SKIPPED: this kernel grants %d bytes to anybody", l.Buffer())
	}
	if n := strings.Count(said.String(), "net.core.rmem_max"); n != 1 {
		t.Errorf("the sysctl is named %d times, want once: %s", n, said)
	}
	if want := fmt.Sprintf("asked=%d granted=%d", ask, l.Buffer()); !strings.Contains(said.String(), want) {
		t.Errorf("log lacks %q: %s", want, said)
	}
}

// withoutNetAdmin takes CAP_NET_ADMIN from the test's thread, which ends with the
// test.
func withoutNetAdmin(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&header, &caps[0]); err != nil {
		t.Fatal(err)
	}
	caps[0].Effective &^= 1 << unix.CAP_NET_ADMIN
	if err := unix.Capset(&header, &caps[0]); err != nil {
		t.Fatal(err)
	}
}

// TestOneWorkerServesAll leaves Listen no file descriptor for a third socket.
func TestOneWorkerServesAll(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	free := null.Fd() // the lowest that is free, once it is closed
	null.Close()
	low := limit
	low.Cur = uint64(free) + 2
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	var in inbox
	log, said := logTo()
	l, err := udp.Listen("udp://127.0.0.1:0", udp.Options{Workers: 4, Log: log, NewHandler: in.newHandler})
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()

	if in.workers != 1 || strings.Count(said.String(), "one worker serves all") != 1 || !strings.Contains(said.String(), "level=INFO") {
		t.Errorf("%d workers, log: %s", in.workers, said)
	}
	l.Start()
	for range 10 {
		for _, source := range []string{"127.0.0.1", "127.0.0.2"} {
			send(t, dial(t, source, l.Addr().String()), "flow")
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if len(in.arrivals) != 20 {
		t.Errorf("%d of 20 datagrams arrived", len(in.arrivals))
	}
}

func TestRestartOnABusyPort(t *testing.T) {
	// An exporter that never stops sending must find every exporter's worker the
	// same from the first datagram on, and Close must end in spite of it.
	var in inbox
	l := listen(t, "udp://127.0.0.1:0", udp.Options{Workers: 4, NewHandler: in.newHandler})
	port := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan bool), make(chan bool)
	conns := make([]*net.UDPConn, 16)
	for i := range conns {
		conns[i] = dial(t, fmt.Sprintf("127.0.3.%d", i+1), port)
	}
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				for _, c := range conns {
					_, _ = c.Write([]byte("flow")) // refused while nobody listens
				}
			}
		}
	}()
	for range 5 {
		var in inbox
		l := listen(t, "udp://"+port, udp.Options{Workers: 4, NewHandler: in.newHandler})
		l.Start()
		for in.len() < 100 {
			time.Sleep(time.Millisecond)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		worker := map[netip.Addr]int{}
		for _, a := range in.arrivals {
			if w, known := worker[a.from.Addr()]; known && w != a.worker {
				t.Fatalf("%v came to worker %d and %d", a.from.Addr(), w, a.worker)
			}
			worker[a.from.Addr()] = a.worker
		}
	}
	close(stop)
	<-stopped
}
