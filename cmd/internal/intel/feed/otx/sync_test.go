package otx

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// copyOf is a copy on disk of what a fake OTX has.

type copyOf struct {
	t   *testing.T
	otx *fakeOTX
	dir string
	o   SyncOptions
	net fetch.Options
}

func newCopy(t *testing.T) *copyOf {
	t.Helper()
	f := newOTX(t)
	return &copyOf{t: t, otx: f, dir: filepath.Join(t.TempDir(), "otx"), o: SyncOptions{URL: f.URL, Key: testKey, Now: now}, net: fetch.Options{Retries: -1}}
}

// sync syncs and returns what was asked and given.

func (c *copyOf) sync() (changed bool, asked, served []string, err error) {
	c.t.Helper()
	changed, err = Sync(c.t.Context(), clientOf(c.t, c.net), c.dir, c.o)
	asked, served = c.otx.requests()
	if err != nil && strings.Contains(err.Error(), testKey) {
		c.t.Errorf("the key stands in the error: %v", err)
	}
	return changed, asked, served, err
}

// good syncs, which must succeed.

func (c *copyOf) good() (changed bool, asked, served []string) {
	c.t.Helper()
	changed, asked, served, err := c.sync()
	if err != nil {
		c.t.Fatal(err)
	}
	return changed, asked, served
}

// expect compares the addresses of the copy, in any order.

func (c *copyOf) expect(want ...string) {
	c.t.Helper()
	var got []string
	_, err := Format{Choice: c.o.Choice}.ParseDir(c.dir, ingest.Options{Now: now}, func(i *intel.Indicator) ingest.Reason {
		got = append(got, i.Prefix.Addr().String())
		return ""
	})
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		c.t.Errorf("the copy holds %v, want %v (%v)", got, want, err)
	}
}

// addr makes an address of a number.

func addr(n int) string { return fmt.Sprintf("198.51.%d.%d", n/256, n%256) }

func TestSyncFetchesWhatChanged(t *testing.T) {
	t.Parallel()
	c := newCopy(t)
	for n := range 7 {
		c.otx.put(n, time.Duration(n+1)*24*time.Hour, addr(n))
	}
	c.o.PageSize = 3
	if _, err := (Format{}).ParseDir(c.dir, ingest.Options{}, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a copy: %v", err)
	}
	var progress []string
	c.o.Progress = func(done, total int) { progress = append(progress, fmt.Sprint(done, "/", total)) }
	changed, asked, served := c.good()
	if !changed || len(asked) != 3 || len(served) != 7 || fmt.Sprint(progress) != "[3/7 6/7 7/7]" {
		t.Errorf("changed %v, asked %q, progress %v", changed, asked, progress)
	}
	c.expect(addr(0), addr(1), addr(2), addr(3), addr(4), addr(5), addr(6))

	// Nothing new: what the overlap brings again is no change.
	changed, asked, served = c.good()
	if changed || len(served) != 1 {
		t.Errorf("changed %v, asked %q, served %q", changed, asked, served)
	}

	// A pulse that comes again replaces the stored one; a new one is added.
	c.otx.clock = now.Add(time.Hour)
	c.otx.put(5, 0, addr(50))
	c.otx.put(8, time.Minute, addr(8))
	changed, _, served = c.good()
	if !changed || !slices.Equal(served, []string{id(5), id(8), id(0)}) {
		t.Errorf("changed %v, served %q", changed, served)
	}
	c.expect(addr(0), addr(1), addr(2), addr(3), addr(4), addr(50), addr(6), addr(8))
}

// What fails on a page leaves what came, and the next sync goes on there.

// A server that is too slow for big pages gives small ones.

func TestSyncKeepsTheKey(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another host was asked for %s with key %q", r.URL, r.Header.Get("X-OTX-API-KEY"))
	}))
	defer other.Close()
	c := newCopy(t)
	c.o.PageSize = 1
	c.otx.put(1, time.Hour, addr(1))
	c.otx.put(2, 2*time.Hour, addr(2))
	c.otx.next = other.URL
	if _, _, _, err := c.sync(); err == nil || !strings.Contains(err.Error(), "the key is for") {
		t.Errorf("a next page elsewhere: %v", err)
	}
	c.otx.answer = func(w http.ResponseWriter, _ string, _, _ int) bool {
		w.Header().Set("Location", other.URL)
		w.WriteHeader(http.StatusFound)
		return true
	}
	if _, _, _, err := c.sync(); !errors.Is(err, fetch.ErrRedirect) {
		t.Errorf("a redirect elsewhere: %v", err)
	}
	c.otx.answer = nil
	c.o.Key = "another-key-0123456789"
	if _, _, _, err := c.sync(); !errors.Is(err, ErrBadKey) || !strings.Contains(err.Error(), "403") || strings.Contains(err.Error(), c.o.Key) {
		t.Errorf("a bad key: %v", err)
	}
}

