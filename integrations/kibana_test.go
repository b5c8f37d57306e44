package integrations_test

import "slices"

// Versions that Kibana 8.9 reads, and every later one: it brings older objects up
// to date when it imports them, and refuses newer ones.
const (
	kibanaCore   = "8.8.0"
	kibanaPanels = "8.9.0"
)

// kibana is a dashboard as saved objects of Kibana, its charts in Lens.
func kibana(d board) []object {
	object8 := func(kind, id, version string, attributes object, references ...object) object {
		if references == nil {
			references = []object{}
		}
		return object{
			"attributes": attributes, "coreMigrationVersion": kibanaCore, "id": id, "managed": false, "references": references,
			"type": kind, "typeMigrationVersion": version,
		}
	}
	viewAs := func(name string) object { return object{"id": d.id, "name": name, "type": "index-pattern"} }
	const source = "kibanaSavedObjectMeta.searchSourceJSON.index"

	out := []object{
		object8("index-pattern", d.id, "8.0.0", object{
			"allowNoIndex": true, "fieldAttrs": "{}", "fieldFormatMap": d.formats(), "fields": "[]", "name": "flowhound hits", "runtimeFieldMap": "{}",
			"sourceFilters": "[]", "timeFieldName": d.timeField, "title": d.index, "typeMeta": "{}",
		}),
		object8("search", d.id+"-list", "7.9.3", object{
			"columns": d.list, "description": "", "grid": object{}, "hideChart": false, "isTextBasedQuery": false, "sort": [][]string{{d.timeField, "desc"}},
			"kibanaSavedObjectMeta": object{"searchSourceJSON": text(object{
				"filter": []any{}, "highlightAll": true, "indexRefName": source, "query": kql(d.query), "version": true,
			})}, "timeRestore": false, "title": d.title + ": list",
		}, viewAs(source)),
	}
	for i := range d.charts {
		c := &d.charts[i]
		out = append(out, object8("lens", d.id+"-"+c.id, "8.9.0", d.lens(c), viewAs("indexpattern-datasource-layer-all")))
	}
	panels, references := d.panels(kibanaPanels, "lens", func(index string) (string, string) { return index + ":panel_" + index, "panel_" + index })
	out = append(out, object8("dashboard", d.id, "8.7.0", object{
		"description": d.description, "kibanaSavedObjectMeta": object{"searchSourceJSON": text(object{"filter": []any{}, "query": kql("")})},
		"optionsJSON": text(object{"hidePanelTitles": false, "syncColors": true, "syncCursor": true, "syncTooltips": false, "useMargins": true}),
		"panelsJSON":  text(panels), "refreshInterval": object{"pause": false, "value": 60000}, "timeFrom": "now-24h", "timeRestore": true, "timeTo": "now",
		"title": d.title, "version": 1,
	}, references...))
	return append(out, object{
		"excludedObjects": []any{}, "excludedObjectsCount": 0, "exportedCount": len(out), "missingRefCount": 0, "missingReferences": []any{},
	})
}

// lens is a chart, all of whose columns are in one layer, all.
func (d *board) lens(c *chart) object {
	columns := object{}
	var buckets, metrics []string
	for i, b := range c.by {
		id := "by" + string(rune('1'+i))
		columns[id] = lensBucket(b, d.timeField)
		buckets = append(buckets, id)
	}
	for i, m := range c.of {
		id := "of" + string(rune('1'+i))
		columns[id] = d.lensMetric(m)
		metrics = append(metrics, id)
	}
	kind, visualization := lensVisualization(c, buckets, metrics)
	return object{
		"description": "", "title": d.title + ": " + c.title, "visualizationType": kind, "state": object{
			"adHocDataViews": object{}, "internalReferences": []any{}, "filters": []any{}, "query": kql(d.queryOf(c)), "visualization": visualization,
			"datasourceStates": object{"formBased": object{"layers": object{"all": object{
				"columnOrder": slices.Concat(buckets, metrics), "columns": columns, "incompleteColumns": object{}, "sampling": 1,
			}}}, "textBased": object{"layers": object{}}},
		},
	}
}

func lensBucket(b column, timeField string) object {
	if b.field == timeField {
		return object{
			"customLabel": true, "dataType": "date", "isBucketed": true, "label": b.label, "operationType": "date_histogram", "scale": "interval", "sourceField": b.field,
			"params": object{"dropPartials": false, "includeEmptyRows": true, "interval": "auto"},
		}
	}
	kind := "string"
	if b.field == "flowhound.local" {
		kind = "ip"
	}
	return object{
		"customLabel": true, "dataType": kind, "isBucketed": true, "label": b.label, "operationType": "terms", "scale": "ordinal", "sourceField": b.field,
		"params": object{
			"exclude": []any{}, "excludeIsRegex": false, "include": []any{}, "includeIsRegex": false, "missingBucket": false, "otherBucket": false,
			"orderBy": object{"columnId": "of1", "type": "column"}, "orderDirection": "desc", "parentFormat": object{"id": "terms"}, "size": b.size,
		},
	}
}

func (d *board) lensMetric(m column) object {
	o := object{"customLabel": true, "dataType": "number", "isBucketed": false, "label": m.label, "scale": "ratio", "sourceField": m.field}
	params := object{"emptyAsNull": false}
	switch m.op {
	case "count":
		o["operationType"], o["sourceField"] = "count", "___records___"
	case "distinct":
		o["operationType"] = "unique_count"
	default:
		o["operationType"] = m.op
	}
	if m.field == d.bytes {
		params["format"] = object{"id": "bytes", "params": object{"decimals": 1}}
	}
	return with(o, object{"params": params})
}

func lensVisualization(c *chart, buckets, metrics []string) (kind string, state object) {
	layer := object{"layerId": "all", "layerType": "data"}
	switch c.shape {
	case "number":
		return "lnsMetric", with(layer, object{"metricAccessor": metrics[0]})
	case "donut":
		return "lnsPie", object{"shape": "donut", "layers": []object{with(layer, object{
			"categoryDisplay": "default", "legendDisplay": "show", "metrics": metrics, "nestedLegend": false, "numberDisplay": "percent", "primaryGroups": buckets,
		})}}
	case "map":
		return "lnsChoropleth", with(layer, object{
			"emsField": "iso2", "emsLayerId": "world_countries", "regionAccessor": buckets[0], "valueAccessor": metrics[0],
		})
	case "table":
		var columns []object
		for _, id := range slices.Concat(buckets, metrics) {
			columns = append(columns, object{"columnId": id})
		}
		return "lnsDatatable", with(layer, object{
			"columns": columns, "paging": object{"enabled": true, "size": 10}, "sorting": object{"columnId": metrics[0], "direction": "desc"},
		})
	}
	series := "bar_horizontal"
	layer = with(layer, object{"accessors": metrics, "xAccessor": buckets[0]})
	if c.shape == "time" {
		series = "bar_stacked"
		layer["splitAccessor"] = buckets[1]
	}
	layer["seriesType"] = series
	return "lnsXY", object{
		"layers": []object{layer}, "legend": object{"isVisible": c.shape == "time", "position": "right"}, "preferredSeriesType": series, "valueLabels": "hide",
	}
}
