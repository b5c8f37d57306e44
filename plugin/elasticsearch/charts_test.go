package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/integrations"
)

// question is what a chart of a dashboard asks the server.
type question struct {
	title, query string
	aggregations map[string]any // nested, outermost first, as a search takes them
}

// charts asks a server what each chart of a dashboard asks, of documents that the
// plugin wrote: every one has an answer. Neither Kibana nor OpenSearch Dashboards
// can be had here.
func charts(t *testing.T, s *server, file string) {
	t.Helper()
	b, err := integrations.Files.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s.ask("POST", "/logs-flowhound.hit-default/_refresh", "")
	asked := 0
	for line := range strings.Lines(string(b)) {
		var o struct {
			Type       string
			Attributes json.RawMessage
		}
		decode(t, line, &o)
		var q question
		switch o.Type {
		case "lens":
			q = ofLens(t, o.Attributes)
		case "visualization":
			q = ofVisualization(t, o.Attributes)
		default:
			continue
		}
		asked++
		kql := strings.NewReplacer(" : ", ":", " and ", " AND ").Replace(q.query)
		body, err := json.Marshal(map[string]any{
			"size": 0, "track_total_hits": true, "query": map[string]any{"query_string": map[string]any{"query": kql}}, "aggs": q.aggregations,
		})
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Hits         struct{ Total struct{ Value int } }
			Aggregations map[string]struct {
				Buckets []json.RawMessage
				Value   *float64
			}
		}
		decode(t, s.ask("POST", "/logs-flowhound.hit-*/_search", string(body)), &answer)
		if answer.Hits.Total.Value == 0 {
			t.Errorf("%s: %s: no hit for %s", file, q.title, kql)
		}
		for name, a := range answer.Aggregations {
			if len(a.Buckets) == 0 && (a.Value == nil || *a.Value == 0) {
				t.Errorf("%s: %s: nothing in %s: %s", file, q.title, name, body)
			}
		}
	}
	if asked < 10 {
		t.Errorf("%s: %d charts only", file, asked)
	}
}

// aggregation says one in the words of a search; ok is false for the count of hits.
func aggregation(op, field string, size int) (a map[string]any, bucket, ok bool) {
	switch op {
	case "count":
		return nil, false, false
	case "date_histogram":
		return map[string]any{op: map[string]any{"field": field, "fixed_interval": "1d", "min_doc_count": 1}}, true, true
	case "terms":
		return map[string]any{op: map[string]any{"field": field, "size": size}}, true, true
	case "unique_count":
		op = "cardinality"
	}
	return map[string]any{op: map[string]any{"field": field}}, false, true
}

// nest adds an aggregation to those that are there, inside the innermost bucket,
// and returns where the next one goes.
func nest(in map[string]any, n int, op, field string, size int) map[string]any {
	a, bucket, ok := aggregation(op, field, size)
	if !ok {
		return in
	}
	in[fmt.Sprintf("%d %s of %s", n, op, field)] = a
	if bucket {
		inner := map[string]any{}
		a["aggs"] = inner
		return inner
	}
	return in
}

func ofLens(t *testing.T, attributes []byte) question {
	t.Helper()
	var lens struct {
		Title string
		State struct {
			Query            struct{ Query string }
			DatasourceStates struct {
				FormBased struct {
					Layers map[string]struct {
						ColumnOrder []string
						Columns     map[string]struct {
							OperationType, SourceField string
							Params                     struct{ Size int }
						}
					}
				}
			}
		}
	}
	decode(t, string(attributes), &lens)
	q := question{lens.Title, lens.State.Query.Query, map[string]any{}}
	for _, layer := range lens.State.DatasourceStates.FormBased.Layers {
		at := q.aggregations
		for n, id := range layer.ColumnOrder { // the buckets first
			c := layer.Columns[id]
			at = nest(at, n, c.OperationType, c.SourceField, c.Params.Size)
		}
	}
	return q
}

func ofVisualization(t *testing.T, attributes []byte) question {
	t.Helper()
	var v struct {
		Title, VisState       string
		KibanaSavedObjectMeta struct{ SearchSourceJSON string }
	}
	var source struct{ Query struct{ Query string } }
	var state struct {
		Aggs []struct {
			Type, Schema string
			Params       struct {
				Field string
				Size  int
			}
		}
	}
	decode(t, string(attributes), &v)
	decode(t, v.KibanaSavedObjectMeta.SearchSourceJSON, &source)
	decode(t, v.VisState, &state)
	q := question{v.Title, source.Query.Query, map[string]any{}}
	at := q.aggregations
	for _, metrics := range []bool{false, true} { // the buckets first
		for n, a := range state.Aggs {
			if metrics == (a.Schema == "metric") {
				at = nest(at, n, a.Type, a.Params.Field, a.Params.Size)
			}
		}
	}
	return q
}