func TestSyncRefusesLinksThatDoNotLeadAhead(t *testing.T) {
	t.Parallel()
	c := newCopy(t)
	for _, next := range []string{"?page=1", "?page=0", "?page=-3", "?page=x", "?x=2", "?page=99999999999999999999", "http://%zz"} {
		c.otx.answer = func(w http.ResponseWriter, _ string, _, _ int) bool {
			fmt.Fprintf(w, `{"results":[],"count":9,"next":%q}`, next)
			return true
		}
		if _, asked, _, err := c.sync(); err == nil || len(asked) != 1 {
			t.Errorf("%s: asked %q, %v", next, asked, err)
		}
	}
}

func TestSyncDropsWhatIsNotSubscribed(t *testing.T) {
	t.Parallel()
	c := newCopy(t)
	for n := range 6 {
		c.otx.put(n, time.Duration(n+2)*24*time.Hour, addr(n))
	}
	c.otx.pulses[id(4)].author, c.otx.pulses[id(5)].author = "other", "other"
	c.good()

	c.otx.clock = now.Add(time.Hour)
	delete(c.otx.pulses, id(1))
	delete(c.otx.pulses, id(4))
	delete(c.otx.pulses, id(5))
	c.otx.event("delete", "pulse", id(1), time.Minute)
	c.otx.event("unsubscribe", "user", "other", time.Minute)
	c.otx.event("unsubscribe", "pulse", id(999), time.Minute)
	changed, asked, _ := c.good()
	if !changed || len(asked) != 2 {
		t.Errorf("changed %v, asked %q", changed, asked)
	}
	c.expect(addr(0), addr(2), addr(3))
	if changed, _, _ := c.good(); changed {
		t.Error("the same events again are a change")
	}

	// A subscription brings pulses that are older than the last sync.
	c.otx.clock = now.Add(2 * time.Hour)
	c.otx.put(7, 1000*time.Hour, addr(7)).author = "other"
	c.otx.event("subscribe", "user", "other", time.Second)
	if changed, _, _ := c.good(); !changed {
		t.Error("the subscription brought nothing")
	}
	c.expect(addr(0), addr(2), addr(3), addr(7))

	// Events that cannot be had do not keep pulses from coming.
	c.otx.put(8, time.Second, addr(8))
	c.otx.answer = func(w http.ResponseWriter, path string, _, _ int) bool {
		if strings.HasSuffix(path, "/events") {
			w.WriteHeader(http.StatusInternalServerError)
			return true
		}
		return false
	}
	if changed, _, _, err := c.sync(); !changed || err == nil || !strings.Contains(err.Error(), "events, page 1") {
		t.Errorf("changed %v, %v", changed, err)
	}
	c.expect(addr(0), addr(2), addr(3), addr(7), addr(8))
}

// Once a week everything is asked for, and what is gone goes.

func TestSyncFullOnceAWeek(t *testing.T) {
	t.Parallel()
	c := newCopy(t)
	c.otx.put(1, 20*24*time.Hour, addr(1))
	c.otx.put(2, 30*24*time.Hour, addr(2))
	c.good()
	delete(c.otx.pulses, id(2)) // without an event
	c.good()
	c.expect(addr(1), addr(2))
	c.o.Now = now.Add(fullEvery)
	c.good()
	c.expect(addr(1))
}

// Neither our clock nor that of a pulse's author may hide what is new.

func TestSyncClocks(t *testing.T) {
	t.Parallel()
	c := newCopy(t)
	c.otx.put(1, -1000*24*time.Hour, addr(1)) // from the future
	c.otx.put(2, time.Hour, addr(2))
	for _, jump := range []time.Duration{0, -10 * 365 * 24 * time.Hour, 10 * 365 * 24 * time.Hour, time.Hour} {
		c.o.Now = now.Add(jump)
		c.good()
		c.otx.clock = c.otx.clock.Add(time.Hour)
		n := 10 + c.otx.clock.Hour()
		c.otx.put(n, time.Minute, addr(n))
		if _, _, served := c.good(); !slices.Contains(served, id(n)) {
			t.Errorf("with the clock off by %s the new pulse did not come", jump)
		}
	}
}

