package taxii

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

const (
	collectionA = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"
	collectionB = "52892447-4d7e-4f70-b94d-d7f22742ff63"
	password    = "a-secret-0123456789"
)

// fakeTAXII is a TAXII 2.1 server with two collections, as strict as the
// standard: it wants the media type and credentials, pages by tokens that hold for
// the same query only, and gives the moments of adding in headers.
type fakeTAXII struct {
	*httptest.Server
	t       *testing.T
	objects map[string][]added1 // by collection, in the order of adding
	asked   []string
	noNext  bool
	answer  func(w http.ResponseWriter, r *http.Request) bool // may answer instead
	roots   []string
}

type added1 struct {
	at     time.Time
	object map[string]any
}

func newTAXII(t *testing.T) *fakeTAXII {
	f := &fakeTAXII{t: t, objects: make(map[string][]added1), roots: []string{"/api1/"}}
	f.Server = httptest.NewServer(http.HandlerFunc(f.handle))
	t.Cleanup(f.Close)
	return f
}

// add adds indicator n to a collection, so many minutes after the beginning of time.
func (f *fakeTAXII) add(collection string, minute, n int, pattern string) map[string]any {
	o := map[string]any{"type": "indicator", "spec_version": "2.1", "id": fmt.Sprintf("indicator--5a000000-0000-4000-8000-%012d", n),
		"pattern": pattern, "pattern_type": "stix", "valid_from": "2026-01-01T00:00:00Z", "modified": "2026-06-01T00:00:00.000Z"}
	f.objects[collection] = append(f.objects[collection], added1{now.Add(time.Duration(minute) * time.Minute), o})
	return o
}

func address(n int) string { return fmt.Sprintf("[ipv4-addr:value = '198.51.100.%d']", n) }

