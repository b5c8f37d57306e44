package integrations_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"testing"
)

// A board is a dashboard, told here once, and written as saved objects for Kibana
// and for OpenSearch Dashboards; go test -run TestDashboards -update ./integrations
// writes the files.
type board struct {
	title, description string
	id                 string // which the ids of its objects begin with
	index, timeField   string
	query              string   // in KQL, of every chart
	link               string   // the field that is a reference
	bytes              string   // the field that is a number of bytes; "" if none
	list               []string // columns of the list of hits
	charts             []chart
}

// chart is one of a dashboard, on a grid that is 48 wide.
type chart struct {
	id, title  string
	shape      string // number, time, donut, bar, map or table
	query      string // in KQL, beside the dashboard's
	by         []column
	of         []column
	x, y, w, h int
}

// column is what a chart counts, or by what.
type column struct {
	label, field string
	op           string // of what is counted: count, sum, distinct or max
	size         int    // of by: how many at most; 0 for time
}

var hits = column{label: "Hits", op: "count"}

func by(label, field string, size int) column { return column{label: label, field: field, size: size} }

// ours is the dashboard of the output elasticsearch's documents.
func ours() board {
	d := board{
		id: "flowhound", title: "[flowhound] Hits", description: "Flows to and from listed addresses",
		index: "logs-flowhound.hit-*", timeField: "@timestamp", query: `event.kind : "alert"`,
		link: "threat.indicator.reference", bytes: "network.bytes",
		list: []string{
			"flowhound.severity", "network.direction", "flowhound.state", "source.ip", "destination.ip", "destination.port", "network.transport",
			"flowhound.ioc", "flowhound.category", "flowhound.feed", "rule.name", "threat.indicator.reference",
		},
	}
	moved := column{label: "Bytes", field: "network.bytes", op: "sum"}
	flows := column{label: "Flows", field: "flowhound.count", op: "sum"}
	d.charts = append(counted("flowhound.severity", "flowhound.category", "flowhound.feed", d.timeField),
		chart{id: "flows", title: "Flows", shape: "number", of: []column{flows}, x: 12, w: 12, h: 6},
		chart{id: "hosts", title: "Own hosts", shape: "number", of: []column{{label: "Own hosts", field: "flowhound.local", op: "distinct"}}, x: 24, w: 12, h: 6},
		chart{id: "listed", title: "Listed addresses", shape: "number", of: []column{{label: "Listed addresses", field: "flowhound.ioc", op: "distinct"}}, x: 36, w: 12, h: 6},
		chart{
			id: "called", title: "Countries that own hosts call", shape: "map", query: `network.direction : "outbound"`,
			by: []column{by("Country", "destination.geo.country_iso_code", 100)}, of: []column{hits}, y: 30, w: 24, h: 14,
		},
		chart{
			id: "calling", title: "Countries that call", shape: "map", query: `network.direction : "inbound"`,
			by: []column{by("Country", "source.geo.country_iso_code", 100)}, of: []column{hits}, x: 24, y: 30, w: 24, h: 14,
		},
		chart{
			id: "top-hosts", title: "Top own hosts", shape: "table", by: []column{by("Own host", "flowhound.local", 50)},
			of: []column{
				hits, {label: "Worst severity, of 99", field: "event.severity", op: "max"}, {label: "Listed addresses", field: "flowhound.ioc", op: "distinct"},
				flows, moved,
			}, y: 44, w: 24, h: 16,
		},
		chart{
			id: "top-indicators", title: "Top indicators", shape: "table", by: []column{by("Indicator", "flowhound.ioc", 50), by("Category", "flowhound.category", 1)},
			of: []column{hits, {label: "Own hosts", field: "flowhound.local", op: "distinct"}, flows, moved}, x: 24, y: 44, w: 24, h: 16,
		},
		chart{
			id: "references", title: "What the feeds say", shape: "table",
			by: []column{by("Indicator", "flowhound.ioc", 50), by("Feed", "flowhound.feed", 2), by("Name", "rule.name", 2), by("Reference", d.link, 2)},
			of: []column{hits}, y: 60, w: 48, h: 14,
		})
	return d
}

// counted are the charts that all dashboards have.
func counted(severity, category, feed, time string) []chart {
	return []chart{
		{id: "hits", title: "Hits", shape: "number", of: []column{hits}, w: 12, h: 6},
		{id: "over-time", title: "Hits over time", shape: "time", by: []column{{label: "Time", field: time}, by("Severity", severity, 5)}, of: []column{hits}, y: 6, w: 48, h: 12},
		{id: "by-severity", title: "By severity", shape: "donut", by: []column{by("Severity", severity, 5)}, of: []column{hits}, y: 18, w: 16, h: 12},
		{id: "by-category", title: "By category", shape: "bar", by: []column{by("Category", category, 10)}, of: []column{hits}, x: 16, y: 18, w: 16, h: 12},
		{id: "by-feed", title: "By feed", shape: "bar", by: []column{by("Feed", feed, 15)}, of: []column{hits}, x: 32, y: 18, w: 16, h: 12},
	}
}

