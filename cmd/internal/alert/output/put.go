package output

import (
	"errors"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/output/spool"
	"github.com/flowhound/flowhound/plugin/hit"
)

const (
	// putTime is the longest that a hit's line waits for the spools.
	putTime = 50 * time.Millisecond
	// maxLate is how many hits wait in memory, some 3 MB, for a disk that does not
	// answer: more than the lines of a busy minute.
	maxLate = 1024
)

// entry is a hit on its way into one spool.
type entry struct {
	hit     hit.Hit
	payload []byte // the hit as JSON, shared by all outputs
	at      time.Time
	tries   uint32
	put     *Output       // that counts it when it is lost; nil: whoever waits knows what to do
	done    chan struct{} // closed once the spool has it or refused it
	err     error         // why it refused; to be read after done
}

// Put puts h into the spool of each output that wants it. When it returns, h is
// there, or counted as dropped; only where the disk takes longer than 50 ms it
// still waits in memory, and for such a disk the next ones are not waited for. It
// may be called concurrently.
func Put(outputs []*Output, h *hit.Hit) {
	var payload []byte
	var waiting []*entry
	for _, out := range outputs {
		if !out.opts().Filter.Wants(h) {
			continue
		}
		if out.spool.Load() == nil {
			out.drop(1, "the spool cannot be opened")
			continue
		}
		if payload == nil {
			var err error
			if payload, err = h.MarshalJSON(); err != nil {
				out.drop(1, err.Error())
				continue
			}
		}
		e := &entry{hit: *h, payload: payload, at: time.Now(), put: out, done: make(chan struct{})}
		late := out.late.Load()
		select {
		case out.puts <- e:
			if !late {
				waiting = append(waiting, e)
			}
		default:
			out.drop(1, "the disk of the spool does not answer")
		}
	}
	if len(waiting) > 0 {
		await(waiting)
	}
}

// await waits until all entries are settled, for putTime in all. Outputs that have
// not settled theirs by then are late.
func await(entries []*entry) {
	timer := time.NewTimer(putTime)
	defer timer.Stop()
	over := timer.C
	for _, e := range entries {
		if over != nil {
			select {
			case <-e.done:
				continue
			case <-over:
				over = nil
			}
		}
		select {
		case <-e.done:
		default:
			e.put.late.Store(true)
		}
	}
}

// drop counts hits that are lost.
func (out *Output) drop(n uint64, why string) {
	out.lost.Add(n)
	out.cond.lostTo(why)
}

// append puts a hit into the spool again, however long the disk takes.
func (out *Output) append(e *entry) error {
	e.done = make(chan struct{})
	select {
	case out.puts <- e:
	case <-out.quit:
		return spool.ErrClosed
	}
	select {
	case <-e.done:
		return e.err
	case <-out.quit:
		return spool.ErrClosed
	}
}

// appendAll is the goroutine that alone appends to the spool. At the end it takes
// what still waits along.
func (out *Output) appendAll() {
	for {
		select {
		case e := <-out.puts:
			out.appendOne(e)
			continue
		default:
		}
		select {
		case <-out.quit:
			return
		case e := <-out.puts:
			out.appendOne(e)
		}
	}
}

func (out *Output) appendOne(e *entry) {
	e.err = out.toSpool(e)
	if e.err != nil && e.put != nil {
		out.drop(1, e.err.Error())
	}
	if len(out.puts) == 0 {
		out.late.Store(false)
	}
	close(e.done)
}

func (out *Output) toSpool(e *entry) error {
	s := out.spool.Load()
	if s == nil {
		return errors.New("the spool cannot be opened")
	}
	seq, err := s.Append(e.payload, e.at, e.tries)
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
