package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/host"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

func TestRealElasticsearch(t *testing.T) {
	t.Parallel()
	s := realElasticsearch(t)
	testServer(t, s, elasticFlavor, "90d")
}

func TestRealOpenSearch(t *testing.T) {
	t.Parallel()
	s := realOpenSearch(t)
	testServer(t, s, openSearchFlavor, "none")
}

// testServer sends hits through the plugin's binary, kills the server in the midst
// of them, and looks for every hit.
func testServer(t *testing.T, s *server, flavor, retention string) {
	options := built(t)
	settings := func(retention string) json.RawMessage {
		return json.RawMessage(fmt.Sprintf(`{"addresses": [%q], "flavor": %q, "retention": %q}`, s.url, flavor, retention))
	}
	options.Settings = settings(retention)
	s.start()

	p := host.New(options)
	p.Start()
	defer func() {
		if err := p.Stop(deadline(t, time.Minute)); err != nil {
			t.Error(err)
		}
	}()
	await(t, p, func(st host.State) bool { return strings.Contains(st.Problem, "flowhound output setup") })
	if flavor == openSearchFlavor { // one without the plugin that deletes
		options.Settings = settings("90d")
		if err := host.Setup(deadline(t, time.Minute), options); err == nil || !strings.Contains(err.Error(), "retention: none") {
			t.Errorf("setup without ISM: %v", err)
		}
		options.Settings = settings(retention)
	}
	if err := host.Setup(deadline(t, time.Minute), options); err != nil {
		t.Fatal(err)
	}
	await(t, p, func(st host.State) bool { return st.Ready })

	hits := someHits(2000)
	failures := stream(t, p, hits[:1000], nil)
	if failures > 0 {
		t.Errorf("%d writes failed while nothing was wrong", failures)
	}
	search(t, s, hits[:1000])
	failures = stream(t, p, hits[1000:], func() {
		s.kill()
		s.start()
	})
	if failures == 0 {
		t.Error("the server was killed, and nobody noticed")
	}
	stream(t, p, hits[:200], nil) // what a program that was killed would send again
	search(t, s, hits)
	blocked(t, s, p, flavor, slices.Clone(hits[:3]))
	inbound := fullHit()
	inbound.ID, inbound.Direction, inbound.Matched, inbound.Src, inbound.Dst = "8l4n0r3w9x2ya-1", hit.Inbound, hit.MatchedSrc, inbound.Dst, inbound.Src
	stream(t, p, []plugin.Hit{inbound}, nil)
	charts(t, s, map[string]string{elasticFlavor: "kibana", openSearchFlavor: "opensearch"}[flavor]+"/dashboard.ndjson")
	t.Logf("the plugin has %d MB, %d writes failed and were repeated", p.State().Memory>>20, failures)
}

