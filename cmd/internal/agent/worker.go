package agent

import (
	"sync"

	"github.com/flowhound/flowhound/cmd/internal/match"
)

// intake is a worker's way to the alert goroutine.
type intake struct {
	queue chan<- match.Raw

	// overflow takes matches while the queue is full. The lock is taken then only,
	// and by the alert goroutine once a second.
	mu       sync.Mutex
	overflow match.Overflow
}

// pass hands a match to the alert goroutine, or keeps it folded while that cannot
// take it. It never waits.
func (in *intake) pass(m *match.Raw) {
	select {
	case in.queue <- *m:
	default:
		in.mu.Lock()
		in.overflow.Add(m)
		in.mu.Unlock()
	}
}
