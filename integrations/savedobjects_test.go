package integrations_test

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/decoders"
)

// saved is one saved object, the JSON in its strings unpacked.
type saved struct {
	Type, ID             string
	Attributes           object
	References           []struct{ ID, Name, Type string }
	MigrationVersion     map[string]string
	TypeMigrationVersion string
	CoreMigrationVersion string
	ExportedCount        *int
}

// unpack reads a file of saved objects as a server does that imports it.
func unpack(t *testing.T, file string) (objects []saved) {
	t.Helper()
	for line := range strings.Lines(read(t, file)) {
		var o saved
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%s: %v: %.80s", file, err, line)
		}
		if o.ExportedCount != nil {
			if *o.ExportedCount != len(objects) {
				t.Errorf("%s: exportedCount is %d of %d", file, *o.ExportedCount, len(objects))
			}
			continue
		}
		for _, key := range []string{"panelsJSON", "optionsJSON", "visState", "uiStateJSON", "fieldFormatMap", "fields"} {
			unpackString(t, o.Attributes, key)
		}
		if meta, ok := o.Attributes["kibanaSavedObjectMeta"].(object); ok {
			unpackString(t, meta, "searchSourceJSON")
		}
		objects = append(objects, o)
	}
	return objects
}

func unpackString(t *testing.T, o object, key string) {
	t.Helper()
	if s, ok := o[key].(string); ok {
		var v any
		if err := json.Unmarshal([]byte(s), &v); err != nil {
			t.Fatalf("%s: %v: %.80s", key, err, s)
		}
		o[key] = v
	}
}

// walk calls f with each key and value of a document, however deep.
func walk(v any, f func(key string, value any)) {
	switch v := v.(type) {
	case object:
		for k, x := range v {
			f(k, x)
			walk(x, f)
		}
	case []any:
		for _, x := range v {
			walk(x, f)
		}
	}
}

// mapped are the fields of the output's documents, with their types; no field of
// nested documents, of which Lens knows nothing.
func mapped(t *testing.T) map[string]string {
	t.Helper()
	var template struct {
		Template struct{ Mappings struct{ Properties object } }
	}
	if err := json.Unmarshal([]byte(read(t, "elasticsearch/mappings.json")), &template); err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{}
	var add func(prefix string, properties object)
	add = func(prefix string, properties object) {
		for name, v := range properties {
			p := v.(object)
			kind, _ := p["type"].(string)
			if inner, ok := p["properties"].(object); ok && kind != "nested" {
				add(prefix+name+".", inner)
			} else if !ok {
				fields[prefix+name] = kind
			}
		}
	}
	add("", template.Template.Mappings.Properties)
	return fields
}

// alerted are the fields of Wazuh's alerts on flowhound's hits: what the decoder
// names, and what Wazuh says of every alert.
func alerted(t *testing.T) map[string]string {
	t.Helper()
	order := regexp.MustCompile(`<order>(kind, [^<]+)</order>`).FindStringSubmatch(decoders.Wazuh)
	if order == nil {
		t.Fatal("the decoder of hits has no order")
	}
	fields := map[string]string{
		"timestamp": "date", "rule.level": "long", "rule.id": "keyword", "rule.groups": "keyword", "rule.description": "keyword", "agent.name": "keyword",
	}
	for name := range strings.SplitSeq(order[1], ", ") {
		fields["data."+name] = "keyword"
	}
	return fields
}

// newest are the versions that the oldest supported product reads: it refuses
// what is newer, and brings up to date what is older.
var newest = map[string]map[string]string{
	"Kibana":                {"index-pattern": "8.0.0", "search": "8.0.0", "lens": "8.9.0", "dashboard": "8.9.0"},
	"OpenSearch Dashboards": {"index-pattern": "7.6.0", "search": "7.9.3", "visualization": "7.10.0", "dashboard": "7.9.3"},
}

func newer(t *testing.T, a, b string) bool {
	t.Helper()
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	if len(x) != 3 || len(y) != 3 {
		t.Fatalf("%q or %q is not a version", a, b)
	}
	for i := range x {
		m, err1 := strconv.Atoi(x[i])
		n, err2 := strconv.Atoi(y[i])
		if err1 != nil || err2 != nil {
			t.Fatalf("%q or %q is not a version", a, b)
		}
		if m != n {
			return m > n
		}
	}
	return false
}

// TestSavedObjects: a server can import each file. All that an object names is in
// the file, nothing is newer than the product, and every field exists.
func TestSavedObjects(t *testing.T) {
	t.Parallel()
	ids := map[string]string{}
	for _, tt := range []struct {
		file, product string
		fields        map[string]string
	}{
		{"kibana/dashboard.ndjson", "Kibana", mapped(t)},
		{"opensearch/dashboard.ndjson", "OpenSearch Dashboards", mapped(t)},
		{"wazuh/dashboard.ndjson", "OpenSearch Dashboards", alerted(t)},
	} {
		objects := unpack(t, tt.file)
		have := map[string]bool{}
		for i := range objects {
			have[objects[i].Type+":"+objects[i].ID] = true
		}
		if len(have) != len(objects) || len(objects) < 12 {
			t.Errorf("%s: %d objects with %d ids", tt.file, len(objects), len(have))
		}
		for i := range objects {
			o := &objects[i]
			name := tt.file + ": " + o.Type + " " + o.ID
			if other, taken := ids[tt.product+o.Type+o.ID]; taken { // both go into the Wazuh dashboard
				t.Errorf("%s: %s has the same id", name, other)
			}
			ids[tt.product+o.Type+o.ID] = tt.file
			checkVersion(t, name, tt.product, o)
			checkReferences(t, name, o, have)
			checkFields(t, name, o, tt.fields)
			if o.Type == "dashboard" {
				checkGrid(t, name, o, len(objects)-2) // all but the dashboard itself and the index pattern
			}
		}
	}
}

