package misp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "a-secret-0123456789"

// fakeFeed is a MISP feed: static files behind an entity tag.
type fakeFeed struct {
	*httptest.Server
	events map[string]int // by uuid: the timestamp, and the last byte of the address
	extra  map[string]any // more of the manifest
	asked  []string
	answer func(w http.ResponseWriter, r *http.Request) bool // may answer instead
}

func newFeed(t *testing.T) *fakeFeed {
	f := &fakeFeed{events: make(map[string]int)}
	f.Server = httptest.NewServer(http.HandlerFunc(f.handle))
	t.Cleanup(f.Close)
	return f
}

func uuid(n int) string { return fmt.Sprintf("5a000000-0000-4000-8000-%012d", n) }

func (f *fakeFeed) handle(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/feed/")
	f.asked = append(f.asked, name)
	if r.Header.Get("Authorization") != password {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if f.answer != nil && f.answer(w, r) {
		return
	}
	if name == manifestFile {
		manifest := map[string]any{}
		for uuid, timestamp := range f.events {
			manifest[uuid] = map[string]any{"info": "x", "timestamp": strconv.Itoa(timestamp), "Orgc": map[string]string{"name": "o"}}
		}
		for key, value := range f.extra {
			manifest[key] = value
		}
		b, _ := json.Marshal(manifest) // sorted
		tag := fmt.Sprintf("%q", fmt.Sprintf("%x", b))
		if len(tag) > 900 {
			tag = tag[len(tag)-900:]
		}
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", tag)
		_, _ = w.Write(b)
		return
	}
	timestamp, ok := f.events[strings.TrimSuffix(name, ".json")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	fmt.Fprint(w, event1(strings.TrimSuffix(name, ".json"), timestamp))
}

func event1(uuid string, n int) string {
	return fmt.Sprintf(`{"Event":{"uuid":%q,"info":"event","Attribute":[{"type":"ip-dst","value":"198.51.100.%d","to_ids":true}]}}`, uuid, n%256)
}

// copyOf is a copy on disk of what a feed has.
type copyOf struct {
	t    *testing.T
	feed *fakeFeed
	dir  string
	o    SyncOptions
}

func newCopy(t *testing.T) *copyOf {
	f := newFeed(t)
	return &copyOf{t: t, feed: f, dir: filepath.Join(t.TempDir(), "misp"), o: SyncOptions{URL: f.URL + "/feed", Secret: http.Header{"Authorization": {password}}}}
}

func (c *copyOf) sync() (changed bool, asked []string, err error) {
	c.t.Helper()
	client := fetch.New(fetch.Options{Retries: -1})
	defer client.Close()
	c.feed.asked = nil
	changed, err = Sync(c.t.Context(), client, c.dir, c.o)
	if err != nil && strings.Contains(err.Error(), password) {
		c.t.Errorf("the password stands in the error: %v", err)
	}
	return changed, c.feed.asked, err
}

func (c *copyOf) good() (changed bool, asked []string) {
	c.t.Helper()
	changed, asked, err := c.sync()
	if err != nil {
		c.t.Fatal(err)
	}
	return changed, asked
}

// expect compares the last bytes of the copy's addresses.
func (c *copyOf) expect(want ...int) {
	c.t.Helper()
	var got, text []string
	_, err := Format{}.ParseDir(c.dir, ingest.Options{Template: template}, keeper(&got))
	for _, n := range want {
		text = append(text, fmt.Sprintf("198.51.100.%d/32 malware 60 01-01", n))
	}
	if err != nil || !slices.Equal(got, text) {
		c.t.Errorf("the copy holds %q, want %q (%v)", got, text, err)
	}
}

func TestSync(t *testing.T) {
	t.Parallel()
	c := newCopy(t)
	c.feed.events = map[string]int{uuid(1): 1, uuid(2): 2, uuid(3): 3}
	c.feed.extra = map[string]any{"../../etc/passwd": map[string]any{}, "x": 7, strings.ToUpper(uuid(9)) + "/..": nil}
	var progress []string
	c.o.Progress = func(done, total int) { progress = append(progress, fmt.Sprint(done, "/", total)) }
	if changed, asked := c.good(); !changed || len(asked) != 4 || fmt.Sprint(progress) != "[1/3 2/3 3/3]" {
		t.Errorf("changed %v, asked %q, %v", changed, asked, progress)
	}
	c.expect(1, 2, 3)

	if changed, asked := c.good(); changed || len(asked) != 1 {
		t.Errorf("changed %v, asked %q", changed, asked)
	}

	// Timestamps decide, and what the manifest has no more goes.
	c.feed.events = map[string]int{uuid(1): 1, uuid(2): 20, uuid(4): 4}
	if changed, asked := c.good(); !changed || !slices.Equal(asked, []string{manifestFile, uuid(2) + ".json", uuid(4) + ".json"}) {
		t.Errorf("changed %v, asked %q", changed, asked)
	}
	c.expect(1, 20, 4)
	if files, _ := filepath.Glob(filepath.Join(c.dir, "*")); len(files) != 3+2 {
		t.Errorf("files %q", files)
	}

	// The manifest may be named itself.
	c.o.URL += "/" + manifestFile
	if _, asked := c.good(); len(asked) != 1 {
		t.Errorf("asked %q", asked)
	}
}

// An event that cannot be had stays as it was, and the others come.
func TestSyncBadEvent(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(w http.ResponseWriter){
		"gone":          func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) },
		"504 with HTML": func(w http.ResponseWriter) { w.WriteHeader(http.StatusGatewayTimeout); fmt.Fprint(w, "<html>") },
		"a web page":    func(w http.ResponseWriter) { fmt.Fprint(w, "<html>") },
		"cut": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "900")
			fmt.Fprint(w, event1(uuid(2), 77))
		},
		"half":          func(w http.ResponseWriter) { fmt.Fprint(w, event1(uuid(2), 77)[:80]) },
		"another event": func(w http.ResponseWriter) { fmt.Fprint(w, event1(uuid(3), 77)) },
		"two events":    func(w http.ResponseWriter) { fmt.Fprint(w, event1(uuid(2), 77)+event1(uuid(2), 78)) },
		"too deep":      func(w http.ResponseWriter) { fmt.Fprint(w, strings.Repeat("[", 200_000)) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCopy(t)
			c.feed.events = map[string]int{uuid(1): 1, uuid(2): 2}
			c.good()
			c.feed.events = map[string]int{uuid(1): 1, uuid(2): 22, uuid(3): 3}
			c.feed.answer = func(w http.ResponseWriter, r *http.Request) bool {
				if strings.HasSuffix(r.URL.Path, uuid(2)+".json") {
					harm(w)
					return true
				}
				return false
			}
			if changed, _, err := c.sync(); !changed || err == nil {
				t.Errorf("changed %v, %v", changed, err)
			}
			c.expect(1, 2, 3)
			c.feed.answer = nil
			if changed, asked := c.good(); !changed || len(asked) != 2 {
				t.Errorf("changed %v, asked %q", changed, asked)
			}
			c.expect(1, 22, 3)
		})
	}
}