// Indicators beyond those of the page are asked for.

func TestSyncMoreIndicators(t *testing.T) {
	t.Parallel()
	c := newCopy(t)
	var all []string
	for n := range 2500 {
		all = append(all, addr(n))
	}
	c.otx.put(1, time.Hour, all...).onPages = 2400
	c.otx.put(2, 2*time.Hour, "203.0.113.1")
	_, asked, _ := c.good()
	if len(asked) != 1+3 {
		t.Errorf("asked %q", asked)
	}
	c.expect(append(all, "203.0.113.1")...)

	// What OTX cannot find is left; what it refuses to give stops the sync there.
	c.otx.clock = now.Add(time.Hour)
	c.otx.put(1, 0, all...).onPages = 2400
	code := http.StatusNotFound
	c.otx.answer = func(w http.ResponseWriter, path string, _, _ int) bool {
		if strings.HasSuffix(path, "/indicators") {
			w.WriteHeader(code)
			return true
		}
		return false
	}
	c.good()
	c.expect(append(all[:100:100], "203.0.113.1")...)
	c.otx.put(1, 0, all...).onPages = 2400
	code = http.StatusInternalServerError
	if _, _, _, err := c.sync(); err == nil || !strings.Contains(err.Error(), "indicators of pulse "+id(1)) {
		t.Errorf("%v", err)
	}
}

// A page that is gone when a run comes back to it does not hold the feed up for ever.

func TestSyncDirtyPulses(t *testing.T) {
	t.Parallel()
	c := newCopy(t)
	c.otx.put(1, time.Hour, addr(1), "10.1.2.3", "not an address").name = "wave\x1b[31m\n\"3\"\u202e"
	c.otx.put(2, time.Hour, addr(2)).raw = strings.Repeat("[", 9_990) + strings.Repeat("]", 9_990)
	c.otx.put(3, time.Hour, addr(3)).id = "../../etc/passwd"
	c.good()
	var names []string
	drops, err := Format{}.ParseDir(c.dir, ingest.Options{Now: now}, func(i *intel.Indicator) ingest.Reason { names = append(names, i.Name); return "" })
	if err != nil || drops[ingest.SingleLabel].Count+drops[ingest.Unreadable].Count != 1 {
		t.Errorf("%v, %v", drops, err)
	}
	if !slices.Contains(names, `wave [31m "3"`) {
		t.Errorf("names %q", names)
	}
}

func TestSyncNothingSubscribed(t *testing.T) {
	t.Parallel()
	c := newCopy(t)
	c.good()
	c.expect()
	c.otx.clock = now.Add(time.Hour)
	c.otx.put(1, time.Minute, addr(1))
	if changed, asked, _ := c.good(); !changed || !strings.Contains(asked[len(asked)-1], "modified_since") {
		t.Errorf("changed %v, asked %q", changed, asked)
	}
	c.expect(addr(1))
}

// BenchmarkSync fetches 2,000 pulses of 100 indicators each into an empty copy

// and reads it: one operation is a first sync.

// BenchmarkSyncAgain is the sync after that, in which one pulse has changed.

// A stop in the middle is an interruption like any other.

// An answer of the network is read within bounds, and never leads back or away.

func FuzzPaged(f *testing.F) {
	for _, s := range []string{`{"results":[{"id":"x","indicators":[]}],"count":1,"next":"https://otx.example/?page=3"}`, `{"results":[{"action":"delete","object_id":"x"}],"next":null}`,
		`{"detail":"no"}`, `{"results":[{"indicator":"x","type":"IPv4"}],"next":"//evil.example/?page=9"}`} {
		f.Add(s, 0)
		f.Add(s, 1)
		f.Add(s, 2)
	}
	f.Fuzz(func(t *testing.T, text string, which int) {
		p := &paged{}
		switch uint(which) % 3 {
		case 0:
			p.each = func(*pulse) error { return nil }
		case 1:
			p.items = func(item) {}
		case 2:
			p.event = (&drops{pulses: map[string]bool{}, authors: map[string]bool{}}).take
		}
		next, err := p.read(strings.NewReader(text))
		if err != nil {
			return
		}
		if n, err := nextPage("https://otx.example", next, 2); err == nil && n != 0 && (n <= 2 || n > maxPages) {
			t.Fatalf("%q leads to page %d", next, n)
		}
	})
}
