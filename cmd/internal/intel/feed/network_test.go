package feed

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// publisher serves documents by path, as real ones do: with an ETag, with 304, and
// with whatever answer a test puts in the place of that.
type publisher struct {
	*httptest.Server
	mu       sync.Mutex
	docs     map[string]string
	instead  http.HandlerFunc // answers everything; nil: the documents
	quiet    bool             // no validators
	requests int
	full     int // answers with a body
	header   http.Header
	url      string
}

func publish(t *testing.T, docs map[string]string) *publisher {
	t.Helper()
	p := &publisher{docs: docs}
	p.Server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.requests++
	p.header, p.url = r.Header.Clone(), r.URL.String()
	text, ok := p.docs[r.URL.Path]
	instead, quiet := p.instead, p.quiet
	p.mu.Unlock()
	etag := fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(text)))
	switch {
	case instead != nil:
		instead(w, r)
	case !ok:
		http.NotFound(w, r)
	case !quiet && r.Header.Get("If-None-Match") == etag:
		w.WriteHeader(http.StatusNotModified)
	default:
		p.mu.Lock()
		p.full++
		p.mu.Unlock()
		if !quiet {
			w.Header().Set("ETag", etag)
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		_, _ = w.Write([]byte(text))
	}
}

func (p *publisher) set(path, text string) { p.mu.Lock(); defer p.mu.Unlock(); p.docs[path] = text }

func (p *publisher) answer(h http.HandlerFunc) { p.mu.Lock(); defer p.mu.Unlock(); p.instead = h }

func (p *publisher) counts() (requests, full int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests, p.full
}

// netBench is a running Feeds that fetches when asked to.
type netBench struct {
	*bench
	stop func()
}

// fetching runs feeds whose copies are in dir until the test, or stop, ends it.
func fetching(t *testing.T, dir string, cfgs ...Source) *netBench {
	t.Helper()
	return fetchingWith(t, dir, fetch.Options{RetryWait: time.Millisecond}, cfgs...)
}

func fetchingWith(t *testing.T, dir string, o fetch.Options, cfgs ...Source) *netBench {
	t.Helper()
	b := &bench{t: t, dir: dir, sets: make(chan *intel.Set, 100), states: make(chan State, 100)}
	var err error
	b.feeds, err = open(cfgs, Options{
		Dir: dir, OnRequest: true, Fetch: o,
		OnSwap:  func(s *intel.Set, _ time.Duration) { b.sets <- s },
		OnState: func(s State) { b.states <- s },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range b.feeds.sources {
		if s.net != nil {
			s.net.least = 0 // a publisher that has nothing against it
		}
	}
	_ = b.feeds.Load(t.Context()) // States tell
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); b.feeds.Run(ctx) }()
	n := &netBench{bench: b, stop: sync.OnceFunc(func() { cancel(); <-done })}
	t.Cleanup(n.stop)
	return n
}

// update fetches now and returns what came of the only, or first, feed.
func (b *netBench) update() Outcome {
	b.t.Helper()
	out, err := b.feeds.Update(context.Background(), nil, nil)
	if err != nil || len(out) == 0 {
		b.t.Fatalf("update: %v %v", out, err)
	}
	return out[0]
}

func (b *netBench) updated(changed bool) {
	b.t.Helper()
	if o := b.update(); o.Err != nil || o.Changed != changed {
		b.t.Fatalf("update: changed %t, %v; want changed %t", o.Changed, o.Err, changed)
	}
}

func (b *netBench) failed(says string) {
	b.t.Helper()
	if o := b.update(); o.Err == nil || o.Changed || !strings.Contains(o.Err.Error(), says) {
		b.t.Fatalf("update: changed %t, %v; want it to fail with %q", o.Changed, o.Err, says)
	}
}

func ownList(p *publisher) Source {
	return Source{Name: "ours", Type: List, URL: p.URL + "/list.txt", Confidence: 60}
}

func TestFetch(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := t.TempDir()
	p := publish(t, map[string]string{"/list.txt": "192.0.2.1\n"})
	b := fetching(t, dir, ownList(p))
	b.nextSet() // empty: nothing was ever fetched
	if s := b.feeds.States()[0]; s.Status != Pending || s.URL != p.URL+"/list.txt" || !s.FreshAt.IsZero() {
		t.Errorf("before: %+v", s)
	}
	b.updated(true)
	b.nextSet("1")
	b.nextState(OK, "1 indicator")

	b.updated(false) // one conditional request, no new set, no line
	if requests, full := p.counts(); requests != 2 || full != 1 {
		t.Errorf("%d requests, %d bodies", requests, full)
	}
	p.quiet = true // a server that cannot tell: the content tells
	b.updated(false)
	p.quiet = false
	b.quiet()

	p.set("/list.txt", "192.0.2.1\n192.0.2.2\n")
	b.updated(true)
	b.nextSet("1", "2")
	b.nextState(OK, "2 indicators")
	s := b.feeds.States()[0]
	if s.Fetches != 2 || s.Unchanged != 2 || s.Errors != 0 || time.Since(s.FreshAt) > time.Minute || s.NextAt.Before(time.Now()) {
		t.Errorf("after: %+v", s)
	}
	b.stop()

	// A restart without network matches at once, and knows what it has.
	p.Close()
	b = fetching(t, dir, ownList(p))
	b.nextSet("1", "2")
	b.nextState(OK, "2 indicators")
	if again := b.feeds.States()[0]; !again.LoadedAt.Equal(s.LoadedAt) || again.FreshAt.Sub(s.FreshAt).Abs() > time.Second {
		t.Errorf("after a restart: %+v, before %+v", again, s)
	}
	b.failed("connection refused")
	b.nextState(Error, "the 2 indicators of ")
	b.failed("connection refused")
	b.quiet() // it was said
	if _, err := b.feeds.Update(t.Context(), []string{"theirs"}, nil); err == nil || !strings.Contains(err.Error(), `no feed "theirs"`) {
		t.Errorf("an unknown feed: %v", err)
	}
	b.stop()
	if out, err := b.feeds.Update(t.Context(), nil, nil); err != nil || !errors.Is(out[0].Err, ErrNotRunning) {
		t.Errorf("after Run: %v, %v", out, err)
	}
}