// A feed that is broken as a whole leaves the copy as it was.
func TestSyncBadManifest(t *testing.T) {
	t.Parallel()
	c := newCopy(t)
	c.feed.events = map[string]int{uuid(1): 1}
	c.good()
	for name, tt := range map[string]struct {
		body string
		want error
	}{
		"empty":      {"{}", nil},
		"half":       {`{"` + uuid(1) + `": {"timesta`, io.ErrUnexpectedEOF},
		"null":       {"null", ErrNoEvents},
		"an array":   {"[]", ErrNoEvents},
		"no uuids":   {`{"../x": {}}`, ErrNoEvents},
		"a web page": {"<html>", fetch.ErrHTML},
		"endless":    {`{"x": "` + strings.Repeat("x", maxManifest), fetch.ErrTooLarge},
	} {
		c.feed.answer = func(w http.ResponseWriter, _ *http.Request) bool { fmt.Fprint(w, tt.body); return true }
		changed, _, err := c.sync()
		if changed || err == nil || tt.want != nil && !errors.Is(err, tt.want) && !strings.Contains(err.Error(), "longer than") {
			t.Errorf("%s: changed %v, %v", name, changed, err)
		}
		c.expect(1)
	}
	c.feed.answer = nil
	c.o.Secret = http.Header{"Authorization": {"wrong-0123456789"}}
	var status *fetch.StatusError
	if _, _, err := c.sync(); !errors.As(err, &status) || status.Code != http.StatusForbidden {
		t.Errorf("%v", err)
	}
}

// A server that has gone away is not asked for each of a thousand events.
func TestSyncGivesUp(t *testing.T) {
	t.Parallel()
	c := newCopy(t)
	for n := range 100 {
		c.feed.events[uuid(n)] = n + 1
	}
	c.feed.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, manifestFile) || r.URL.Path < "/feed/"+uuid(10) {
			return false
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	if _, asked, err := c.sync(); err == nil || !strings.Contains(err.Error(), "5 of 100 events") || len(asked) != 1+10+maxFailures {
		t.Errorf("asked %d times, %v", len(asked), err)
	}
	c.expect(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
}

func TestSyncDamage(t *testing.T) {
	t.Parallel()
	c := newCopy(t)
	c.feed.events = map[string]int{uuid(1): 1, uuid(2): 2}
	c.good()
	files, err := filepath.Glob(filepath.Join(c.dir, "*"))
	if err != nil || len(files) != 4 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if err := os.WriteFile(file, []byte("\x00garbage"), 0o600); err != nil {
			t.Fatal(err)
		}
		c.good()
		c.expect(1, 2)
	}
	// The copy of another feed is not this one's.
	other := newFeed(t)
	other.events = map[string]int{uuid(1): 1}
	c.feed, c.o.URL = other, other.URL+"/feed"
	if _, asked := c.good(); len(asked) != 2 {
		t.Errorf("asked %q", asked)
	}
	c.expect(1)
}
