package otx

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
)

const testKey = "0123456789abcdef-key"

// fakeOTX answers like OTX: pages of pulses, the newest first, with an absolute
// link to the next one; naive times; details instead of pulses when it refuses.
type fakeOTX struct {
	*httptest.Server
	t testing.TB

	mu     sync.Mutex
	pulses map[string]*fakePulse
	events []map[string]any
	asked  []string // "path?query", keys in order
	served []string // ids of pulses that were given
	// answer, when set, may answer in place of OTX; it reports whether it did.
	answer func(w http.ResponseWriter, path string, page, limit int) bool
	next   string // in place of the scheme and host of next links
	clock  time.Time
}

type fakePulse struct {
	id, name, author, tlp string
	modified              time.Time
	tags                  []string
	indicators            []string
	onPages               int // how many of indicators stand on pages of their own
	raw                   string
}

func newOTX(t testing.TB) *fakeOTX {
	f := &fakeOTX{t: t, pulses: make(map[string]*fakePulse), clock: now}
	f.Server = httptest.NewServer(http.HandlerFunc(f.handle))
	t.Cleanup(f.Close)
	return f
}

// id makes a pulse's id of a number.
func id(n int) string { return fmt.Sprintf("5f%022x", n) }

// put adds or replaces pulse n, modified so long before the clock.
func (f *fakeOTX) put(n int, ago time.Duration, indicators ...string) *fakePulse {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := &fakePulse{id: id(n), name: fmt.Sprint("pulse ", n), author: "author", tlp: "white", modified: f.clock.Add(-ago), indicators: indicators}
	f.pulses[p.id] = p
	return p
}

func (f *fakeOTX) event(action, kind, object string, ago time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, map[string]any{"action": action, "object_type": kind, "object_id": object,
		"created": stamp(f.clock.Add(-ago)), "id": id(900_000 + len(f.events))})
}

// requests returns what was asked since the last call, and the pulses given.
func (f *fakeOTX) requests() (asked, served []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked, served, f.asked, f.served = f.asked, f.served, nil, nil
	return asked, served
}

func (f *fakeOTX) handle(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Date", f.clock.Format(http.TimeFormat))
	q := r.URL.Query()
	f.asked = append(f.asked, r.URL.Path+"?"+q.Encode())
	if r.Header.Get("X-OTX-API-KEY") != testKey {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"detail": "Authentication required"}`)
		return
	}
	page, limit := number(q, "page", 1), number(q, "limit", 10)
	if f.answer != nil && f.answer(w, r.URL.Path, page, limit) {
		return
	}
	since, _ := time.Parse("2006-01-02T15:04:05.000000", cmp.Or(q.Get("modified_since"), q.Get("since"), "1970-01-01T00:00:00.000000"))
	results := []any{}
	switch path := strings.TrimPrefix(r.URL.Path, "/api/v1/pulses/"); {
	case path == "subscribed":
		results = f.subscribed(since)
	case path == "events":
		for _, e := range f.events {
			if at, _ := time.Parse("2006-01-02T15:04:05.000000", e["created"].(string)); !at.Before(since) {
				results = append(results, e)
			}
		}
	case f.pulses[strings.TrimSuffix(path, "/indicators")] != nil:
		for n, text := range f.pulses[strings.TrimSuffix(path, "/indicators")].indicators {
			results = append(results, map[string]any{"id": n, "indicator": text, "type": "IPv4", "title": nil, "content": ""})
		}
	default:
		http.NotFound(w, r)
		return
	}
	from := (page - 1) * limit
	if from > 0 && from >= len(results) {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"detail": "Invalid page."}`)
		return
	}
	to := min(from+limit, len(results))
	var next any
	if to < len(results) {
		q.Set("page", strconv.Itoa(page+1))
		next = cmp.Or(f.next, f.URL) + r.URL.Path + "?" + q.Encode()
	}
	results, count := results[from:to], len(results)
	for at := range results {
		if p, ok := results[at].(*fakePulse); ok {
			f.served = append(f.served, p.id)
			results[at] = p.document()
		}
	}
	body, err := json.Marshal(map[string]any{"results": results, "count": count, "previous": nil, "next": next, "t": 0})
	if err != nil {
		f.t.Error(err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}

func number(q url.Values, name string, otherwise int) int {
	if n, err := strconv.Atoi(q.Get(name)); err == nil {
		return n
	}
	return otherwise
}

func (f *fakeOTX) subscribed(since time.Time) (out []any) {
	var all []*fakePulse
	for _, p := range f.pulses {
		if !p.modified.Before(since) {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b *fakePulse) int { return cmp.Or(b.modified.Compare(a.modified), cmp.Compare(a.id, b.id)) })
	for _, p := range all {
		out = append(out, p)
	}
	return out
}

// document returns the pulse as OTX gives it.
func (p *fakePulse) document() map[string]any {
	items := []any{}
	for n, text := range p.indicators[:len(p.indicators)-p.onPages] {
		items = append(items, map[string]any{"id": n, "indicator": text, "type": "IPv4", "created": "2026-05-20T09:43:18", "content": "", "title": "", "description": "",
			"expiration": nil, "is_active": 1, "role": nil})
	}
	d := map[string]any{"id": p.id, "name": p.name, "author_name": p.author, "modified": stamp(p.modified), "created": stamp(p.modified), "tlp": p.tlp,
		"description": "Test double.", "revision": 1, "public": 1, "adversary": "", "tags": p.tags, "malware_families": []string{"X"}, "references": []string{""},
		"indicators": items, "more_indicators": p.onPages > 0}
	if p.raw != "" {
		d["extra"] = json.RawMessage(p.raw)
	}
	return d
}

// client is a fetch.Client that neither waits nor hopes.
func client(t testing.TB) *fetch.Client {
	return clientOf(t, fetch.Options{Retries: -1})
}

func clientOf(t testing.TB, o fetch.Options) *fetch.Client {
	c := fetch.New(o)
	t.Cleanup(c.Close)
	return c
}