func checkVersion(t *testing.T, name, product string, o *saved) {
	t.Helper()
	version := o.TypeMigrationVersion
	if product != "Kibana" {
		version = o.MigrationVersion[o.Type]
	} else if o.CoreMigrationVersion != "8.8.0" {
		t.Errorf("%s: coreMigrationVersion is %q", name, o.CoreMigrationVersion)
	}
	limit, ok := newest[product][o.Type]
	if !ok || newer(t, version, limit) {
		t.Errorf("%s: version %s is newer than %q", name, version, limit)
	}
}

// checkReferences: what an object names is declared, once, and what it declares is
// named and in the file.
func checkReferences(t *testing.T, name string, o *saved, have map[string]bool) {
	t.Helper()
	used := map[string]bool{}
	walk(o.Attributes, func(key string, v any) {
		switch key {
		case "indexRefName":
			used[v.(string)] = true
		case "layers":
			if layers, ok := v.(object); ok {
				for layer := range layers {
					used["indexpattern-datasource-layer-"+layer] = true
				}
			}
		}
	})
	panels, _ := o.Attributes["panelsJSON"].([]any)
	for _, p := range panels {
		panel := p.(object)
		reference := panel["panelRefName"].(string)
		if o.TypeMigrationVersion != "" { // Kibana 8 puts the panel before it
			reference = panel["panelIndex"].(string) + ":" + reference
		}
		used[reference] = true
	}
	for _, r := range o.References {
		if !used[r.Name] {
			t.Errorf("%s: reference %s is not used, or declared twice", name, r.Name)
		}
		delete(used, r.Name)
		if !have[r.Type+":"+r.ID] {
			t.Errorf("%s: %s %s is not in the file", name, r.Type, r.ID)
		}
	}
	for reference := range used {
		t.Errorf("%s: reference %s is not declared", name, reference)
	}
}

// checkFields: every field is one of the documents', and of a type that can be
// counted so.
func checkFields(t *testing.T, name string, o *saved, fields map[string]string) {
	t.Helper()
	seen := 0
	is := func(field, what string, kinds ...string) {
		seen++
		kind, ok := fields[field]
		if !ok {
			t.Errorf("%s: there is no field %s", name, field)
		} else if len(kinds) > 0 && !strings.Contains(strings.Join(kinds, " "), kind) {
			t.Errorf("%s: %s of field %s, which is %s", name, what, field, kind)
		}
	}
	check := func(what, field string) {
		switch what {
		case "count":
		case "date_histogram":
			is(field, what, "date")
		case "sum", "max":
			is(field, what, "long", "float")
		case "terms", "unique_count", "cardinality":
			is(field, what, "keyword", "ip", "long")
		default:
			t.Errorf("%s: %s of %s", name, what, field)
		}
	}
	for _, column := range array(o.Attributes["columns"]) {
		is(column.(string), "column")
	}
	for field := range asObject(o.Attributes["fieldFormatMap"]) {
		is(field, "format")
	}
	if field, ok := o.Attributes["timeFieldName"].(string); ok {
		is(field, "time", "date")
	}
	for _, a := range array(asObject(o.Attributes["visState"])["aggs"]) {
		agg := a.(object)
		field, _ := asObject(agg["params"])["field"].(string)
		check(agg["type"].(string), field)
	}
	walk(o.Attributes, func(key string, v any) {
		switch key {
		case "columns": // of a layer of Lens
			for _, c := range asObject(v) {
				check(c.(object)["operationType"].(string), c.(object)["sourceField"].(string))
			}
		case "query":
			if query, ok := v.(string); ok {
				for _, m := range regexp.MustCompile(`([\w.]+) : "`).FindAllStringSubmatch(query, -1) {
					is(m[1], "query", "keyword")
				}
			}
		}
	})
	if seen == 0 && o.Type != "dashboard" {
		t.Errorf("%s: no field was seen", name)
	}
}

// checkGrid: no panel reaches out of the grid or over another.
func checkGrid(t *testing.T, name string, o *saved, want int) {
	t.Helper()
	panels, taken := array(o.Attributes["panelsJSON"]), map[[2]int]string{}
	if len(panels) != want {
		t.Errorf("%s: %d panels, not %d", name, len(panels), want)
	}
	for _, p := range panels {
		panel := p.(object)
		index, grid := panel["panelIndex"].(string), panel["gridData"].(object)
		number := func(key string) int { return int(grid[key].(float64)) }
		x, y, w, h := number("x"), number("y"), number("w"), number("h")
		if grid["i"] != index || x < 0 || y < 0 || w < 1 || h < 1 || x+w > 48 {
			t.Errorf("%s: panel %s does not fit the grid: %v", name, index, grid)
		}
		for at := range w * h {
			place := [2]int{x + at%w, y + at/w}
			if other, ok := taken[place]; ok && other != index {
				t.Fatalf("%s: panels %s and %s overlap", name, index, other)
			} else if ok {
				t.Fatalf("%s: two panels %s", name, index)
			}
			taken[place] = index
		}
	}
}

func array(v any) []any {
	a, _ := v.([]any)
	return a
}

func asObject(v any) object {
	o, _ := v.(object)
	return o
}
