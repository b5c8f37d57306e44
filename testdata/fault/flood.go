package main

import (
	"fmt"
	"net"
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

// connections opens more connections to the web pages than they take, and leaves
// most of them half open. No hit is lost, and memory and descriptors are bounded.
func connections(l *lab) (string, error) {
	if err := l.start(); err != nil {
		return "", err
	}
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	refused, most := 0, 0
	for i := range 4000 {
		c, err := net.DialTimeout("tcp", l.web, time.Second)
		if err != nil {
			refused++
			continue
		}
		open = append(open, c)
		if i%2 == 0 {
			fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: ")
		}
		if len(open) > 900 { // of ours
			open[0].Close()
			open = open[1:]
		}
		if i%200 == 0 {
			if err := l.hits(5); err != nil {
				return "", err
			}
			most = max(most, l.descriptors())
		}
	}
	for _, c := range open {
		c.Close()
	}
	open = nil
	seen, err := l.agree(1)
	memory := l.resident()
	switch {
	case err == nil && memory > 192<<20:
		err = fmt.Errorf("%d MB of memory", memory>>20)
	case err == nil && most > 700:
		err = fmt.Errorf("%d descriptors", most)
	}
	return fmt.Sprintf("%s; %d connections refused, at most %d descriptors, %d MB", seen, refused, most, memory>>20), err
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
