package api

import (
	"context"
	"maps"
	"net/http"
	"sync"
	"time"
)

// keepFactor is for how many times as long as it took to make an answer serves, and
// keepMost how long at most: however many ask the same, it takes one core a tenth of its
// time.
const (
	keepFactor = 10
	keepMost   = 10 * time.Second
)

// reply is the answer to a question, the same for all who ask it.
type reply struct {
	status int
	body   []byte // JSON; of a refusal what is wrong, as text
	busy   bool   // refused for now: to be asked again soon
}

// shared gives one answer to all who ask the same while it is being made, and soon after.
// Browsers that have a page open ask the same again and again.
type shared struct {
	mu  sync.Mutex
	all map[string]*answer // by question
}

func newShared() *shared { return &shared{all: map[string]*answer{}} }

// answer is one that is being made, or was.
type answer struct {
	ctx     context.Context // ends when nobody waits any more
	cancel  context.CancelFunc
	waiting int           // who wait for it
	ready   chan struct{} // closed when reply can be read
	reply   reply
	until   time.Time // when it serves no more; zero: it is being made
}

// get returns the answer to a question. make, which the first who asks calls, must end
// soon after its context, which ends when nobody waits any more.
func (s *shared) get(ctx context.Context, question string, make func(context.Context) reply) reply {
	a, first := s.join(ctx, question)
	stop := context.AfterFunc(ctx, func() { s.leave(question, a) })
	defer stop()
	if first {
		defer s.answered(a, time.Now())
		a.reply.status = http.StatusInternalServerError // if make panics
		a.reply = make(a.ctx)
		return a.reply
	}
	select {
	case <-a.ready:
		return a.reply
	case <-ctx.Done():
		return reply{status: http.StatusServiceUnavailable} // nobody reads it
	}
}

// join returns the answer to a question, and whether the caller has to make it.
func (s *shared) join(ctx context.Context, question string) (a *answer, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(s.all, func(_ string, a *answer) bool { return !a.until.IsZero() && now.After(a.until) })
	a = s.all[question]
	if a == nil {
		a, first = &answer{ready: make(chan struct{})}, true
		a.ctx, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
		s.all[question] = a
	}
	a.waiting++
	return a, first
}

// leave is called when one who asked has gone.
func (s *shared) leave(question string, a *answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.waiting--; a.waiting > 0 || !a.until.IsZero() {
		return
	}
	a.cancel()
	if s.all[question] == a {
		delete(s.all, question) // the next one who asks begins anew
	}
}

// answered hands out an answer that took the time since begun. A refusal serves only
// those who wait.
func (s *shared) answered(a *answer, begun time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.until = time.Now()
	if a.reply.status == http.StatusOK {
		a.until = a.until.Add(min(keepFactor*a.until.Sub(begun), keepMost))
	}
	close(a.ready)
	a.cancel()
}