func (f *fakeTAXII) handle(w http.ResponseWriter, r *http.Request) {
	f.asked = append(f.asked, r.URL.RequestURI())
	if user, pass, _ := r.BasicAuth(); user != "user" || pass != password {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"title": "Unauthorized", "http_status": "401"}`)
		return
	}
	if r.Header.Get("Accept") != MediaType {
		w.WriteHeader(http.StatusNotAcceptable)
		return
	}
	w.Header().Set("Content-Type", MediaType)
	if f.answer != nil && f.answer(w, r) {
		return
	}
	send := func(v any) {
		if err := json.NewEncoder(w).Encode(v); err != nil {
			f.t.Log(err) // the client has gone
		}
	}
	describe := func(id, title string, read bool) map[string]any {
		return map[string]any{"id": id, "title": title, "alias": "the-" + title, "can_read": read, "can_write": false, "media_types": []string{"application/stix+json;version=2.1"}}
	}
	switch p := r.URL.Path; {
	case p == "/taxii2/":
		send(map[string]any{"title": "Test", "api_roots": f.roots})
	case p == "/api1/":
		send(map[string]any{"title": "General", "versions": []string{MediaType}, "max_content_length": 9765625})
	case p == "/api1/collections/":
		send(map[string]any{"collections": []any{describe(collectionA, "A", true), describe(collectionB, "B", true), describe("4d7e0000", "locked", false), describe("../x", "odd", true)}})
	case p == "/api1/collections/"+collectionA+"/":
		send(describe(collectionA, "A", true))
	case strings.HasSuffix(p, "/objects/"):
		f.page(w, r, strings.Split(p, "/")[3], send)
	default:
		http.NotFound(w, r)
	}
}

func (f *fakeTAXII) page(w http.ResponseWriter, r *http.Request, collection string, send func(any)) {
	q := r.URL.Query()
	after := ingest.When(q.Get("added_after"))
	var found []added1
	for _, o := range f.objects[collection] {
		if o.at.After(after) && (q.Get("match[type]") == "" || q.Get("match[type]") == o.object["type"]) {
			found = append(found, o)
		}
	}
	limit, _ := strconv.Atoi(q.Get("limit"))
	token, from, _ := strings.Cut(q.Get("next"), "/")
	query := q.Get("added_after") + q.Get("limit") + q.Get("match[type]")
	if token != "" && token != query {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	start, _ := strconv.Atoi(cmp.Or(from, "0"))
	if start >= len(found) {
		send(map[string]any{})
		return
	}
	end := min(start+limit, len(found))
	const precise = "2006-01-02T15:04:05.000000Z"
	w.Header().Set("X-TAXII-Date-Added-First", found[start].at.Format(precise))
	w.Header().Set("X-TAXII-Date-Added-Last", found[end-1].at.Format(precise))
	envelope := map[string]any{}
	if end < len(found) {
		envelope["more"] = true
		if !f.noNext {
			envelope["next"] = query + "/" + strconv.Itoa(end)
		}
	}
	var objects []any
	for _, o := range found[start:end] {
		objects = append(objects, o.object)
	}
	envelope["objects"] = objects
	send(envelope)
}

// copyOf is a copy on disk of what a server has.
type copyOf struct {
	t   *testing.T
	dir string
	o   SyncOptions
}

func (c *copyOf) sync() (changed bool, err error) {
	c.t.Helper()
	client := fetch.New(fetch.Options{Retries: -1, Header: 5 * time.Second})
	defer client.Close()
	changed, err = Sync(c.t.Context(), client, c.dir, c.o)
	if err != nil && strings.Contains(err.Error(), password) {
		c.t.Errorf("the password stands in the error: %v", err)
	}
	return changed, err
}

func (c *copyOf) good() (changed bool) {
	c.t.Helper()
	changed, err := c.sync()
	if err != nil {
		c.t.Fatal(err)
	}
	return changed
}

// expect compares what the copy names, in any order.
func (c *copyOf) expect(want ...string) {
	c.t.Helper()
	var got []string
	_, err := Format{}.ParseDir(c.dir, ingest.Options{Now: c.o.Now}, func(i *intel.Indicator) ingest.Reason {
		got = append(got, what(*i))
		return ""
	})
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		c.t.Errorf("the copy holds %v, want %v (%v)", got, want, err)
	}
}

func newCopy(t *testing.T, url string) *copyOf {
	return &copyOf{t: t, dir: filepath.Join(t.TempDir(), "taxii"), o: SyncOptions{URL: url, Secret: Basic("user", password), Now: now, PageSize: 2}}
}

func TestSync(t *testing.T) {
	t.Parallel()
	f := newTAXII(t)
	for n := range 5 {
		f.add(collectionA, n, n, address(n))
	}
	f.add(collectionA, 6, 90, address(90))["type"] = "malware"
	f.add(collectionB, 1, 10, address(10))
	c := newCopy(t, f.URL+"/taxii2")
	if !c.good() {
		t.Error("nothing changed")
	}
	c.expect("198.51.100.0/32", "198.51.100.1/32", "198.51.100.2/32", "198.51.100.3/32", "198.51.100.4/32", "198.51.100.10/32")
	if len(f.asked) != 2+3+1 {
		t.Errorf("asked %q", f.asked)
	}

	f.asked = nil
	if c.good() || len(f.asked) != 4 {
		t.Errorf("something changed: %q", f.asked)
	}

	f.asked = nil
	f.add(collectionB, 2, 11, address(11))
	f.add(collectionA, 9, 3, address(33)) // a new version
	f.add(collectionA, 9, 4, address(4))["revoked"] = true
	if !c.good() || len(f.asked) != 4 {
		t.Errorf("asked %q", f.asked)
	}
	c.expect("198.51.100.0/32", "198.51.100.1/32", "198.51.100.2/32", "198.51.100.33/32", "198.51.100.10/32", "198.51.100.11/32")

	// What the server has deleted goes within a week.
	f.objects[collectionA] = f.objects[collectionA][:2]
	c.o.Now = now.Add(fullEvery)
	c.good()
	c.expect("198.51.100.0/32", "198.51.100.1/32", "198.51.100.10/32", "198.51.100.11/32")

	// Another choice of collections needs all anew.
	c.o.Collections = []string{"The-A"}
	c.good()
	c.expect("198.51.100.0/32", "198.51.100.1/32")
}

// The URL may be that of the discovery, an API root, its collections, or one collection.
func TestSyncFindsCollections(t *testing.T) {
	t.Parallel()
	f := newTAXII(t)
	f.add(collectionA, 1, 1, address(1))
	f.add(collectionB, 1, 2, address(2))
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another host was asked for %s with %q", r.URL, r.Header.Get("Authorization"))
	}))
	defer other.Close()
	both, a := []string{"198.51.100.1/32", "198.51.100.2/32"}, []string{"198.51.100.1/32"}
	for _, tt := range []struct {
		path        string
		collections []string
		roots       []string
		want        []string
		fails       string
	}{
		{"/taxii2/", nil, []string{"/api1/"}, both, ""},
		{"/taxii2", nil, []string{"../api1", other.URL + "/api1/"}, both, ""},
		{"/taxii2/", nil, []string{f.URL + "/api1"}, both, ""},
		{"/api1", nil, nil, both, ""},
		{"/api1/", []string{"a"}, nil, a, ""},
		{"/api1/", []string{collectionA}, nil, a, ""},
		{"/api1/collections/", []string{"the-B", "A"}, nil, both, ""},
		{"/api1/collections/" + collectionA, nil, nil, a, ""},
		{"/taxii2/", nil, []string{other.URL + "/api1/"}, nil, "credentials are for"},
		{"/taxii2/", nil, []string{"/none/"}, nil, "404"},
		{"/taxii2/", nil, []string{}, nil, "names no API root"},
		{"/api1/", []string{"locked"}, nil, nil, "it has 2 others: A (" + collectionA + "), B ("},
		{"/api1/", []string{"../x"}, nil, nil, "none of the wanted collections"},
		{"/none/", nil, nil, nil, "404"},
	} {
		f.roots = tt.roots
		c := newCopy(t, f.URL+tt.path)
		c.o.Collections = tt.collections
		_, err := c.sync()
		if tt.fails != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("%s %q: %v", tt.path, tt.collections, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %q: %v", tt.path, tt.collections, err)
			continue
		}
		c.expect(tt.want...)
	}
	c := newCopy(t, f.URL+"/api1/")
	c.o.Secret = Basic("user", "wrong-password")
	var status *fetch.StatusError
	if _, err := c.sync(); !errors.As(err, &status) || status.Code != http.StatusUnauthorized || !strings.Contains(err.Error(), "check the key") {
		t.Errorf("%v", err)
	}
}

// What fails on a page leaves what came, and the next sync does not ask for all of it again.
func TestSyncGoesOn(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(w http.ResponseWriter){
		"503": func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
		"429": func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusTooManyRequests)
		},
		"cut": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "999")
			fmt.Fprint(w, `{"objects":[{"ty`)
		},
		"half": func(w http.ResponseWriter) { fmt.Fprint(w, `{"objects":[{"ty`) },
		"HTML": func(w http.ResponseWriter) { fmt.Fprint(w, `<html>`) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newTAXII(t)
			var want []string
			for n := range 9 {
				f.add(collectionA, n/2, n, address(n)) // two of a moment
				want = append(want, fmt.Sprintf("198.51.100.%d/32", n))
			}
			c := newCopy(t, f.URL+"/api1/")
			c.o.Collections, c.o.PageSize = []string{"A"}, 3
			pages := 0
			f.answer = func(w http.ResponseWriter, r *http.Request) bool {
				if strings.HasSuffix(r.URL.Path, "/objects/") {
					if pages++; pages == 3 {
						harm(w)
						return true
					}
				}
				return false
			}
			if changed, err := c.sync(); !changed || err == nil {
				t.Errorf("changed %v, %v", changed, err)
			}
			c.expect(want[:6]...)
			f.answer, f.asked = nil, nil
			if !c.good() || !strings.Contains(f.asked[2], "added_after") {
				t.Errorf("asked %q", f.asked)
			}
			c.expect(want...)
		})
	}
}

