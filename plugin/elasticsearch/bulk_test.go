package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin"
)

func TestWriteDelivers(t *testing.T) {
	t.Parallel()
	for _, flavor := range []string{elasticFlavor, openSearchFlavor} {
		for _, compress := range []bool{true, false} {
			f := newFake(t, flavor)
			o := opened(t, f, func(o *output) { o.Compress = compress })
			hits := someHits(50)
			for range 2 { // a second time is a conflict, and no second hit
				if err := o.Write(deadline(t, time.Minute), hits); err != nil {
					t.Fatal(err)
				}
			}
			if len(f.docs) != len(hits) {
				t.Errorf("%s: %d documents of %d hits", flavor, len(f.docs), len(hits))
			}
			if last := f.requests[len(f.requests)-1]; last != "POST /logs-flowhound.hit-default/_bulk" {
				t.Errorf("the last request is %s", last)
			}
		}
	}
	if err := opened(t, newFake(t, elasticFlavor), nil).Write(deadline(t, time.Minute), nil); err != nil {
		t.Errorf("no hits: %v", err)
	}
}

// outcome is what is to become of a batch of three.
type outcome struct {
	name      string
	fault     func(w http.ResponseWriter, r *http.Request, body []byte) bool
	permanent bool
	after     time.Duration
	says      string
}

func TestWriteTakesNoFaultForDelivery(t *testing.T) {
	t.Parallel()
	text := func(status int, body string, header ...string) func(http.ResponseWriter, *http.Request, []byte) bool {
		return func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
			w.Header().Set("X-Elastic-Product", "Elasticsearch")
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
			return true
		}
	}
	items := func(s ...string) string { return `{"items":[` + strings.Join(s, ",") + `]}` }
	ok := func(n int) string { return fmt.Sprintf(`{"create":{"_id":"7k3m9q2v8w1xz-%d","status":201}}`, n) }
	for _, c := range []outcome{
		{name: "429 with Retry-After", fault: text(429, `{"error":{"type":"es_rejected_execution_exception","reason":"full"}}`, "Retry-After", "7"), after: 7 * time.Second, says: "429"},
		{name: "429", fault: text(429, ``), says: "429"},
		{name: "503 with a date", fault: text(503, ``, "Retry-After", time.Now().Add(2*time.Hour).UTC().Format(http.TimeFormat)), after: maxWait, says: "503"},
		{name: "503 with nonsense", fault: text(503, `<html>`, "Retry-After", "-5"), says: "503"},
		{name: "401", fault: text(401, `{"error":{"type":"security_exception","reason":"no"}}`), says: "check api_key"},
		{name: "403", fault: text(403, `{"error":{"type":"security_exception","reason":"no"}}`), says: "lack a privilege"},
		{name: "404", fault: text(404, `nginx`), says: "check the path"},
		{name: "400 of a proxy", fault: text(400, `<html>The plain HTTP request was sent to HTTPS port</html>`), says: "400"},
		{name: "400 of the server", fault: text(400, `{"error":{"type":"illegal_argument_exception","reason":"bad"},"status":400}`), permanent: true, says: "bad"},
		{name: "413", fault: text(413, ``), permanent: true, says: "413"},
		{name: "half an answer", fault: text(200, items(ok(1), ok(2), ok(3))[:70]), says: "does not match the request"},
		{name: "no answer", fault: text(200, ``), says: "does not match the request"},
		{name: "another JSON", fault: text(200, `[1,2,3]`), says: "does not match the request"},
		{name: "a missing item", fault: text(200, items(ok(1), ok(2))), says: "2 results for 3 hits"},
		{name: "an item too many", fault: text(200, items(ok(1), ok(2), ok(3), ok(4))), says: "4 results for 3 hits"},
		{name: "items of others", fault: text(200, items(ok(1), ok(3), ok(2))), says: "another document"},
		{name: "index items", fault: text(200, strings.ReplaceAll(items(ok(1), ok(2), ok(3)), "create", "index")), says: "not the result of a create"},
		{name: "no Elasticsearch", fault: text(200, items(ok(1), ok(2), ok(3)), "X-Elastic-Product", ""), says: "flavor: opensearch"},
		{name: "too long an answer", fault: text(200, strings.Repeat(" ", 2<<20)), says: "longer than"},
		{name: "reset", fault: reset, says: "asking elasticsearch"},
		{name: "reset in the answer", fault: resetHalfway, says: "reading the answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t, elasticFlavor)
			o := opened(t, f, nil)
			f.fault = c.fault
			err := o.Write(deadline(t, time.Minute), someHits(3))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v, not %q", err, c.says)
			}
			for _, err := range each(err, 3) {
				var later *plugin.RetryAfterError
				if errors.As(err, &later); plugin.IsPermanent(err) != c.permanent || (later != nil) != (c.after > 0) || later != nil && later.After != c.after {
					t.Errorf("%v: permanent %v, after %+v", err, plugin.IsPermanent(err), later)
				}
			}
			f.mu.Lock()
			f.fault = nil
			f.mu.Unlock()
			if err := o.Write(deadline(t, time.Minute), someHits(3)); err != nil || len(f.docs) != 3 {
				t.Errorf("once mended: %v, %d documents", err, len(f.docs))
			}
		})
	}
}

