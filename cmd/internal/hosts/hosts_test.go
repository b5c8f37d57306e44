package hosts

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/plugin/hit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quietLog = slog.New(slog.DiscardHandler)

// part starts a Part on own networks 10.0.0.0/8 and 2001:db8::/32.
func part(t *testing.T, c Config) (*Part, *[]string) {
	t.Helper()
	c.Local = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	said := &[]string{}
	p, err := New(c, Dependencies{Report: func(_, msg string) { *said = append(*said, msg) }, Log: quietLog})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop(context.Background()) })
	return p, said
}

// await waits until an address has a name.
func await(t *testing.T, p *Part, ip, want string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); p.Name(netip.MustParseAddr(ip)) != want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s is called %q, want %q", ip, p.Name(netip.MustParseAddr(ip)), want)
		}
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	static, leases := filepath.Join(dir, "hosts"), filepath.Join(dir, "leases")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(static, "10.1.2.3 laptop\n8.8.8.8 not-ours\n")
	write(leases, "0 00:11 10.1.2.3 other *\n0 00:12 10.1.2.4 phone *\n")
	p, said := part(t, Config{Files: []string{static, leases}})
	for ip, want := range map[string]string{"10.1.2.3": "laptop", "10.1.2.4": "phone", "8.8.8.8": "", "10.9.9.9": "", "::ffff:10.1.2.4": "phone"} {
		if got := p.Name(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s is called %q, want %q", ip, got, want)
		}
	}
	h := hit.Hit{Src: netip.MustParseAddr("10.1.2.4"), Dst: netip.MustParseAddr("10.1.2.3"), Start: time.Now().Add(-time.Minute)}
	if p.Locate(&h); h.SrcPlace.Host != "phone" || h.DstPlace.Host != "laptop" {
		t.Errorf("%+v %+v", h.SrcPlace, h.DstPlace)
	}
	h = hit.Hit{Src: netip.MustParseAddr("10.1.2.4"), Dst: netip.MustParseAddr("10.1.2.3"), Start: time.Now().AddDate(0, 0, -7)}
	if p.Locate(&h); h.SrcPlace.Host != "" || h.DstPlace.Host != "laptop" {
		t.Errorf("a week ago the lease may have been another's: %+v %+v", h.SrcPlace, h.DstPlace)
	}
	write(leases, "0 00:12 10.1.2.4 tablet *\n")
	await(t, p, "10.1.2.4", "tablet")
	// A file that is gone for a moment takes no name away.
	if err := os.Remove(static); err != nil {
		t.Fatal(err)
	}
	var l finding.List
	for end := time.Now().Add(time.Minute); len(l) == 0 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		p.Findings(&l)
	}
	if len(l) != 1 || l[0].Level != finding.Warn || p.Name(netip.MustParseAddr("10.1.2.3")) != "laptop" {
		t.Errorf("%v, %v", l, *said)
	}
	write(static, "10.1.2.3 desktop\n")
	await(t, p, "10.1.2.3", "desktop")
}

// server answers PTR questions; it counts them.
func server(t *testing.T, answer func(question string, m *dns.Msg)) (address string, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	s := &dns.Server{PacketConn: conn, NotifyStartedFunc: func() { close(started) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		asked.Add(1)
		m := new(dns.Msg)
		m.SetReply(q)
		answer(q.Question[0].Name, m)
		_ = w.WriteMsg(m)
	})}
	done := make(chan struct{})
	go func() { _ = s.ActivateAndServe(); close(done) }()
	<-started
	t.Cleanup(func() { _ = s.Shutdown(); <-done })
	return conn.LocalAddr().String(), asked
}

func TestPTR(t *testing.T) {
	address, asked := server(t, func(question string, m *dns.Msg) {
		name := map[string]string{"3.2.1.10.in-addr.arpa.": "laptop.example.", "4.2.1.10.in-addr.arpa.": `<b>.example.`}[question]
		if strings.HasSuffix(question, "ip6.arpa.") {
			name = "six.example."
		}
		if name == "" {
			m.Rcode = dns.RcodeNameError
			return
		}
		m.Answer = append(m.Answer, &dns.PTR{Hdr: dns.RR_Header{Name: question, Rrtype: dns.TypePTR, Class: dns.ClassINET, Ttl: 60}, Ptr: name})
	})
	p, _ := part(t, Config{PTR: true, Resolvers: []string{address}})
	if name := p.Name(netip.MustParseAddr("10.1.2.3")); name != "" {
		t.Errorf("it waited for %q", name)
	}
	await(t, p, "10.1.2.3", "laptop.example")
	await(t, p, "10.1.2.4", "-b-.example")
	await(t, p, "2001:db8::5", "six.example")
	before := asked.Load()
	for range 1000 {
		p.Name(netip.MustParseAddr("10.1.2.3"))
		p.Name(netip.MustParseAddr("8.8.8.8")) // not one's own: nobody is asked
	}
	if n := asked.Load(); n != before {
		t.Errorf("%d more questions", n-before)
	}
	p.Name(netip.MustParseAddr("10.1.2.5"))
	for end := time.Now().Add(time.Minute); asked.Load() == before && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
	}
	if asked.Load() != before+1 || p.Name(netip.MustParseAddr("10.1.2.5")) != "" {
		t.Errorf("%d questions about one that has no name", asked.Load()-before)
	}

	// Switched off, it says nothing and asks nobody.

	if err := p.Apply(t.Context(), Config{Local: p.config.Local}); err != nil {
		t.Fatal(err)
	}
	if name := p.Name(netip.MustParseAddr("10.1.2.3")); name != "" {
		t.Errorf("%q after it was switched off", name)
	}
}

// TestPTRIsBounded asks about more addresses than may wait, of a resolver that never
// answers: nothing waits for it.
func TestPTRIsBounded(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	p, _ := part(t, Config{PTR: true, Resolvers: []string{conn.LocalAddr().String()}})
	for i := range 20_000 {
		p.Name(netip.AddrFrom4([4]byte{10, 7, byte(i >> 8), byte(i)}))
	}
	a := p.asker.Load()
	if a.cache.Len() > maxCached || len(a.waiting) > maxWaiting || a.dropped.Load() < 20_000-maxWaiting-askers-perSecond {
		t.Errorf("%d cached, %d wait, %d dropped", a.cache.Len(), len(a.waiting), a.dropped.Load())
	}
}

// TestSilentResolverIsSaid asserts that what is wrong with a resolver is said, with the
// command that asks it again.
func TestSilentResolverIsSaid(t *testing.T) {
	address, _ := server(t, func(_ string, m *dns.Msg) { m.Rcode = dns.RcodeRefused })
	p, _ := part(t, Config{PTR: true, Resolvers: []string{address}})
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	var l finding.List
	refused := func() bool { return len(l) == 1 && strings.HasSuffix(l[0].What, ": the answer is REFUSED") }
	for i, end := 0, time.Now().Add(time.Minute); !refused() && time.Now().Before(end); i++ { // a busy machine lets some time out
		p.Name(netip.AddrFrom4([4]byte{10, 1, 2, byte(i)}))
		time.Sleep(5 * time.Millisecond)
		l = nil
		p.Findings(&l)
	}
	if !refused() {
		t.Fatalf("%+v", l)
	}
	if _, command, _ := l[0].Steps(); !strings.HasPrefix(command, "dig -p "+port+" -x 10.1.2.") || !strings.HasSuffix(command, " @"+host) {
		t.Errorf("to be run: %q of %q", command, l[0].Fix)
	}
}
