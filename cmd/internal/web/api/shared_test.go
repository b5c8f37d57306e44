package api

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestShared: who asks the same at once, or soon after, gets the same answer, made once.
func TestShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShared()
		var made atomic.Int32
		slowly := func(context.Context) reply {
			time.Sleep(200 * time.Millisecond)
			return reply{status: http.StatusOK, body: []byte{byte('0' + made.Add(1))}}
		}
		ask := func(question string) string { return string(s.get(t.Context(), question, slowly).body) }
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if got := ask("a"); got != "1" {
					t.Errorf("answer %s", got)
				}
			})
		}
		all.Wait()
		time.Sleep(1900 * time.Millisecond) // ten times 200 ms have not gone by
		if got := ask("a"); got != "1" {
			t.Errorf("soon after: answer %s", got)
		}
		if got := ask("b"); got != "2" {
			t.Errorf("another question: answer %s", got)
		}
		time.Sleep(2 * time.Second)
		if got := ask("a"); got != "3" {
			t.Errorf("later: answer %s", got)
		}
		time.Sleep(time.Minute)
		ask("c")
		if len(s.all) != 1 {
			t.Errorf("%d answers are kept", len(s.all))
		}
	})
}

// TestSharedRefusal: a refusal is not kept.
func TestSharedRefusal(t *testing.T) {
	t.Parallel()
	s := newShared()
	for i, want := range []int{http.StatusServiceUnavailable, http.StatusOK} {
		if got := s.get(t.Context(), "a", func(context.Context) reply { return reply{status: want} }).status; got != want {
			t.Errorf("time %d: %d, want %d", i, got, want)
		}
	}
}

// TestSharedGone: the first who asked may go, and the others are answered; when all have
// gone, the making ends, and the next who asks is answered.
func TestSharedGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShared()
		make := func(ctx context.Context) reply {
			select {
			case <-time.After(time.Second):
				return reply{status: http.StatusOK}
			case <-ctx.Done():
				return reply{status: http.StatusBadRequest}
			}
		}
		ask := func(ctx context.Context, want int) {
			if got := s.get(ctx, "a", make).status; got != want {
				t.Errorf("%d, want %d", got, want)
			}
		}
		soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		go ask(soon, http.StatusOK) // it makes the answer for the other
		synctest.Wait()
		ask(t.Context(), http.StatusOK)

		time.Sleep(time.Minute)
		soon, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		ask(soon, http.StatusBadRequest)
		ask(t.Context(), http.StatusOK)
	})
}

// TestSharedPanic: who waits is not left waiting.
func TestSharedPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShared()
		go func() {
			defer func() { _ = recover() }()
			s.get(t.Context(), "a", func(context.Context) reply {
				time.Sleep(time.Second)
				panic("broken")
			})
		}()
		synctest.Wait()
		if got := s.get(t.Context(), "a", nil).status; got != http.StatusInternalServerError {
			t.Errorf("%d, want 500", got)
		}
	})
}