// A collection that cannot be had does not keep the others from coming.
func TestSyncOneCollectionFails(t *testing.T) {
	t.Parallel()
	f := newTAXII(t)
	f.add(collectionA, 1, 1, address(1))
	f.add(collectionB, 1, 2, address(2))
	f.answer = func(w http.ResponseWriter, r *http.Request) bool {
		forbidden := strings.Contains(r.URL.Path, collectionA+"/objects")
		if forbidden {
			w.WriteHeader(http.StatusForbidden)
		}
		return forbidden
	}
	c := newCopy(t, f.URL+"/api1/")
	if changed, err := c.sync(); !changed || err == nil {
		t.Errorf("changed %v, %v", changed, err)
	}
	c.expect("198.51.100.2/32")
	f.add(collectionB, 2, 3, address(3))
	if changed, err := c.sync(); !changed || err == nil {
		t.Errorf("changed %v, %v", changed, err)
	}
	c.expect("198.51.100.2/32", "198.51.100.3/32")
	f.answer = nil
	c.good()
	c.expect("198.51.100.1/32", "198.51.100.2/32", "198.51.100.3/32")
}

// Servers that give no token are asked for what was added after the last object.
func TestSyncWithoutNext(t *testing.T) {
	t.Parallel()
	f := newTAXII(t)
	f.noNext = true
	var want []string
	for n := range 7 {
		f.add(collectionA, n, n, address(n))
		want = append(want, fmt.Sprintf("198.51.100.%d/32", n))
	}
	c := newCopy(t, f.URL+"/api1/")
	c.good()
	c.expect(want...)
}