// blocked puts the server into states in which it takes no document at all, and
// looks at what is made of its answers.
func blocked(t *testing.T, s *server, p *host.Plugin, flavor string, hits []plugin.Hit) {
	t.Helper()
	fails := func(err error, says string) {
		t.Helper()
		for _, err := range each(err, len(hits)) {
			if err == nil || plugin.IsPermanent(err) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "credentials") {
				t.Errorf("permanent %v, %v, want it to say %q", plugin.IsPermanent(err), err, says)
			}
		}
	}
	for i := range hits {
		hits[i].ID = fmt.Sprintf("blocked-%d", i) // what was written before would be a conflict
	}
	s.ask("PUT", "/logs-flowhound.hit-default/_settings", `{"index.blocks.write": true}`)
	fails(p.Write(deadline(t, time.Minute), hits), "the index is read-only")
	s.ask("PUT", "/logs-flowhound.hit-default/_settings", `{"index.blocks.write": null}`)

	s.ask("PUT", "/_cluster/settings", `{"persistent": {"cluster.max_shards_per_node": 1}}`)
	o := newOutput()
	o.Addresses, o.Flavor, o.Namespace = []string{s.url}, flavor, "full"
	if err := o.Open(deadline(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	fails(o.Write(deadline(t, time.Minute), hits), "cluster.max_shards_per_node")
	if err := o.Close(deadline(t, time.Minute)); err != nil {
		t.Error(err)
	}
	s.ask("PUT", "/_cluster/settings", `{"persistent": {"cluster.max_shards_per_node": null}}`)
}

// built returns the options of the plugin, built as it is installed.
func built(t *testing.T) host.Options {
	t.Helper()
	dir := t.TempDir()
	peer.InstallProgram(t, "plugin/elasticsearch", dir)
	return host.Options{Name: "siem", Type: "elasticsearch", Dir: dir, RunDir: t.TempDir(), Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

func await(t *testing.T, p *host.Plugin, is func(host.State) bool) {
	t.Helper()
	for ctx := deadline(t, 5*time.Minute); !is(p.State()); {
		select {
		case <-p.Changed():
		case <-ctx.Done():
			t.Fatalf("the plugin is %+v", p.State())
		}
	}
}

// stream writes hits in batches and again what was not delivered, as the core
// does. midway runs beside it after a third of them. It returns how many writes failed.
func stream(t *testing.T, p *host.Plugin, hits []plugin.Hit, midway func()) (failures int) {
	t.Helper()
	done := make(chan struct{})
	third := len(hits) / 3
	for end := deadline(t, 5*time.Minute); len(hits) > 0; {
		if midway != nil && len(hits) <= 2*third {
			go func(f func()) {
				defer close(done)
				f()
			}(midway)
			midway = nil
			defer func() { <-done }()
		}
		n := min(20, len(hits))
		ctx, cancel := context.WithTimeout(end, 30*time.Second)
		err := p.Write(ctx, hits[:n])
		cancel()
		var partial *plugin.PartialError
		switch {
		case err == nil:
			hits = hits[n:]
			continue
		case end.Err() != nil:
			t.Fatalf("not all written: %v", err)
		case plugin.IsPermanent(err):
			t.Fatalf("refused: %v", err)
		case errors.As(err, &partial):
			hits = slices.Concat(keep(t, hits[:n], partial.Errs), hits[n:])
		}
		failures++
		time.Sleep(50 * time.Millisecond)
	}
	return failures
}

// keep returns the hits that are to be written again.
func keep(t *testing.T, hits []plugin.Hit, errs []error) (again []plugin.Hit) {
	t.Helper()
	for i, err := range errs {
		if plugin.IsPermanent(err) {
			t.Fatalf("refused: %v", err)
		}
		if err != nil {
			again = append(again, hits[i])
		}
	}
	return again
}

// search finds the hits in the ways that people look for them.
func search(t *testing.T, s *server, hits []plugin.Hit) {
	t.Helper()
	s.ask("POST", "/logs-flowhound.hit-default/_refresh", "")
	var severe, inPrefix int
	for i := range hits {
		if hits[i].Severity.String() == "critical" {
			severe++
		}
		if a := hits[i].Src.As4(); a[2] == 0 && a[3] < 64 {
			inPrefix++
		}
	}
	for _, c := range []struct {
		query string
		want  int
	}{
		{`{"match_all": {}}`, len(hits)},
		{`{"term": {"event.id": "` + hits[7].ID + `"}}`, 1},
		{`{"ids": {"values": ["` + hits[8].ID + `"]}}`, 1},
		{`{"term": {"source.ip": "10.1.0.0/26"}}`, inPrefix},
		{`{"term": {"flowhound.severity": "critical"}}`, severe},
		{`{"range": {"event.severity": {"gte": 99}}}`, severe},
		{`{"range": {"@timestamp": {"lt": "` + hits[100].Time.Format(time.RFC3339Nano) + `"}}}`, 100},
		{`{"match": {"message": "emotet"}}`, len(hits)},
		{`{"term": {"flowhound.series": "7k3m9q2v8w1xz"}}`, len(hits)},
		{`{"nested": {"path": "threat.enrichments", "query": {"term": {"threat.enrichments.matched.index": "ours"}}}}`, len(hits)},
		{`{"exists": {"field": "destination.geo.country_iso_code"}}`, len(hits)},
	} {
		if n := count(t, s, c.query); n != c.want {
			t.Errorf("%s finds %d hits, not %d", c.query, n, c.want)
		}
	}
	body := s.ask("POST", "/logs-flowhound.hit-default/_search", `{"size": 0, "track_total_hits": true, "aggs": {"ids": {"terms": {"field": "event.id", "size": 10000}}}}`)
	var answer struct {
		Aggregations struct {
			IDs struct {
				Buckets []struct {
					Key   string `json:"key"`
					Count int    `json:"doc_count"`
				} `json:"buckets"`
			} `json:"ids"`
		} `json:"aggregations"`
	}
	decode(t, body, &answer)
	found := map[string]int{}
	for _, b := range answer.Aggregations.IDs.Buckets {
		found[b.Key] = b.Count
	}
	for i := range hits {
		if found[hits[i].ID] != 1 {
			t.Errorf("hit %s is there %d times", hits[i].ID, found[hits[i].ID])
		}
	}
}

func count(t *testing.T, s *server, query string) int {
	t.Helper()
	var answer struct {
		Count int `json:"count"`
	}
	decode(t, s.ask("POST", "/logs-flowhound.hit-default/_count", `{"query": `+query+`}`), &answer)
	return answer.Count
}

// decode reads JSON that must be good.
func decode(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v: %.200s", err, text)
	}
}
