package output

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
)

// buryEvery is how often a dead letter is said at most, with how many there are.
const buryEvery = 10 * time.Second

// tooOld begins the reason of letters that died of age.
const tooOld = "older than max_age, and nothing gets through: "

// write writes one batch and does what its outcome asks for.
func (d *deliverer) write() {
	d.pauseTo = time.Time{}
	from, to := d.choose()
	hits := make([]hit.Hit, 0, to-from)
	for i := from; i < to; i++ {
		hits = append(hits, *d.items[i].Hit)
	}
	err := d.send(d.ctx, hits)
	d.notReady = errors.Is(err, ErrNotReady)
	d.settle(from, to, err)
	d.ack()
}

// choose returns which items are written next: the first ones, as many as size;
// or, when only one is tried at a time, the suspect. The first is never done.
func (d *deliverer) choose() (from, to int) {
	if d.size == 1 && d.failures > 0 {
		for n := d.suspect % len(d.items); n > from; n-- {
			if !d.items[n].done {
				from = n
			}
		}
	}
	for to = from; to < len(d.items) && to-from < min(d.size, d.opts().Batch.Max) && !d.items[to].done; to++ {
	}
	return from, to
}

// settle does with the items from..to-1 what err says. Where the target did something about
// one of them at least, what is refused besides is refused for itself.
func (d *deliverer) settle(from, to int, err error) {
	errs := make([]error, to-from)
	var partial *plugin.PartialError
	if errors.As(err, &partial) && len(partial.Errs) == len(errs) {
		errs = partial.Errs
	} else {
		for i := range errs {
			errs[i] = err
		}
	}
	pause := pauseOf(errs)
	if !slices.ContainsFunc(errs, func(err error) bool { return err == nil || plugin.IsPermanent(err) }) {
		d.failed(from, to, err, pause)
		return
	}
	for i, err := range errs {
		switch it := &d.items[from+i]; {
		case err == nil:
			d.delivered(it)
		case plugin.IsPermanent(err):
			d.bury(it, err.Error())
		default:
			d.retried(1)
			d.again(it, err)
		}
	}
	d.succeeded()
	if pause > 0 {
		d.backoff(pause)
	}
}

func (d *deliverer) delivered(it *item) {
	it.done = true
	d.cond.count(func(c *condition) {
		if c.stats.Delivered++; it.Hit.IsTest() {
			c.stats.Tested = it.Hit.ID
		}
	})
}

func (d *deliverer) retried(n int) {
	d.cond.count(func(c *condition) { c.stats.Retried += uint64(n) })
}

// pauseOf returns the longest pause that errs ask for.
func pauseOf(errs []error) (longest time.Duration) {
	for _, err := range errs {
		var later *plugin.RetryAfterError
		if errors.As(err, &later) {
			longest = max(longest, later.After)
		}
	}
	return longest
}

// succeeded goes back to larger batches.
func (d *deliverer) succeeded() {
	d.cond.worked()
	d.failures, d.suspect = 0, 0
	d.size = min(2*d.size, d.opts().Batch.Max)
}

// failed is for a batch of which nothing was delivered: the output is down, or one
// of the hits is to blame. Smaller batches, and in the end single hits in turn,
// find out: where a later hit got through, this one is tried again after the
// others. A Writer that is not ready says nothing of hits.
func (d *deliverer) failed(from, to int, err error, pause time.Duration) {
	why := err.Error()
	if d.notReady { // what keeps it says more
		why = cmp.Or(d.opts().Problem(), why)
	} else {
		d.retried(to - from)
		if to-from == 1 && slices.ContainsFunc(d.items[to:], func(later item) bool { return later.done }) {
			d.again(&d.items[from], err)
			return
		}
		if d.size = max(1, min(d.size, to-from)/2); to-from == 1 {
			d.suspect = (d.suspect + 1) % min(len(d.items), suspects)
		}
	}
	d.failures++
	d.why = why
	d.cond.failed(why, false)
	for i := range d.items {
		if it := &d.items[i]; !it.done && d.expired(it) {
			d.bury(it, tooOld+why)
		}
	}
	d.backoff(pause)
}

// again puts a hit that failed, while others did not, behind all others; or among
// the dead, when that was often enough.
func (d *deliverer) again(it *item, err error) {
	if it.tries++; d.opts().MaxAttempts > 0 && int(it.tries) >= d.opts().MaxAttempts {
		d.bury(it, err.Error())
		return
	}
	j := d.opts().Journal
	if j.Stats().Write != "" {
		return // it stays where it is
	}
	if _, appendErr := j.Append(&journal.Record{To: []string{CursorOf(d.Name())}, Hit: it.Hit, At: it.At, Tries: it.tries}); appendErr != nil {
		d.bury(it, err.Error())
		return
	}
	_ = j.Written(d.ctx) // else it is delivered from memory
	it.done = true
}

// bury makes a dead letter of it.
func (d *deliverer) bury(it *item, why string) {
	it.done = true
	payload, id := it.Raw, ""
	if it.Hit != nil {
		payload, _ = json.Marshal(it.Hit) // it came from JSON, or went into it
		id = it.Hit.ID
	}
	lost, err := d.dead.add(payload, why, it.tries)
	d.cond.lose(uint64(lost), "too many dead letters: the oldest are gone")
	if err != nil {
		d.cond.lose(1, err.Error())
		return
	}
	n := d.cond.die(why)
	if now := time.Now(); now.Sub(d.buriedAt) >= buryEvery {
		d.buriedAt = now
		d.opts().Log.Warn("a hit could not be delivered; it is a dead letter now", "output", d.Name(), "id", id, "why", why, "dead", n)
	}
}