// each says of each hit what err says of it.
func each(err error, n int) []error {
	var partial *plugin.PartialError
	if errors.As(err, &partial) {
		return partial.Errs
	}
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

func reset(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_ = c.(*net.TCPConn).SetLinger(0)
	c.Close()
	return true
}

func resetHalfway(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	fmt.Fprint(rw, "HTTP/1.1 200 OK\r\nX-Elastic-Product: Elasticsearch\r\nContent-Length: 500\r\n\r\n{\"items\":[")
	rw.Flush()
	c.Close()
	return true
}

// TestWriteEndsWithItsContext: a server that never answers costs no more than the
// deadline, and the hits are not taken for delivered.
func TestWriteEndsWithItsContext(t *testing.T) {
	t.Parallel()
	f := newFake(t, elasticFlavor)
	o := opened(t, f, nil)
	f.fault = func(_ http.ResponseWriter, r *http.Request, _ []byte) bool {
		<-r.Context().Done()
		return true
	}
	err := o.Write(deadline(t, 50*time.Millisecond), someHits(3))
	if !errors.Is(err, context.DeadlineExceeded) || plugin.IsPermanent(err) {
		t.Error(err)
	}
}

func TestWriteTellsEachHit(t *testing.T) {
	t.Parallel()
	f := newFake(t, elasticFlavor)
	o := opened(t, f, nil)
	statuses := []int{0, 429, 503, 400, 403, 200, 404, 0}
	hits := someHits(len(statuses))
	hits[7].ID = strings.Repeat("x", maxID+1) // would make the server refuse all
	f.refuse = func(id string, _ map[string]any) (int, string) {
		for i := range hits {
			if hits[i].ID == id {
				return statuses[i], "because"
			}
		}
		return 0, ""
	}
	var partial *plugin.PartialError
	if err := o.Write(deadline(t, time.Minute), hits); !errors.As(err, &partial) || len(partial.Errs) != len(hits) {
		t.Fatalf("%v", err)
	}
	for i, want := range []string{"delivered", "retry", "retry", "dead", "retry", "dead", "retry", "dead"} {
		got := "retry"
		switch err := partial.Errs[i]; {
		case err == nil:
			got = "delivered"
		case plugin.IsPermanent(err):
			got = "dead"
		}
		if got != want {
			t.Errorf("hit %d, status %d: %s (%v), not %s", i, statuses[i], got, partial.Errs[i], want)
		}
	}
}

// TestWriteSplits: what is too large goes in parts, and a hit that is too large
// alone costs the others nothing.
func TestWriteSplits(t *testing.T) {
	t.Parallel()
	f := newFake(t, elasticFlavor)
	o := opened(t, f, nil)
	f.limit = 16 << 10
	hits := someHits(40)
	hits[17].Name = strings.Repeat("long ", 4<<10)
	var partial *plugin.PartialError
	if err := o.Write(deadline(t, time.Minute), hits); !errors.As(err, &partial) {
		t.Fatalf("%v", err)
	}
	for i, err := range partial.Errs {
		if (err != nil) != (i == 17) || err != nil && !plugin.IsPermanent(err) {
			t.Errorf("hit %d: %v", i, err)
		}
	}
	if len(f.docs) != len(hits)-1 {
		t.Errorf("%d documents", len(f.docs))
	}
}

// TestRedirectsKeepSecrets: neither the credentials nor the hits go to a host
// that the configuration does not name.
func TestRedirectsKeepSecrets(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the other host was asked for %s with %q", r.URL, r.Header)
	}))
	defer other.Close()
	f := newFake(t, elasticFlavor)
	f.key = "c2VjcmV0OmtleQ=="
	o := opened(t, f, func(o *output) { o.APIKey = plugin.Secret(f.key) })
	for _, status := range []int{301, 302, 307, 308} {
		f.fault = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
			http.Redirect(w, r, other.URL+"/_bulk?token=hunter2", status)
			return true
		}
		err := o.Write(deadline(t, time.Minute), someHits(1))
		if err == nil || !strings.Contains(err.Error(), "sends elsewhere") || strings.Contains(err.Error(), "hunter2") || plugin.IsPermanent(err) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestSeveralNodes: one that is down costs a batch at most, which is written again.
