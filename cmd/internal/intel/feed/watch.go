package feed

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// swapWait is how long a swap waits for further feeds that come at the same time,
	// as all do at the first start: building the Set costs as much for one as for all.
	swapWait = 500 * time.Millisecond
	// expireEvery is how often it is looked for entries of allow lists that have ended.
	expireEvery = 30 * time.Second
)

// Run keeps the feeds fresh until ctx ends: it watches the files, fetches the
// others, and hands out a new Set whenever one of them has changed. It may be
// called once.
func (f *Feeds) Run(ctx context.Context) {
	var keepers sync.WaitGroup
	defer func() {
		keepers.Wait()
		f.client.Close()
		close(f.stopped)
	}()
	for _, s := range f.sources {
		if s.net != nil {
			keepers.Go(func() { f.keep(ctx, s) })
		}
	}
	f.reading = ctx
	keepers.Go(func() { f.files.Run(ctx) })
	close(f.running)
	f.swapWhatComes(ctx)
}

// swapWhatComes is Run for what is fetched, and for what ends.
func (f *Feeds) swapWhatComes(ctx context.Context) {
	swap := time.NewTimer(time.Hour)
	swap.Stop()
	defer swap.Stop()
	expire := time.NewTicker(expireEvery)
	defer expire.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.changed:
			swap.Reset(swapWait)
		case <-swap.C:
			f.swap(time.Now())
			f.tell()
		case now := <-expire.C:
			f.reread(func(s *source) bool { return s.good.ended(now) })
		}
	}
}

// filesChanged reads the feeds again whose files have a new version.
func (f *Feeds) filesChanged(paths []string) {
	f.reread(func(s *source) bool { return slices.Contains(paths, s.cfg.Path) })
}

// reread reads feeds from their files again, and hands out one Set for all of them.
func (f *Feeds) reread(due func(*source) bool) {
	f.rereading.Lock()
	defer f.rereading.Unlock()
	start := time.Now()
	swap, any := false, false
	for _, s := range f.sources {
		if s.net != nil || !due(s) {
			continue
		}
		any = true
		block, allow := s.good.block, s.good.allow
		if err := f.reload(f.reading, s); err != nil && f.reading.Err() != nil {
			return
		}
		swap = swap || s.good.block != block || s.good.allow != allow
	}
	if swap {
		f.swap(start)
	}
	if any {
		f.tell()
	}
}
