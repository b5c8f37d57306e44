package feed

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestRetryAfter: the server's wish holds, over a restart too.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := publish(t, nil)
	p.answer(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7200")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	b := fetching(t, dir, ownList(p))
	b.failed("it asks to wait 2h0m0s")
	next := b.feeds.States()[0].NextAt
	if wait := time.Until(next); wait < 119*time.Minute || wait > 3*time.Hour {
		t.Errorf("the next fetch is in %s", wait)
	}
	b.failed("not asked: the server asks not to be called before")
	b.stop()
	p.answer(nil)
	p.docs = map[string]string{"/list.txt": "192.0.2.1\n"}
	b = fetching(t, dir, ownList(p))
	b.failed("not asked: the server asks not to be called before")
	if requests, _ := p.counts(); requests != 1 {
		t.Errorf("%d requests", requests)
	}
}

// TestLeast: whoever wants it, a publisher is not asked more often than it allows.
func TestLeast(t *testing.T) {
	t.Parallel()
	p := publish(t, map[string]string{"/list.txt": "192.0.2.1\n"})
	b := fetching(t, t.TempDir(), ownList(p))
	b.updated(true)
	b.feeds.sources[0].net.least = time.Hour
	if o := b.update(); !errors.Is(o.Err, ErrNotYet) || !strings.Contains(o.Err.Error(), "1h0m0s between two fetches") {
		t.Errorf("got %+v", o)
	}
	if requests, _ := p.counts(); requests != 1 {
		t.Errorf("%d requests", requests)
	}
}

// editState changes what a former run saved.
func editState(t *testing.T, dir string, edit func(*saved)) {
	t.Helper()
	path := filepath.Join(dir, "ours", stateFile)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var s saved
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	edit(&s)
	if b, err = json.Marshal(s); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestClock restarts with clocks that have jumped.
func TestClock(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, tt := range []struct {
		name         string
		edit         func(*saved)
		status       Status
		due          time.Duration // about; 0: at once
		fresh, least time.Duration // age
	}{
		{"as it was", func(s *saved) { s.Attempt, s.Fresh = now.Add(-20*time.Minute), now.Add(-20*time.Minute) }, OK, 40 * time.Minute, 20 * time.Minute, 0},
		{"overdue", func(s *saved) { s.Attempt, s.Fresh = now.Add(-2*time.Hour), now.Add(-2*time.Hour) }, OK, 0, 2 * time.Hour, 0},
		{"old", func(s *saved) { s.Attempt, s.Fresh = now.Add(-9*time.Hour), now.Add(-9*time.Hour) }, Stale, 0, 9 * time.Hour, 0},
		{"from the future", func(s *saved) {
			s.Attempt, s.Fresh, s.Loaded = now.Add(999*time.Hour), now.Add(999*time.Hour), now.Add(999*time.Hour)
		}, OK, 0, 0, 0},
		{"a wait from the future", func(s *saved) { s.Attempt, s.NotBefore = now.Add(999*time.Hour), now.Add(1001*time.Hour) }, OK, 0, 0, 0},
		{"a wait without end", func(s *saved) { s.Failures, s.NotBefore = 1, now.Add(9999*time.Hour) }, OK, 0, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			p := publish(t, map[string]string{"/list.txt": "192.0.2.1\n"})
			b := fetching(t, dir, ownList(p))
			b.updated(true)
			b.stop()
			editState(t, dir, tt.edit)
			b = fetching(t, dir, ownList(p))
			b.nextSet("1")
			s := b.feeds.States()[0]
			if got := time.Until(s.NextAt); (got - tt.due).Abs() > time.Minute {
				t.Errorf("the next fetch is in %s, want %s", got, tt.due)
			}
			if got := time.Since(s.FreshAt); (got - tt.fresh).Abs() > time.Minute {
				t.Errorf("its age is %s, want %s", got, tt.fresh)
			}
			if s.Status != tt.status || s.Indicators != 1 {
				t.Errorf("state %s %q", s.Status, s.Message)
			}
		})
	}
}

// TestSchedule lets feeds fetch by themselves: at the start, on their schedule, and
// again after failures.
func TestSchedule(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	p := publish(t, map[string]string{"/list.txt": "192.0.2.1\n", "/b.txt": "192.0.2.2\n"})
	var cfgs []Source
	for _, n := range []string{"list", "b"} {
		cfgs = append(cfgs, Source{Name: n, Type: List, URL: p.URL + "/" + n + ".txt", Every: time.Second})
	}
	b := &bench{t: t, sets: make(chan *intel.Set, 100), states: make(chan State, 100)}
	var err error
	b.feeds, err = open(cfgs, Options{
		Dir: t.TempDir(), Fetch: fetch.Options{Retries: -1},
		OnSwap:  func(s *intel.Set, _ time.Duration) { b.sets <- s },
		OnState: func(s State) { b.states <- s },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.feeds.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.feeds.Run(ctx) }()
	defer func() { cancel(); <-done }()
	b.nextSet()
	b.nextSet("1", "2") // one for both
	b.nextState(OK, "1 indicator")
	b.nextState(OK, "1 indicator")
	p.answer(http.NotFound)
	b.nextState(Error, "404")
	b.nextState(Error, "404")
	p.answer(nil)
	p.set("/b.txt", "192.0.2.3\n")
	b.nextSet("1", "3")
	for range 2 {
		b.nextState(OK, "1 indicator")
	}
}

// TestStaleByTime: a feed grows stale while nothing answers.
func TestStaleByTime(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := t.TempDir()
	p := publish(t, map[string]string{"/list.txt": "192.0.2.1\n"})
	b := fetching(t, dir, ownList(p))
	b.updated(true)
	b.stop()
	const soon = 15 * time.Second // a busy machine gets that far
	stale := time.Now().Add(soon)
	editState(t, dir, func(s *saved) { s.Fresh = stale.Add(-3 * time.Hour) })
	b = fetching(t, dir, ownList(p))
	b.nextSet("1")
	b.nextState(OK, "1 indicator")
	p.answer(http.NotFound)
	b.failed("404")
	b.nextState(Error, "404")
	time.Sleep(time.Until(stale) + time.Millisecond)
	b.failed("404")
	b.nextState(Stale, "404")
	b.failed("404")
	b.quiet()
	p.answer(nil)
	b.updated(false)
	b.nextState(OK, "1 indicator")
}