func TestSeveralNodes(t *testing.T) {
	t.Parallel()
	f := newFake(t, elasticFlavor)
	down := httptest.NewServer(nil)
	down.Close()
	o := opened(t, f, func(o *output) { o.Addresses = []string{down.URL, f.URL} }) // the first asked is down
	o.Addresses = []string{f.URL, down.URL}
	if err := o.Setup(deadline(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := o.connect(); err != nil { // a client that knows of no node that is down
		t.Fatal(err)
	}
	hits, failed := someHits(30), 0
	for i := 0; i < len(hits); {
		if err := o.Write(deadline(t, time.Minute), hits[i:i+3]); err != nil {
			if failed++; failed > 1 {
				t.Fatalf("failed again: %v", err)
			}
			continue
		}
		i += 3
	}
	if len(f.docs) != len(hits) {
		t.Errorf("%d documents", len(f.docs))
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte(`{"items":[{"create":{"_id":"a","status":201}},{"create":{"_id":"b","status":429,"error":{"type":"x","reason":"y","caused_by":{"reason":"z"}}}}]}`))
	f.Add([]byte(`{"items":[{"create":{"_id":"a","status":409}},{"create":{"_id":"c","status":201,"failure_store":"used"}}]}`))
	f.Add([]byte(`{"error":{"type":"a","reason":"` + strings.Repeat("\xc3\xa9", 200) + `"}}`))
	f.Add([]byte(`{"error":"plain"}`))
	f.Add([]byte(`{"items":[null,{"create":null}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		results, err := parseAnswer(body, []string{"a", "b"})
		if err == nil && len(results) != 2 {
			t.Errorf("%d results", len(results))
		}
		if c := causeOf(body); c != nil {
			if why := c.String(); len(why) > maxReason+len("...") || strings.ContainsAny(why, "\r\n") {
				t.Errorf("%q", why)
			}
			_ = c.trouble()
		}
	})
}

func BenchmarkNewBulk(b *testing.B) {
	o, hits := newOutput(), someHits(500)
	for b.Loop() {
		errs := make([]error, len(hits))
		b.SetBytes(int64(len(o.newBulk(hits, errs).body)))
	}
	b.ReportMetric(float64(b.N)*float64(len(hits))/b.Elapsed().Seconds(), "hits/s")
}
