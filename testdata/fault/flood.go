package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// forged sends a small datagram from each of 20,000 forged addresses in between
// those of a real exporter, whose every hit must come through, in bounded memory.
func forged(l *lab) (string, error) {
	if err := l.start(); err != nil {
		return "", err
	}
	const real, forgeries = 40, 20_000
	if err := l.hits(real); err != nil { // it proves itself
		return "", err
	}
	time.Sleep(2 * time.Second)
	to, err := net.ResolveUDPAddr("udp", l.udp)
	if err != nil {
		return "", err
	}
	for i := range forgeries {
		from := &net.UDPAddr{IP: net.IPv4(127, byte(1+i/62500), byte(i/250%250), byte(1+i%250))}
		c, err := net.DialUDP("udp", from, to)
		if err != nil {
			return "", err
		}
		err = (&exporter{conn: c, sequence: l.rand.Uint32()}).send(true)
		c.Close()
		if err != nil {
			return "", err
		}
		if i%64 == 0 {
			time.Sleep(2 * time.Millisecond)
		}
	}
	decoded := l.metric(`flowhound_records_total`)
	for i := range real {
		h := byte(i + 1)
		f := flow{local: [4]byte{10, 200, h, h}, remote: bad(l.rand.IntN(badHosts))}
		if err := l.exporter.send(false, f); err != nil { // without its template
			return "", err
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := l.wait("the real exporter's records", 10*time.Second, func() bool { return l.metric("flowhound_records_total") >= decoded+real }); err != nil {
		return "", fmt.Errorf("%w: %.0f of %d", err, l.metric("flowhound_records_total")-decoded, real)
	}
	seen, err := l.agree(1)
	memory := l.resident()
	if err == nil && memory > 256<<20 {
		err = fmt.Errorf("%d MB of memory", memory>>20)
	}
	return fmt.Sprintf("%d forged exporters, %d of %d real records, %d MB; %s", forgeries, real, real, memory>>20, seen), err
}

// connections holds ten thousand connections to the web pages open at once, half of them
// with half a request, some that read no events. No hit is lost, the pages answer others,
// and memory and descriptors are bounded.
func connections(l *lab) (string, error) {
	if err := l.start(); err != nil {
		return "", err
	}
	const wanted, unread = 10_000, 64
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	refused, most, slowest := 0, 0, time.Duration(0)
	for i := range wanted {
		d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%200))}}
		c, err := d.Dial("tcp", l.web)
		if err != nil { // also where this program may not open so many
			refused++
			continue
		}
		open = append(open, c)
		switch {
		case i < unread:
			fmt.Fprint(c, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
		case i%2 == 0:
			fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: ")
		}
		if i%500 == 0 || i == wanted-1 {
			if err := l.hits(5); err != nil {
				return "", err
			}
			took, err := l.page("/api/v1/overview")
			if err != nil {
				return "", fmt.Errorf("with %d connections: %w", len(open), err)
			}
			most, slowest = max(most, l.descriptors()), max(slowest, took)
		}
	}
	held := len(open)
	memory := l.resident()
	for _, c := range open {
		c.Close()
	}
	open = nil
	seen, err := l.agree(1)
	switch {
	case err == nil && held < wanted/2:
		err = fmt.Errorf("only %d connections could be opened: raise ulimit -n", held)
	case err == nil && memory > 192<<20:
		err = fmt.Errorf("%d MB of memory", memory>>20)
	case err == nil && most > 700:
		err = fmt.Errorf("%d descriptors", most)
	}
	return fmt.Sprintf("%s; %d connections, %d refused, at most %d descriptors, %d MB, a page within %s",
		seen, held, refused, most, memory>>20, slowest.Round(time.Millisecond)), err
}

// page asks for a page on a connection of its own, and tells how long that took.
func (l *lab) page(path string) (time.Duration, error) {
	begun := time.Now()
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + l.web + path)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s: %s", path, resp.Status)
	}
	return time.Since(begun), nil
}

// resident is the agent's memory in bytes.
func (l *lab) resident() int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", l.pid()))
	var size, pages int
	_, _ = fmt.Sscan(string(b), &size, &pages)
	return pages * os.Getpagesize()
}

func (l *lab) descriptors() int {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", l.pid()))
	return len(entries)
}

// goroutines of the agent, by its own count.
func (l *lab) goroutines() int { return int(l.metric("go_goroutines")) }