// A server that goes round in circles does not keep us.
func TestSyncEndless(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"empty pages": `{"more":true,"next":"1"}`,
		"one page":    `{"more":true,"next":"1","objects":[{"type":"indicator","id":"indicator--5a000000-0000-4000-8000-000000000001","pattern":"[ipv4-addr:value = '192.0.2.1']"}]}`,
		"no token":    `{"more":true,"objects":[{"type":"indicator","id":"indicator--5a000000-0000-4000-8000-000000000001"}]}`,
	} {
		f := newTAXII(t)
		f.answer = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/objects/") {
				return false
			}
			fmt.Fprint(w, body)
			return true
		}
		c := newCopy(t, f.URL+"/api1/")
		if _, err := c.sync(); err == nil || !strings.Contains(err.Error(), "that more follows") || len(f.asked) > 2+2*2 {
			t.Errorf("%s: asked %d times, %v", name, len(f.asked), err)
		}
	}
}

// A token or time that the server does not take any more does not hold the feed up for ever.
func TestSyncStartsAfresh(t *testing.T) {
	t.Parallel()
	f := newTAXII(t)
	f.add(collectionA, 1, 1, address(1))
	c := newCopy(t, f.URL+"/api1/")
	c.good()
	f.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("added_after") == "" {
			return false
		}
		w.WriteHeader(http.StatusBadRequest)
		return true
	}
	f.add(collectionA, 2, 2, address(2))
	if _, err := c.sync(); err == nil {
		t.Error("no error")
	}
	c.good()
	c.expect("198.51.100.1/32", "198.51.100.2/32")
}

func TestSyncDamage(t *testing.T) {
	t.Parallel()
	f := newTAXII(t)
	f.add(collectionA, 1, 1, address(1))
	c := newCopy(t, f.URL+"/api1/")
	c.good()
	files, err := filepath.Glob(filepath.Join(c.dir, "*"))
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if err := os.WriteFile(file, []byte("\x00garbage"), 0o600); err != nil {
			t.Fatal(err)
		}
		c.good()
		c.expect("198.51.100.1/32")
	}
}

func TestSyncEmpty(t *testing.T) {
	t.Parallel()
	f := newTAXII(t)
	c := newCopy(t, f.URL+"/api1/")
	if c.good() {
		t.Error("something changed")
	}
	c.expect()
	f.add(collectionB, 1, 1, address(1))
	c.good()
	c.expect("198.51.100.1/32")
}

func TestSyncOddObjects(t *testing.T) {
	t.Parallel()
	f := newTAXII(t)
	f.add(collectionA, 1, 1, address(1))["id"] = `indicator--"},{"id":"x`
	f.add(collectionA, 1, 2, address(2))["name"] = "a\x1b[31m\nb"
	f.add(collectionA, 1, 3, address(3))["labels"] = json.RawMessage(strings.Repeat("[", 9000) + strings.Repeat("]", 9000))
	f.add(collectionA, 1, 4, "[file:hashes.MD5 = 'x']")
	c := newCopy(t, f.URL+"/api1/")
	c.o.PageSize = 10
	c.good()
	c.expect("198.51.100.2/32", "198.51.100.3/32")
}

// A filter leaves pages behind that hold nothing and yet say where more is. A later
// version that comes before an earlier one stays.
func TestSyncEmptyPages(t *testing.T) {
	t.Parallel()
	pages := []string{
		`{"more":true,"next":"1"}`, `{"more":true,"next":"2","objects":[]}`,
		`{"more":true,"next":"3","objects":[{"type":"indicator","id":"indicator--5a000000-0000-4000-8000-000000000001","modified":"2026-01-02T00:00:00Z","pattern":"[ipv4-addr:value = '192.0.2.2']"}]}`,
		`{"more":true,"next":"4","objects":[]}`,
		`{"more":false,"objects":[{"type":"indicator","id":"indicator--5a000000-0000-4000-8000-000000000001","modified":"2026-01-01T00:00:00Z","pattern":"[ipv4-addr:value = '192.0.2.1']"}]}`,
	}
	f := newTAXII(t)
	f.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/objects/") {
			return false
		}
		n, _ := strconv.Atoi(r.URL.Query().Get("next"))
		fmt.Fprint(w, pages[n])
		return true
	}
	c := newCopy(t, f.URL+"/api1/")
	c.o.Collections = []string{"A"}
	c.good()
	c.expect("192.0.2.2/32")
}
