package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

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