// What is wrong with a document is said on the first fetch too, when there is nothing
// yet that could stay in use.
func TestFirstFetchTellsWhy(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ body, says string }{
		"rate limit":   {"Rate limit exceeded, try later\n", "does not look like a list of indicators"},
		"JSON":         {`{"message": "API rate limit exceeded"}`, "it is JSON"},
		"tar":          {"list.txt\x00\x00\x00ustar", "is binary, not text"},
		"bzip2":        {"BZh91AY&SY", "packed with bzip2"},
		"xz":           {"\xfd7zXZ\x00", "packed with xz"},
		"half gzip":    {"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", "ended early"},
		"empty":        {"", "the list holds no indicators"},
		"all left out": {"10.0.0.1\n", "no indicator is left; left out: 1 special-use network (first: line 1, 10.0.0.1)"},
	} {
		p := publish(t, nil)
		p.answer(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(tt.body)) })
		b := fetching(t, t.TempDir(), ownList(p))
		b.nextSet()
		if o := b.update(); o.Err == nil || !strings.Contains(o.Err.Error(), tt.says) {
			t.Errorf("%s: %v, want it to say %q", name, o.Err, tt.says)
		}
	}
}

// TestBadAnswers: whatever comes, the last good version stays, on disk too, and
// is back in order with the next good one.
func TestBadAnswers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	long := ""
	for i := range 200 {
		long += fmt.Sprintf("198.51.100.%d\n", i)
	}
	good := "192.0.2.1\n" + long
	p := publish(t, map[string]string{"/list.txt": good})
	b := fetching(t, dir, ownList(p))
	b.nextSet()
	b.updated(true)
	b.nextSet("1")
	b.nextState(OK, "201 indicators")
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(s)) }
	}
	for _, tt := range []struct {
		name string
		h    http.HandlerFunc
		says string
	}{
		{"gone", http.NotFound, "404"},
		{"a page", text("<html>log in"), "web page"},
		{"504 with a page", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusGatewayTimeout)
			_, _ = w.Write([]byte("<html>504"))
		}, "504 (Gateway Timeout)"},
		{"cut", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9999")
			_, _ = w.Write([]byte(good))
		}, "ended early"},
		{"empty", text(""), "no indicators"},
		{"comments", text("# moved\n"), "no indicators"},
		{"prose", text("this list\nhas moved\nto another\nplace\n"), "does not look like a list"},
		{"half", text(long[:len(long)/3]), "more than 50% less looks like a mistake"},
		{"binary", text("\x00\x01\x02\x03"), "binary"},
	} {
		p.answer(tt.h)
		o := b.update()
		if o.Err == nil || !strings.Contains(o.Err.Error(), tt.says) || o.Changed {
			t.Errorf("%s: %+v, want it to say %q", tt.name, o, tt.says)
		}
	}
	b.nextState(Error, "stay in use")
	b.quiet()
	if names, _ := filepath.Glob(filepath.Join(dir, "ours", ".*")); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
	if kept, err := os.ReadFile(filepath.Join(dir, "ours", "document-0")); err != nil || string(kept) != good {
		t.Errorf("the copy is %d bytes, %v", len(kept), err)
	}
	p.answer(nil)
	b.updated(false) // 304: the copy is still good
	b.nextState(OK, "201 indicators")
	if s := b.feeds.States()[0]; s.Errors != 9 || s.Unchanged != 1 {
		t.Errorf("counted %+v", s)
	}
}

// TestHanging: a publisher that stops in the middle is not waited for.
func TestHanging(t *testing.T) {
	t.Parallel()
	p := publish(t, nil)
	p.answer(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("192.0.2.1\n"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	b := fetchingWith(t, t.TempDir(), fetch.Options{Retries: -1, Idle: 200 * time.Millisecond}, ownList(p))
	b.failed("bytes arrived in 200ms")
}

func TestMaxShrink(t *testing.T) {
	t.Parallel()
	docs := map[string]string{"/list.txt": ""}
	for i := range 200 {
		docs["/list.txt"] += fmt.Sprintf("198.51.100.%d\n", i)
	}
	p := publish(t, docs)
	cfg := ownList(p)
	cfg.MaxShrink = 100
	b := fetching(t, t.TempDir(), cfg)
	b.updated(true)
	p.set("/list.txt", "192.0.2.1\n")
	b.updated(true)
}