// ofWazuh is the dashboard of the alerts that Wazuh makes of flowhound's log. Its
// indexer holds every field of an event as a keyword, so that nothing can be summed.
func ofWazuh() board {
	d := board{
		id: "flowhound-alerts", title: "[flowhound] Alerts", description: "Flows to and from listed addresses, as Wazuh's alerts",
		index: "wazuh-alerts-*", timeField: "timestamp", query: `rule.groups : "flowhound_hit"`, link: "data.ref",
		list: []string{
			"agent.name", "rule.level", "data.kind", "data.sev", "data.dir", "data.state", "data.srcip", "data.dstip", "data.dport", "data.proto",
			"data.ioc", "data.cat", "data.feed", "data.name", "data.ref",
		},
	}
	outbound := `data.dir : "outbound"`
	d.charts = append(counted("data.sev", "data.cat", "data.feed", d.timeField),
		chart{id: "rules", title: "Rules that fired", shape: "number", of: []column{{label: "Rules", field: "rule.id", op: "distinct"}}, x: 12, w: 12, h: 6},
		chart{id: "hosts", title: "Own hosts that call out", shape: "number", query: outbound, of: []column{{label: "Own hosts", field: "data.srcip", op: "distinct"}}, x: 24, w: 12, h: 6},
		chart{id: "listed", title: "Listed addresses", shape: "number", of: []column{{label: "Listed addresses", field: "data.ioc", op: "distinct"}}, x: 36, w: 12, h: 6},
		chart{id: "countries", title: "Countries of the other side", shape: "bar", by: []column{by("Country", "data.cc", 20)}, of: []column{hits}, y: 30, w: 24, h: 14},
		chart{
			id: "by-rule", title: "Rules", shape: "table", by: []column{by("Rule", "rule.id", 30)},
			of: []column{hits, {label: "Level", field: "rule.level", op: "max"}}, x: 24, y: 30, w: 24, h: 14,
		},
		chart{
			id: "top-hosts", title: "Top own hosts that call out", shape: "table", query: outbound, by: []column{by("Own host", "data.srcip", 50)},
			of: []column{hits, {label: "Worst level", field: "rule.level", op: "max"}, {label: "Listed addresses", field: "data.ioc", op: "distinct"}}, y: 44, w: 24, h: 16,
		},
		chart{
			id: "top-indicators", title: "Top indicators", shape: "table", by: []column{by("Indicator", "data.ioc", 50), by("Category", "data.cat", 1)},
			of: []column{hits}, x: 24, y: 44, w: 24, h: 16,
		},
		chart{
			id: "references", title: "What the feeds say", shape: "table",
			by: []column{by("Indicator", "data.ioc", 50), by("Feed", "data.feed", 2), by("Name", "data.name", 2), by("Reference", "data.ref", 2)},
			of: []column{hits}, y: 60, w: 48, h: 14,
		})
	return d
}

type object = map[string]any

// text is JSON in a string, as saved objects have it.
func text(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // nothing here holds what JSON has not
	}
	return string(bytes.TrimSpace(b.Bytes()))
}

func kql(query string) object { return object{"language": "kuery", "query": query} }

// queryOf is what a chart asks for.
func (d *board) queryOf(c *chart) string {
	if c.query == "" {
		return d.query
	}
	return d.query + " and " + c.query
}

// panels places the charts, and the list of hits beneath them. A panel's reference
// is named as the product has it.
func (d *board) panels(version, kind string, name func(index string) (reference, panel string)) (panels []object, references []object) {
	add := func(index, id, kind string, x, y, w, h int) {
		reference, panel := name(index)
		p := object{
			"embeddableConfig": object{}, "gridData": object{"i": index, "x": x, "y": y, "w": w, "h": h}, "panelIndex": index,
			"panelRefName": panel, "type": kind, "version": version,
		}
		panels = append(panels, p)
		references = append(references, object{"id": id, "name": reference, "type": kind})
	}
	end := 0
	for i := range d.charts {
		c := &d.charts[i]
		add(c.id, d.id+"-"+c.id, kind, c.x, c.y, c.w, c.h)
		end = max(end, c.y+c.h)
	}
	add("list", d.id+"-list", "search", 0, end, 48, 18)
	return panels, references
}

// formats has a reference open as a link, and bytes read as people read them.
func (d *board) formats() string {
	f := object{d.link: object{"id": "url", "params": object{"type": "a", "openLinkInCurrentTab": false}}}
	if d.bytes != "" {
		f[d.bytes] = object{"id": "bytes"}
	}
	return text(f)
}

// with returns what both have together.
func with(a, b object) object {
	maps.Copy(a, b)
	return a
}

// TestDashboards: the files are what is written here.
func TestDashboards(t *testing.T) {
	t.Parallel()
	for file, objects := range map[string][]object{
		"kibana/dashboard.ndjson": kibana(ours()), "opensearch/dashboard.ndjson": openSearch(ours()), "wazuh/dashboard.ndjson": openSearch(ofWazuh()),
	} {
		var b bytes.Buffer
		for _, o := range objects {
			b.WriteString(text(o) + "\n")
		}
		if *update {
			if err := os.WriteFile(filepath.FromSlash(file), b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got := read(t, file); got != b.String() {
			t.Errorf("%s is not what dashboards_test.go has; run go test -run TestDashboards -update ./integrations", file)
		}
	}
}
