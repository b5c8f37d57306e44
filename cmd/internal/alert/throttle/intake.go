package throttle

import (
	"context"
	"sync"

	"github.com/flowhound/flowhound/cmd/internal/match"
)

// Intake is one worker's way to the Emitter.
type Intake struct {
	queue chan<- match.Raw

	// overflow takes matches while the queue is full. The lock is taken then only,
	// and by the Emitter a few times a second.
	mu       sync.Mutex
	overflow match.Overflow
}

// Intake returns another way in. All are made before Start.
func (e *Emitter) Intake() *Intake {
	in := &Intake{queue: e.queue}
	e.intakes = append(e.intakes, in)
	return in
}

// Intakes returns how many there are.
func (e *Emitter) Intakes() int { return len(e.intakes) }

// Pass hands a match over, or keeps it folded while that cannot be. It never waits.
func (in *Intake) Pass(m *match.Raw) {
	select {
	case in.queue <- *m:
	default:
		in.mu.Lock()
		in.overflow.Add(m)
		in.mu.Unlock()
	}
}

// Put hands a match over, and waits until that can be.
func (e *Emitter) Put(ctx context.Context, m *match.Raw) error {
	select {
	case e.queue <- *m:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drainOverflow takes what the workers could not queue.
func (e *Emitter) drainOverflow() {
	for _, in := range e.intakes {
		in.mu.Lock()
		in.overflow.Drain(func(m *match.Raw) bool {
			e.add(m)
			return true
		})
		in.mu.Unlock()
	}
}

// Lost counts the matches that neither the queue nor the overflow had room for.
func (e *Emitter) Lost() (n uint64) {
	for _, in := range e.intakes {
		in.mu.Lock()
		n += in.overflow.Lost()
		in.mu.Unlock()
	}
	return n + e.unsaid.Load()
}
