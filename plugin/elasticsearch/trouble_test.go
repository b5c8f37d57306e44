package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin"
)

// What servers answer when an index or the cluster takes no document at all, in
// their own words (Elasticsearch 7 to 9, OpenSearch 1 to 3).
var states = []struct {
	name   string
	status int
	kind   string
	reason string
	says   string
}{
	{"maximum of shards", 400, "validation_exception", "Validation Failed: 1: this action would add [2] shards, but this cluster currently has [1000]/[1000] maximum normal shards open;", "cluster.max_shards_per_node"},
	{"the same, OpenSearch", 400, "illegal_argument_exception", "Validation Failed: 1: this action would add [2] total shards, but this cluster currently has [999]/[1000] maximum shards open;", "cluster.max_shards_per_node"},
	{"closed", 400, "index_closed_exception", "closed", "the index is closed"},
	{"read-only", 403, "cluster_block_exception", "index [.ds-logs-flowhound.hit-default-000001] blocked by: [FORBIDDEN/5/index read-only (api)];", "the index is read-only"},
	{"write block", 403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/8/index write (api)];", "the index is read-only"},
	{"flood stage", 429, "cluster_block_exception", "index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];", "free space"},
	{"flood stage, old", 403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/12/index read-only / allow delete (api)];", "flood stage"},
	{"no new indices", 403, "cluster_block_exception", "blocked by: [FORBIDDEN/10/cluster create-index blocked (api)];", "cluster.blocks.create_index"},
	{"cluster read-only", 403, "cluster_block_exception", "blocked by: [FORBIDDEN/6/cluster read-only (api)];", "the cluster is read-only"},
	{"no master", 503, "cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/2/no master];", "blocks writing"},
	{"alias without an index", 400, "illegal_argument_exception", "no write index is defined for alias [x]. The write index may be explicitly disabled", "output setup"},
	{"no pipeline", 400, "illegal_argument_exception", "pipeline with id [geo] does not exist", "ingest pipeline"},
	{"overloaded", 429, "es_rejected_execution_exception", "rejected execution of coordinating operation", "overloaded"},
}

// Trouble of the server is retried and said, whether it stands at each document or
// at the whole answer; nothing becomes a dead letter, and no credentials are blamed.
func TestWholeIndexStates(t *testing.T) {
	t.Parallel()
	for _, s := range states {
		for _, whole := range []bool{false, true} {
			f := newFake(t, elasticFlavor)
			o := opened(t, f, nil)
			requests := 0
			f.fault = func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
				requests++
				w.Header().Set("X-Elastic-Product", "Elasticsearch")
				why := fmt.Sprintf(`{"type":%q,"reason":%q}`, s.kind, s.reason)
				if whole {
					w.WriteHeader(s.status)
					fmt.Fprintf(w, `{"error":%s,"status":%d}`, why, s.status)
					return true
				}
				var items []string
				for _, h := range someHits(3) {
					items = append(items, fmt.Sprintf(`{"create":{"_id":%q,"status":%d,"error":%s}}`, h.ID, s.status, why))
				}
				fmt.Fprintf(w, `{"errors":true,"items":[%s]}`, strings.Join(items, ","))
				return true
			}
			err := o.Write(deadline(t, time.Minute), someHits(3))
			for _, err := range each(err, 3) {
				if err == nil || plugin.IsPermanent(err) || !strings.Contains(err.Error(), s.says) || strings.Contains(err.Error(), "credentials") {
					t.Errorf("%s (whole answer: %v): permanent %v: %v", s.name, whole, plugin.IsPermanent(err), err)
				}
			}
			if requests != 1 {
				t.Errorf("%s (whole answer: %v): %d requests for what no request can change", s.name, whole, requests)
			}
		}
	}
	// A 403 that is about credentials says so, with a reason and without one.
	for _, why := range []string{`{"error":{"type":"security_exception","reason":"action [indices:data/write/bulk] is unauthorized"},"status":403}`, `<html>no`} {
		f := newFake(t, elasticFlavor)
		o := opened(t, f, nil)
		f.fault = func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, why)
			return true
		}
		if err := o.Write(deadline(t, time.Minute), someHits(1)); err == nil || plugin.IsPermanent(err) || !strings.Contains(err.Error(), "privilege") {
			t.Errorf("%s: %v", why, err)
		}
	}
}
