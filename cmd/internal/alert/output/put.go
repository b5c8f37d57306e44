package output

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/output/spool"
	"github.com/flowhound/flowhound/plugin/hit"
)

// putTime is the longest that a hit's line waits for the spools.
const putTime = 50 * time.Millisecond

// entry is a hit on its way into one spool.
type entry struct {
	hit     hit.Hit
	payload []byte // the hit as JSON, shared by all outputs
	at      time.Time
	tries   uint32
	sent    bool
	fate    atomic.Int32
	done    chan error // of one value, which nobody may wait for
}

// The fates of an entry: whoever comes first decides.
const (
	pending int32 = iota
	committed
	abandoned
)

func (e *entry) commit() bool  { return e.fate.CompareAndSwap(pending, committed) }
func (e *entry) abandon() bool { return e.fate.CompareAndSwap(pending, abandoned) }

// Put puts h into the spool of each output that wants it. When it returns, h is
// there, or counted as dropped. It waits 50 ms at most, and for an output whose
// disk did not answer the last time, not at all. It may be called concurrently.
func Put(outputs []*Output, h *hit.Hit) {
	var waiting []*entry
	var owners []*Output
	for _, out := range outputs {
		if !out.opts().Filter.Wants(h) {
			continue
		}
		if out.spool.Load() == nil {
			out.drop(1, "the spool cannot be opened")
			continue
		}
		if out.stuck.Load() {
			out.drop(1, "the disk of the spool does not answer")
			continue
		}
		waiting = append(waiting, &entry{hit: *h, at: time.Now(), done: make(chan error, 1)})
		owners = append(owners, out)
	}
	if len(waiting) == 0 {
		return
	}
	payload, err := h.MarshalJSON()
	if err != nil {
		for _, out := range owners {
			out.drop(1, err.Error())
		}
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), putTime)
	defer cancel()
	for i, e := range waiting {
		e.payload = payload
		select {
		case owners[i].puts <- e:
			e.sent = true
		default:
			select {
			case owners[i].puts <- e:
				e.sent = true
			case <-ctx.Done():
			}
		}
	}
	for i, e := range waiting {
		owners[i].finish(ctx, e)
	}
}

// finish waits for what becomes of e.
func (out *Output) finish(ctx context.Context, e *entry) {
	var err error
	select {
	case err = <-e.done:
	default:
		select {
		case err = <-e.done:
		case <-ctx.Done():
			if e.sent { // so that it comes to appendAll, which resets it after this
				out.stuck.Store(true)
			}
			if !e.abandon() {
				out.stuck.Store(false)
				return // in the spool, just now
			}
			err = fmt.Errorf("the disk of the spool takes longer than %s", putTime)
		}
	}
	if err != nil {
		out.drop(1, err.Error())
	}
}

// drop counts hits that are lost.
func (out *Output) drop(n uint64, why string) {
	out.lost.Add(n)
	out.cond.lostTo(why)
}

// append puts a hit into the spool again, however long the disk takes.
func (out *Output) append(e *entry) error {
	e.done = make(chan error, 1)
	select {
	case out.puts <- e:
	case <-out.quit:
		return spool.ErrClosed
	}
	select {
	case err := <-e.done:
		return err
	case <-out.quit:
		return spool.ErrClosed
	}
}

// appendAll is the goroutine that alone appends to the spool.
func (out *Output) appendAll() {
	for {
		select {
		case <-out.quit:
			return
		case e := <-out.puts:
			err := out.appendOne(e)
			out.stuck.Store(false)
			e.done <- err
		}
	}
}

func (out *Output) appendOne(e *entry) error {
	if e.fate.Load() == abandoned {
		return spool.ErrAbandoned
	}
	s := out.spool.Load()
	if s == nil {
		return errors.New("the spool cannot be opened")
	}
	seq, err := s.Append(e.payload, e.at, e.tries, e.commit)
	if err != nil {
		return err
	}
	if e.tries == 0 {
		out.accepted.Add(1)
	}
	out.queue.add(item{seq: seq, at: e.at, tries: e.tries, size: len(e.payload), hit: e.hit})
	select {
	case out.news <- struct{}{}:
	default: // it is known
	}
	return nil
}
