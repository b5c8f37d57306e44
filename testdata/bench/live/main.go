// Command live measures what collectors take over loopback; see README.md.
package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	only := flag.String("only", "", "measure the rate of these collectors alone, their names separated by ;")
	flag.Parse()
	if err := run(flag.Args(), *only); err != nil {
		fmt.Fprintln(os.Stderr, "live:", err)
		os.Exit(1)
	}
}

func run(what []string, only string) error {
	root, err := os.MkdirTemp("", "flowhound-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	binary := filepath.Join(root, "flowhound")
	if out, err := exec.Command("go", "build", "-o", binary, "./cmd/flowhound").CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %s (run it at the top of the repository)", err, out)
	}
	if len(what) == 0 {
		what = []string{"memory", "latency", "reload", "outputs", "rate"}
	}
	for _, w := range what {
		switch w {
		case "rate":
			err = rates(root, binary, only)
		case "latency":
			err = latency(root, binary)
		case "reload":
			err = reload(root, binary)
		case "outputs":
			err = outputs(root, binary)
		case "browsers":
			err = browsers(root, binary)
		case "memory":
			err = memory(root, binary)
		default:
			err = fmt.Errorf("unknown measurement %q", w)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// writeList writes n entries: addresses of 11.0.0.0/8, a tenth of them as /24, and
// 198.51.0.0/16, which planted hits talk to.
func writeList(path string, n int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "198.51.0.0/16")
	for i := range n - 1 {
		a := uint32(11)<<24 | uint32(i)*13&0xffffff
		if i%10 == 0 {
			fmt.Fprintf(w, "%d.%d.%d.0/24\n", a>>24, a>>16&255, a>>8&255)
			continue
		}
		fmt.Fprintf(w, "%d.%d.%d.%d\n", a>>24, a>>16&255, a>>8&255, a&255)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

func rates(root, binary, only string) error {
	list := filepath.Join(root, "100k.txt")
	if err := writeList(list, 100_000); err != nil {
		return err
	}
	wanted := func(name string) bool { return only == "" || slices.Contains(strings.Split(only, ";"), name) }
	ours := flowhound(binary, list, "")
	collectors := []collector{keepingAll(ours), ours, flowhound(binary, list, withoutHistory)}
	for name, peer := range map[string]func() (collector, error){"nfcapd": nfcapd, "goflow2": func() (collector, error) { return goflow2(root) }} {
		if !wanted(name) {
			continue
		}
		c, err := peer()
		if err != nil {
			fmt.Println("left out:", err)
			continue
		}
		collectors = append(collectors, c)
	}
	best := map[string]float64{}
	fmt.Println("| collector | highest loss-free rate, flows/s | ratio to nfcapd | kept of these |")
	fmt.Println("|---|---|---|---|")
	slices.Reverse(collectors)
	for _, c := range collectors {
		if !wanted(c.name) {
			continue
		}
		r, kept, err := highestRate(root, c)
		if err != nil {
			return err
		}
		best[c.name] = r
		ratio := "-"
		if best["nfcapd"] > 0 {
			ratio = fmt.Sprintf("%.2f", r/best["nfcapd"])
		}
		fmt.Printf("| %s | %.2f M | %s | %s |\n", c.name, r/1e6, ratio, kept)
	}
	return nil
}

// highestRate halves the interval between a rate that lost flows and one that
// did not until they lie within 4%, and confirms the answer for 10 s. kept says how much
// of the flows the history kept meanwhile.
func highestRate(root string, c collector) (rate float64, kept string, err error) {
	low, high := 0.0, 0.0
	for try := 400e3; high == 0 || high/max(low, 1) > 1.04; {
		if high == 0 {
			try *= 1.6
		} else {
			try = (low + high) / 2
		}
		m, err := measure(root, c, try, 3*time.Second)
		if err != nil {
			return 0, "", err
		}
		fmt.Fprintf(os.Stderr, "%s at %.2f M flows/s: %s\n", c.name, m.rate/1e6, &m)
		switch {
		case !m.ok:
			high = min(try, m.rate)
			if high < 20e3 {
				return 0, "", fmt.Errorf("%s loses flows even at %.0f a second", c.name, m.rate)
			}
			if low == 0 {
				try = high / 4
				high = 0
			}
		case m.rate < 0.97*try: // the sender cannot send more
			low, high = m.rate, m.rate
		default:
			low = m.rate
		}
	}
	for ; low > 0; low *= 0.92 {
		m, err := measure(root, c, low, 10*time.Second)
		if err != nil {
			return 0, "", err
		}
		fmt.Fprintf(os.Stderr, "%s at %.2f M flows/s for 10 s: %s\n", c.name, m.rate/1e6, &m)
		if m.ok {
			return m.rate, m.kept(), nil
		}
	}
	return 0, "", nil
}

// measured is what came of sending at a rate.
type measured struct {
	rate            float64 // that the sender reached
	sent, saw, lost uint64  // lost: of those that were seen, not kept
	keeps, ok       bool
}

func (m *measured) String() string {
	if !m.keeps || m.saw != m.sent {
		return fmt.Sprintf("%d of %d received", m.saw, m.sent)
	}
	return fmt.Sprintf("all received, %s kept", m.kept())
}

func (m *measured) kept() string {
	if !m.keeps {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", 100*float64(m.saw-m.lost)/float64(max(m.saw, 1)))
}

// begin starts a collector and a sender to it, whose template has arrived.
func begin(root string, c collector) (*process, *sender, error) {
	p, err := c.start(root)
	if err != nil {
		return nil, nil, err
	}
	s, err := newSender(p.port)
	if err == nil {
		err = s.template()
	}
	if err != nil {
		p.stop()
		return nil, nil, err
	}
	time.Sleep(300 * time.Millisecond)
	return p, s, nil
}

// beginWith is begin for flowhound with a new list of so many indicators.
func beginWith(root, binary, list string, indicators int) (*process, *sender, error) {
	if err := writeList(list, indicators); err != nil {
		return nil, nil, err
	}
	return begin(root, flowhound(binary, list, ""))
}

// measure sends at a rate for a time.
func measure(root string, c collector, rate float64, d time.Duration) (m measured, err error) {
	p, s, err := begin(root, c)
	if err != nil {
		return m, err
	}
	defer os.RemoveAll(p.dir)
	defer s.close()
	stop := func() error { return nil }
	if c.beside != nil {
		stop = c.beside(p.web)
	}
	start := time.Now()
	var each func()
	var planting error
	if c.hits {
		each = func() { planting = errors.Join(planting, s.plant(1)) }
	}
	err = s.blast(rate, d, each)
	if err = errors.Join(err, planting, stop()); err != nil {
		return m, err
	}
	m = measured{rate: float64(s.sent) / time.Since(start).Seconds(), sent: s.sent, keeps: c.dropped != nil}
	if m.saw, m.lost, err = p.received(); err != nil {
		return m, err
	}
	m.ok = m.saw == m.sent && (!c.keepAll || m.lost == 0)
	return m, nil
}

// latency plants one hit about every 10 ms, each from a source of its own, and
// takes the time from sending its datagram to reading its line.
func latency(root, binary string) error {
	p, s, err := beginWith(root, binary, filepath.Join(root, "100k.txt"), 100_000)
	if err != nil {
		return err
	}
	defer os.RemoveAll(p.dir)
	defer s.close()

	sentAt := map[string]time.Time{}
	plant := func() {
		sentAt[ip4(hitFlow(s.planted).src)] = time.Now()
		err = s.plant(1)
	}
	seenAt := make(chan map[string]time.Time)
	stop := make(chan struct{})
	go func() { seenAt <- readLines(filepath.Join(p.dir, "alerts.log"), stop) }()
	if err := s.blast(300_000, 10*time.Second, plant); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	time.Sleep(4 * time.Second) // a first line waits two for the other direction
	close(stop)
	seen := <-seenAt
	p.stop()
	var took []time.Duration
	for src, at := range sentAt {
		if t, ok := seen[src]; ok {
			took = append(took, t.Sub(at))
		}
	}
	if len(took) < len(sentAt)/2 {
		return fmt.Errorf("only %d of %d planted hits became lines of their own", len(took), len(sentAt))
	}
	slices.Sort(took)
	fmt.Printf("datagram to line at 300k flows/s: p50 %v, p99 %v, max %v (%d of %d hits)\n",
		took[len(took)/2].Round(time.Microsecond), took[len(took)*99/100].Round(time.Microsecond), took[len(took)-1].Round(time.Microsecond), len(took), len(sentAt))
	return nil
}

// readLines notes when the first line of each source came to stand in the file.
func readLines(path string, stop <-chan struct{}) map[string]time.Time {
	seen := map[string]time.Time{}
	f, err := os.Open(path)
	if err != nil {
		return seen
	}
	defer f.Close()
	rest, buf := "", make([]byte, 64<<10)
	for {
		n, _ := f.Read(buf) // at the end: 0, io.EOF, and the file grows
		now := time.Now()
		rest += string(buf[:n])
		for {
			line, after, ok := strings.Cut(rest, "\n")
			if !ok {
				break
			}
			rest = after
			if _, s, ok := strings.Cut(line, " src="); ok {
				src, _, _ := strings.Cut(s, " ")
				if _, dup := seen[src]; !dup {
					seen[src] = now
				}
			}
		}
		if n == 0 {
			select {
			case <-stop:
				return seen
			case <-time.After(200 * time.Microsecond):
			}
		}
	}
}

// reload changes a list of 1M indicators three times under 300k flows/s.
func reload(root, binary string) error {
	list := filepath.Join(root, "1m.txt")
	p, s, err := beginWith(root, binary, list, 1_000_000)
	if err != nil {
		return err
	}
	defer os.RemoveAll(p.dir)
	defer s.close()
	stamp := func() uint64 {
		v, err := metric(p.web, "/metrics", "flowhound_reload_timestamp_seconds")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return v
	}
	blasted := make(chan error)
	go func() { blasted <- s.blast(300_000, 20*time.Second, nil) }()
	var took []time.Duration
	for i := range 3 {
		time.Sleep(2 * time.Second)
		before := stamp()
		next := list + ".new"
		if err := writeList(next, 1_000_000-i); err != nil {
			return err
		}
		start := time.Now()
		if err := os.Rename(next, list); err != nil {
			return err
		}
		for stamp() == before && time.Since(start) < 5*time.Second {
			time.Sleep(10 * time.Millisecond)
		}
		took = append(took, time.Since(start))
	}
	if err := <-blasted; err != nil {
		return err
	}
	rss, err := p.rss()
	if err != nil {
		return err
	}
	got, _, err := p.received()
	if err != nil {
		return err
	}
	slices.Sort(took)
	fmt.Printf("reload of 1M indicators at 300k flows/s: median %v from mv to swap (max %v), %d of %d flows lost, RSS afterwards %d MB\n",
		took[1].Round(time.Millisecond), took[2].Round(time.Millisecond), s.sent-got, s.sent, rss>>20)
	return nil
}

func memory(root, binary string) error {
	for _, n := range []int{1000, 1_000_000} {
		list := filepath.Join(root, "memory.txt")
		if err := writeList(list, n); err != nil {
			return err
		}
		p, err := flowhound(binary, list, "").start(root)
		if err != nil {
			return err
		}
		time.Sleep(5 * time.Second)
		rss, err := p.rss()
		p.stop()
		if err != nil {
			return err
		}
		fmt.Printf("resident memory with %d indicators: %d MB\n", n, rss>>20)
	}
	return nil
}

func ip4(a uint32) string {
	return net.IP(binary.BigEndian.AppendUint32(nil, a)).String()
}

func freePort(network string) (int, error) {
	if network == "udp" {
		c, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr).Port, nil
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
