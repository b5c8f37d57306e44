package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// withBrowsers is a collector whose pages so many browsers have open: each reads the
// events, and asks again what its page asks again, as pages/src/frame.js does.
func withBrowsers(c collector, n int) collector {
	c.name = fmt.Sprintf("%s, %d live browsers", c.name, n)
	c.beside = func(web int) (stop func() error) {
		ctx, cancel := context.WithCancel(context.Background())
		var all sync.WaitGroup
		var failed atomic.Uint64
		var live atomic.Int64
		for i := range n {
			b := browser{url: fmt.Sprintf("http://127.0.0.1:%d/api/v1/", web), live: &live, client: &http.Client{Transport: &http.Transport{}}}
			all.Go(func() { b.follow(ctx, &failed) })
			all.Go(func() { b.ask(ctx, i, n, &failed) })
		}
		for begun := time.Now(); live.Load() < int64(n) && time.Since(begun) < 10*time.Second; {
			time.Sleep(10 * time.Millisecond)
		}
		return func() error {
			open := live.Load()
			cancel()
			all.Wait()
			if f := failed.Load(); f > 0 || open < int64(n) {
				return fmt.Errorf("%d of %d browsers were live, %d questions failed", open, n, f)
			}
			return nil
		}
	}
	return c
}

type browser struct {
	url    string
	client *http.Client
	live   *atomic.Int64
}

// follow reads the events until the end.
func (b *browser) follow(ctx context.Context, failed *atomic.Uint64) {
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"events", nil)
	resp, err := b.client.Do(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		failed.Add(1)
		return
	}
	defer resp.Body.Close()
	b.live.Add(1)
	defer b.live.Add(-1)
	_, _ = io.Copy(io.Discard, resp.Body)
	if ctx.Err() == nil {
		failed.Add(1)
	}
}

// ask asks what one of three pages asks again: Overview each 5 s, Map each 30 s, Hits
// nothing. Browsers begin at different times.
func (b *browser) ask(ctx context.Context, i, n int, failed *atomic.Uint64) {
	every, questions := 5*time.Second, []string{"overview?last=24h"}
	switch i % 3 {
	case 1:
		hour := time.Now().UTC().Truncate(time.Hour).Add(time.Hour)
		span := fmt.Sprintf("from=%s&to=%s", hour.Add(-25*time.Hour).Format(time.RFC3339), hour.Format(time.RFC3339))
		every, questions = 30*time.Second, []string{"top?fields=scc&value=bytes&count=0&" + span, "hits?limit=5000&last=24h", "top?fields=hour&value=bytes&count=0&" + span}
	case 2:
		return
	}
	for wait := every * time.Duration(i) / time.Duration(n); ; wait = every {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		for _, q := range questions {
			r, _ := http.NewRequestWithContext(ctx, http.MethodGet, b.url+q, nil)
			r.Header.Set("Accept-Encoding", "gzip")
			resp, err := b.client.Do(r)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				failed.Add(1)
				continue
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			busy := resp.StatusCode == http.StatusServiceUnavailable && strings.HasPrefix(q, "top") // two questions at once
			if resp.StatusCode != http.StatusOK && !busy {
				failed.Add(1)
			}
		}
	}
}

// browsers holds the loss-free rate with 50 live browsers against that without, while
// 100 hits come a second.
func browsers(root, binary string) error {
	list := filepath.Join(root, "100k.txt")
	if err := writeList(list, 100_000); err != nil {
		return err
	}
	alone := flowhound(binary, list, "")
	alone.hits = true
	best := map[string]float64{}
	looked := withBrowsers(alone, 50)
	for range 2 { // in turns
		for _, c := range []collector{alone, looked} {
			r, _, err := highestRate(root, c)
			if err != nil {
				return err
			}
			best[c.name] = max(best[c.name], r)
		}
	}
	fmt.Println("| collector | highest loss-free rate, flows/s | ratio |")
	fmt.Println("|---|---|---|")
	for _, c := range []collector{alone, looked} {
		fmt.Printf("| %s | %.2f M | %.2f |\n", c.name, best[c.name]/1e6, best[c.name]/best[alone.name])
	}
	return nil
}
