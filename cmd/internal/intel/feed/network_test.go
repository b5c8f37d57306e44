package feed

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/catalog"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
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
func fetching(t *testing.T, dir string, cfgs ...Config) *netBench {
	t.Helper()
	b := &bench{t: t, dir: dir, sets: make(chan *intel.Set, 100), states: make(chan State, 100)}
	var err error
	b.feeds, err = New(cfgs, Options{
		Dir: dir, OnRequest: true, Fetch: fetch.Options{RetryWait: time.Millisecond, Idle: 200 * time.Millisecond},
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

func ownList(p *publisher) Config {
	return Config{Name: "ours", Type: catalog.List, URL: p.URL + "/list.txt", Confidence: 60}
}

func TestFetch(t *testing.T) {
	dir := t.TempDir()
	p := publish(t, map[string]string{"/list.txt": "192.0.2.1\n"})
	b := fetching(t, dir, ownList(p))
	b.nextSet() // empty: nothing was ever fetched
	if s := b.feeds.States()[0]; s.Status != Pending || s.URL != p.URL+"/list.txt" || !s.FreshAt.IsZero() {
		t.Errorf("before: %+v", s)
	}
	b.updated(true)
	b.nextSet("1")
	b.nextState(OK, "1 indicators")

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

// TestBadAnswers: whatever comes, the last good version stays, on disk too, and
// is back in order with the next good one.
func TestBadAnswers(t *testing.T) {
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
		}, "ends before its end"},
		{"hangs", func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(good))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "nothing came for"},
		{"empty", text(""), "no indicators"},
		{"comments", text("# moved\n"), "no indicators"},
		{"prose", text("this list\nhas moved\nto another\nplace\n"), "does not look like a list"},
		{"half", text(long[:len(long)/3]), "more than 50% less is not believed"},
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
	if s := b.feeds.States()[0]; s.Errors != 10 || s.Unchanged != 1 {
		t.Errorf("counted %+v", s)
	}
}

func TestMaxShrink(t *testing.T) {
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

// TestRetryAfter: the server's wish holds, over a restart too.
func TestRetryAfter(t *testing.T) {
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
	b.failed("not asked: the server wants to be left alone until")
	b.stop()
	p.answer(nil)
	p.docs = map[string]string{"/list.txt": "192.0.2.1\n"}
	b = fetching(t, dir, ownList(p))
	b.failed("not asked: the server wants to be left alone until")
	if requests, _ := p.counts(); requests != 1 {
		t.Errorf("%d requests", requests)
	}
}

// TestLeast: whoever wants it, a publisher is not asked more often than it allows.
func TestLeast(t *testing.T) {
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
	p := publish(t, map[string]string{"/list.txt": "192.0.2.1\n", "/b.txt": "192.0.2.2\n"})
	var cfgs []Config
	for _, n := range []string{"list", "b"} {
		cfgs = append(cfgs, Config{Name: n, Type: catalog.List, URL: p.URL + "/" + n + ".txt", Every: time.Second})
	}
	b := &bench{t: t, sets: make(chan *intel.Set, 100), states: make(chan State, 100)}
	var err error
	b.feeds, err = New(cfgs, Options{
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
	b.nextState(OK, "1 indicators")
	b.nextState(OK, "1 indicators")
	p.answer(http.NotFound)
	b.nextState(Error, "404")
	b.nextState(Error, "404")
	p.answer(nil)
	p.set("/b.txt", "192.0.2.3\n")
	b.nextSet("1", "3")
	for range 2 {
		b.nextState(OK, "1 indicators")
	}
}

// TestStaleByTime: a feed grows stale while nothing answers.
func TestStaleByTime(t *testing.T) {
	dir := t.TempDir()
	p := publish(t, map[string]string{"/list.txt": "192.0.2.1\n"})
	b := fetching(t, dir, ownList(p))
	b.updated(true)
	b.stop()
	editState(t, dir, func(s *saved) { s.Fresh = time.Now().Add(-3*time.Hour + 2*time.Second) })
	b = fetching(t, dir, ownList(p))
	b.nextSet("1")
	b.nextState(OK, "1 indicators")
	p.answer(http.NotFound)
	b.failed("404")
	b.nextState(Error, "404")
	time.Sleep(2 * time.Second)
	b.failed("404")
	b.nextState(Stale, "404")
	b.failed("404")
	b.quiet()
	p.answer(nil)
	b.updated(false)
	b.nextState(OK, "1 indicators")
}

func TestPacked(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte("192.0.2.1\n"))
	_ = z.Close()
	p := publish(t, map[string]string{"/list.txt": packed.String()})
	b := fetching(t, t.TempDir(), ownList(p))
	b.nextSet()
	b.updated(true)
	b.nextSet("1")
}

// TestSeveralDocuments: one that fails costs itself.
func TestSeveralDocuments(t *testing.T) {
	dir := t.TempDir()
	p := publish(t, map[string]string{
		"/drop_v4.json": `{"cidr":"192.0.2.0/30","sblid":"SBL1","rir":"x"}` + "\n" + `{"type":"metadata","records":1}` + "\n",
		"/drop_v6.json": `{"cidr":"2001:db8::/32","sblid":"SBL2","rir":"x"}` + "\n" + `{"type":"metadata","records":1}` + "\n",
		"/asndrop.json": `{"asn":64496,"asname":"BAD"}` + "\n" + `{"type":"metadata","records":1}` + "\n",
	})
	cfg := Config{Name: "ours", Type: catalog.Spamhaus, URL: p.URL, Confidence: 90}
	b := fetching(t, dir, cfg)
	b.nextSet()
	b.updated(true)
	b.nextSet("0", "1", "2", "3")
	b.nextState(OK, "2 indicators; left out: 1 unsupported type")

	p.set("/drop_v4.json", `{"cidr":"192.0.2.4/30","sblid":"SBL1","rir":"x"}`+"\n"+`{"type":"metadata","records":1}`+"\n")
	p.set("/drop_v6.json", `{"cidr":"2001:db8::/32","sblid":"SBL2","rir":"x"}`+"\n"+`{"type":"metadata","records":9}`+"\n")
	if o := b.update(); !o.Changed || o.Err == nil || !strings.Contains(o.Err.Error(), "/drop_v6.json: list has 1 records where its metadata counts 9") {
		t.Errorf("one truncated: %+v", o)
	}
	b.nextSet("4", "5", "6", "7")
	b.nextState(Error, "the rest is used")
	b.stop()
	b = fetching(t, dir, cfg)
	b.nextSet("4", "5", "6", "7")
	if s := b.feeds.States()[0]; s.Indicators != 2 {
		t.Errorf("the other document is gone: %+v", s)
	}
}

// TestKeys follows a key into the request, and nowhere else.
func TestKeys(t *testing.T) {
	const key = "0123456789abcdef0123456789abcdef"
	dir := t.TempDir()
	file := filepath.Join(t.TempDir(), "key")
	p := publish(t, map[string]string{"/fox": `{"query_status":"no_result","data":"Your search did not yield any results"}`, "/" + key + "/list.txt": "192.0.2.1\n"})
	fox := Config{Name: "fox", Type: catalog.ThreatFox, URL: p.URL + "/fox", KeyFile: file}
	b := fetching(t, dir, fox)
	b.failed("does not exist")
	if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := b.update(); o.Err != nil {
		t.Errorf("with a header: %v", o.Err)
	}
	if got := p.header.Get("Auth-Key"); got != key {
		t.Errorf("the server got the key %q", got)
	}
	p.answer(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "no such key %s%s", r.Header.Get("Auth-Key"), r.URL)
	})
	b.failed("no such key <secret>")
	b.stop()

	p.answer(nil)
	b = fetching(t, dir, Config{Name: "list", Type: catalog.List, URL: p.URL + "/{key}/list.txt", KeyFile: file})
	b.updated(true)
	p.answer(http.NotFound)
	b.failed("404")
	state, _ := json.Marshal(b.feeds.States())
	if strings.Contains(string(state), key) || !strings.Contains(string(state), `/{key}/list.txt`) {
		t.Errorf("states: %s", state)
	}
	b.stop()
	if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if content, readErr := os.ReadFile(path); readErr == nil && bytes.Contains(content, []byte(key)) {
			t.Errorf("%s holds the key", path)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	b = fetching(t, dir, Config{Name: "none", Type: catalog.ThreatFox})
	b.failed("needs a key: see https://auth.abuse.ch/ and set api_key_file")
}

// TestDamagedCopy: what is broken on disk is fetched anew, whole.
func TestDamagedCopy(t *testing.T) {
	for name, damage := range map[string]func(folder string) error{
		"copy":  func(folder string) error { return os.WriteFile(folder+"/document-0", []byte("\x00\x01"), 0o600) },
		"gone":  func(folder string) error { return os.Remove(folder + "/document-0") },
		"state": func(folder string) error { return os.WriteFile(folder+"/"+stateFile, []byte("{"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			p := publish(t, map[string]string{"/list.txt": "192.0.2.1\n"})
			b := fetching(t, dir, ownList(p))
			b.updated(true)
			b.stop()
			if err := damage(filepath.Join(dir, "ours")); err != nil {
				t.Fatal(err)
			}
			b = fetching(t, dir, ownList(p))
			b.nextSet()
			b.updated(true)
			b.nextSet("1")
		})
	}
}

// TestOtherPlace: an address that changed is asked from scratch, and what came from
// the old one stays until the new one answers.
func TestOtherPlace(t *testing.T) {
	dir := t.TempDir()
	p := publish(t, map[string]string{"/list.txt": "192.0.2.1\n", "/other.txt": "192.0.2.2\n"})
	cfg := ownList(p)
	b := fetching(t, dir, cfg)
	b.updated(true)
	b.stop()
	cfg.URL = p.URL + "/other.txt"
	b = fetching(t, dir, cfg)
	b.nextSet("1")
	b.updated(true)
	b.nextSet("2")
	if p.header.Get("If-None-Match") != "" {
		t.Error("the other place was asked whether the first one's copy has changed")
	}
}

func TestProgress(t *testing.T) {
	p := publish(t, map[string]string{"/list.txt": strings.Repeat("192.0.2.1\n", 100_000)})
	b := fetching(t, t.TempDir(), ownList(p))
	var last Progress
	if _, err := b.feeds.Update(t.Context(), []string{"ours"}, func(p Progress) { last = p }); err != nil {
		t.Fatal(err)
	}
	if (last != Progress{Feed: "ours", Done: 1_000_000, Total: 1_000_000}) {
		t.Errorf("the last progress was %+v", last)
	}
}

// TestFolder reads and follows a folder of lists.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	b := &bench{t: t, dir: dir, sets: make(chan *intel.Set, 100), states: make(chan State, 100)}
	b.write("a.txt", "192.0.2.1\n10.0.0.1\n")
	b.write("b.txt", "192.0.2.2\n10.0.0.2\n")
	b.write(".hidden", "192.0.2.9\n")
	b.write("b.txt~", "192.0.2.9\n")
	var err error
	b.feeds, err = New([]Config{{Name: "ours", Type: catalog.List, Path: dir}}, Options{
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
	b.nextSet("1", "2")
	b.nextState(OK, "2 indicators; left out: 2 special-use network")
	b.write("c.txt", "192.0.2.3\n")
	b.nextSet("1", "2", "3")
	b.nextState(OK, "3 indicators")
	b.write("c.txt", "<html>")
	b.nextState(Stale, "c.txt: looks like a web page")
	if err := os.Remove(b.path("c.txt")); err != nil {
		t.Fatal(err)
	}
	b.nextSet("1", "2")
	b.nextState(OK, "2 indicators")
	if out, err := b.feeds.Update(t.Context(), []string{"ours"}, nil); err == nil {
		t.Errorf("an update of a folder: %v", out)
	}
}

// TestFolderHalfBad: at the start, the good files of a folder are better than none.
func TestFolderHalfBad(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.txt": "192.0.2.1\n", "b.txt": "<html>"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var set *intel.Set
	f, err := New([]Config{{Name: "ours", Type: catalog.List, Path: dir}}, Options{OnSwap: func(s *intel.Set, _ time.Duration) { set = s }})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "b.txt: looks like a web page") {
		t.Errorf("Load: %v", err)
	}
	if len(set.Lookup(netip.MustParseAddr("192.0.2.1"), time.Now())) != 1 {
		t.Error("the good file is not used")
	}
	if s := f.States()[0]; s.Status != Stale || s.Drops[ingest.Allowed].Count != 0 {
		t.Errorf("state %+v", s)
	}
}
