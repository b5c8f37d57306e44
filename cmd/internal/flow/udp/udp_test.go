package udp_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/cmd/internal/flow/udp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// arrival is a datagram that outlives its handler.
type arrival struct {
	worker int
	from   netip.AddrPort
	data   string
}

// inbox keeps what the handlers of one listener were given.
type inbox struct {
	mu       sync.Mutex
	arrivals []arrival
	workers  int
}

func (in *inbox) newHandler(worker int) udp.Handler {
	in.workers++
	return func(received int64, batch []udp.Datagram) {
		in.mu.Lock()
		defer in.mu.Unlock()
		if age := time.Since(time.Unix(0, received)); age < 0 || age > time.Minute {
			in.arrivals = append(in.arrivals, arrival{data: fmt.Sprintf("received %v ago", age)})
		}
		for _, d := range batch {
			in.arrivals = append(in.arrivals, arrival{worker, d.From, string(d.Data)})
		}
	}
}

func (in *inbox) len() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.arrivals)
}

// listen starts nothing yet.
func listen(t testing.TB, addr string, o udp.Options) *udp.Listener {
	t.Helper()
	l, err := udp.Listen(addr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// dial opens an exporter; from is its address, or empty for any.
func dial(t testing.TB, from, to string) *net.UDPConn {
	t.Helper()
	var local *net.UDPAddr
	if from != "" {
		local = net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))
	}
	conn, err := net.DialUDP("udp", local, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func send(t testing.TB, c *net.UDPConn, data string) {
	t.Helper()
	if _, err := c.Write([]byte(data)); err != nil {
		t.Fatal(err)
	}
}

func on(host string, l *udp.Listener) string {
	return netip.AddrPortFrom(netip.MustParseAddr(host), l.Addr().Port()).String()
}

func TestDatagramsArriveWhole(t *testing.T) {
	var in inbox
	l := listen(t, "udp://:0", udp.Options{NewHandler: in.newHandler})
	l.Start()
	c := dial(t, "", on("127.0.0.1", l))
	largest := make([]byte, 65507) // what fits into an IPv4 packet
	for i := range largest {
		largest[i] = byte(rand.Uint32())
	}
	sent := []string{"template", "", string(largest), "data"}
	for _, s := range sent {
		send(t, c, s)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	if len(in.arrivals) != len(sent) {
		t.Fatalf("%d datagrams arrived, %d were sent", len(in.arrivals), len(sent))
	}
	from := c.LocalAddr().(*net.UDPAddr).AddrPort()
	for i, a := range in.arrivals {
		if a.data != sent[i] {
			t.Errorf("datagram %d: %d bytes arrived, %d were sent", i, len(a.data), len(sent[i]))
		}
		if a.from != from {
			t.Errorf("datagram %d comes from %v, want %v", i, a.from, from)
		}
	}
}

func TestOneAddressFamily(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			addr := netip.AddrPortFrom(netip.MustParseAddr(host), 0).String()
			if probe, err := net.ListenPacket("udp", addr); err != nil {
				t.Skipf("SKIPPED: this host has no %s: %v", host, err)
			} else {
				probe.Close()
			}
			var in inbox
			l := listen(t, "udp://"+addr, udp.Options{NewHandler: in.newHandler})
			if l.Addr().Addr().String() != host || l.Addr().Port() == 0 {
				t.Errorf("bound to %v", l.Addr())
			}
			l.Start()
			send(t, dial(t, "", l.Addr().String()), "flow")
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if len(in.arrivals) != 1 || in.arrivals[0].data != "flow" || in.arrivals[0].from.Addr().String() != host {
				t.Errorf("arrived: %v", in.arrivals)
			}
		})
	}
}

func TestWildcardIPv4(t *testing.T) {
	var in inbox
	l := listen(t, "udp://0.0.0.0:0", udp.Options{NewHandler: in.newHandler})
	if got := l.Addr().Addr(); got != netip.IPv4Unspecified() {
		t.Errorf("bound to %v, want IPv4 alone", got)
	}
}

func TestCloseHandsOutWhatHadArrived(t *testing.T) {
	const n = 1000
	var in inbox
	l := listen(t, "udp://:0", udp.Options{NewHandler: in.newHandler})
	c := dial(t, "", on("127.0.0.1", l))
	for i := range n {
		send(t, c, fmt.Sprint(i))
	}
	l.Start()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if len(in.arrivals) != n {
		t.Fatalf("%d of %d datagrams arrived", len(in.arrivals), n)
	}
	for i, a := range in.arrivals {
		if a.data != fmt.Sprint(i) {
			t.Fatalf("datagram %d says %s", i, a.data)
		}
	}
}

func TestCloseWaitsForTheHandler(t *testing.T) {
	entered, release := make(chan bool), make(chan bool)
	returned := false
	l := listen(t, "udp://:0", udp.Options{NewHandler: func(int) udp.Handler {
		return func(int64, []udp.Datagram) {
			close(entered)
			<-release
			returned = true
		}
	}})
	l.Start()
	send(t, dial(t, "", on("127.0.0.1", l)), "flow")
	<-entered
	time.AfterFunc(20*time.Millisecond, func() { close(release) })
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if !returned {
		t.Error("Close returned before the handler")
	}
}

func TestCloseTwiceAndWithoutStart(t *testing.T) {
	var in inbox
	l := listen(t, "udp://127.0.0.1:0", udp.Options{NewHandler: in.newHandler})
	for range 2 {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	again := listen(t, "udp://"+l.Addr().String(), udp.Options{NewHandler: in.newHandler})
	if again.Addr() != l.Addr() {
		t.Errorf("bound to %v, want %v", again.Addr(), l.Addr())
	}
}

func TestPortInUse(t *testing.T) {
	var in inbox
	l := listen(t, "udp://127.0.0.1:0", udp.Options{Workers: 2, NewHandler: in.newHandler})
	second, err := udp.Listen("udp://"+l.Addr().String(), udp.Options{Workers: 2, NewHandler: in.newHandler})
	if err == nil {
		second.Close()
		t.Fatal("two listeners share a port: each would get half of the datagrams")
	}
	if !strings.Contains(err.Error(), l.Addr().String()) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("error: %v", err)
	}
}

func TestBadAddress(t *testing.T) {
	for addr, want := range map[string]string{
		":2055":                     "udp://:2055",
		"tcp://:2055":               "udp://:2055",
		"udp://2055":                "missing port",
		"udp://gw.example:2055":     "address of one of this host's interfaces",
		"udp://:flows":              "unknown port",
		"udp://127.0.0.1:99999":     "invalid port",
		"udp://[2001:db8::1":        "missing ']'",
		"udp://2001:db8::1:2055":    "too many colons",
		"udp://192.0.2.1/24:2055":   "unexpected character",
		"udp://203.0.113.254:12055": "assign requested address",
	} {
		l, err := udp.Listen(addr, udp.Options{NewHandler: func(int) udp.Handler { t.Error("handler made"); return nil }})
		if err == nil {
			l.Close()
			t.Errorf("%s: accepted", addr)
		} else if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), addr) {
			t.Errorf("%s: error %q lacks %q or the address", addr, err, want)
		}
	}
}

// logTo returns a logger and what it wrote.
func logTo() (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(&b, nil)), &b
}
