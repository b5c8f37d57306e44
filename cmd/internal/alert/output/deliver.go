package output

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/retry"
)

const (
	// Nothing is tried before minBackoff, twice that each time it fails again, up
	// to maxBackoff; a target that asks for more gets maxPause at most.
	minBackoff = time.Second
	maxBackoff = time.Minute
	maxPause   = time.Hour
	// suspects is how many hits are tried in turn, each alone, to tell an output
	// that is down from a hit that it cannot take.
	suspects = 16
)

// item is a record on its way out of the journal.
type item struct {
	*journal.Record
	tries uint32
	done  bool
}

// deliverer is the goroutine that takes hits out of the journal. Only it uses the
// Writer.
type deliverer struct {
	*Output

	items    []item // taken and not acknowledged, in order
	size     int    // hits in the next Write
	suspect  int    // which of items is tried alone
	failures int    // in a row
	why      string // of the last one
	pauseTo  time.Time
	notReady bool            // that is why it pauses
	buriedAt time.Time       // when a dead letter was said
	unsynced finding.Trouble // with the dead letters
	unread   bool            // the journal could not be read: that is the failure
}

// await gathers a batch and waits until it may be written. False: it is the end.
func (d *deliverer) await() bool {
	for {
		err := d.gather()
		var oldest time.Time
		if len(d.items) > 0 {
			oldest = d.items[0].At.UTC()
		}
		d.cond.count(func(c *condition) { c.stats.Oldest = oldest })
		news, wait, ready := d.cursor.Wait(), time.Hour, false
		switch paused := time.Until(d.pauseTo); {
		case err != nil: // of the disk: the cursor gives it up after a while
			d.cond.failed(err.Error(), true)
			d.unread = true
			wait, news = minBackoff, nil
		case paused > 0:
			wait, news = paused, nil
		case len(d.items) > 0: // at the end no batch waits for more hits
			wait = time.Until(oldest.Add(d.opts().Batch.Every))
			ready = wait <= 0 || d.failures > 0 || d.full() || d.draining.Err() != nil
		}
		if ready || d.draining.Err() != nil {
			return ready && d.ctx.Err() == nil
		}
		d.pause(wait, news)
	}
}

// pause waits, for less when something happens.
func (d *deliverer) pause(wait time.Duration, news <-chan struct{}) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-news:
	case <-d.draining.Done():
	case <-d.changed:
		d.pauseTo, d.size = time.Time{}, d.opts().Batch.Max
	case <-d.opts().Changed:
		if d.notReady && d.opts().Problem() == "" {
			d.pauseTo = time.Time{}
		}
	}
}

// gather takes items from the journal until there are enough for a batch.
func (d *deliverer) gather() error {
	for bytes := d.bytes(); len(d.items) < d.opts().Batch.Max && bytes < maxBatch; {
		r, err := d.cursor.Next()
		if d.unread && err == nil {
			d.unread = false
			d.cond.worked()
		}
		if err != nil || r == nil {
			return err
		}
		it := item{Record: r, tries: r.Tries}
		switch {
		case r.Hit == nil:
			d.bury(&it, "not a hit of this version of flowhound")
		case d.failures > 0 && d.expired(&it):
			d.bury(&it, tooOld+d.why)
		}
		bytes += r.Size()
		if d.items = append(d.items, it); it.done {
			d.ack()
		}
	}
	return nil
}

// full reports whether items are all that one batch may hold.
func (d *deliverer) full() bool {
	return len(d.items) >= d.opts().Batch.Max || d.bytes() >= maxBatch
}

func (d *deliverer) bytes() (n int) {
	for i := range d.items {
		n += d.items[i].Size()
	}
	return n
}

func (d *deliverer) expired(it *item) bool {
	return d.opts().MaxAge > 0 && time.Since(it.At) > d.opts().MaxAge
}

// ack forgets the items at the beginning that are done, here and in the journal.
func (d *deliverer) ack() {
	n := 0
	for n < len(d.items) && d.items[n].done {
		n++
	}
	done := 0
	for i := n; i < len(d.items); i++ {
		if d.items[i].done {
			done++
		}
	}
	if n > 0 {
		if d.opts().Journal.Mode() != journal.SyncNever {
			d.unsynced.Note(d.dead.sync())
		}
		d.cursor.Ack(d.items[n-1].Seq)
		d.items = append(d.items[:0], d.items[n:]...)
		d.suspect = max(0, d.suspect-n)
	}
	d.cond.count(func(c *condition) { c.done = done })
}

// backoff sets when the next attempt is made; after is what the target asked for.
func (d *deliverer) backoff(after time.Duration) {
	wait := retry.Backoff{First: minBackoff, Most: maxBackoff}.After(max(d.failures, 1))
	wait = wait/2 + rand.N(wait/2+1) //nolint:gosec // to spread attempts, not to keep a secret
	if after > 0 {
		wait = min(after, maxPause)
		wait += rand.N(wait/10 + 1) //nolint:gosec // as above
	}
	d.pauseTo = time.Now().Add(wait)
}

// Test writes h now, past the journal and the filter, and returns what became of it.
func (out *Output) Test(ctx context.Context, h *hit.Hit) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(out.ctx, cancel)()
	err := out.send(ctx, []hit.Hit{*h})
	if out.ctx.Err() != nil {
		return ErrStopped
	}
	return err
}

// send has the Writer write. It is never called concurrently, and has the time of a batch.
func (out *Output) send(ctx context.Context, hits []hit.Hit) error {
	select {
	case out.writing <- struct{}{}:
		defer func() { <-out.writing }()
	case <-ctx.Done():
		return fmt.Errorf("output %s is busy with a batch: %w", out.Name(), ctx.Err())
	}
	ctx, cancel := context.WithTimeout(ctx, out.opts().Timeout)
	defer cancel()
	return out.opts().Writer.Write(ctx, hits)
}
