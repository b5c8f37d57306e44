package integrations_test

import "strconv"

// openSearch is a dashboard as saved objects of OpenSearch Dashboards 2, which
// came from Kibana 7.10: no Lens, no map without coordinates.
func openSearch(d board) []object {
	id := d.id + "-index"
	object7 := func(kind, id, version string, attributes object, references ...object) object {
		if references == nil {
			references = []object{}
		}
		return object{"attributes": attributes, "id": id, "migrationVersion": object{kind: version}, "references": references, "type": kind}
	}
	const source = "kibanaSavedObjectMeta.searchSourceJSON.index"
	index := object{"id": id, "name": source, "type": "index-pattern"}
	search := func(query string) object {
		return object{"searchSourceJSON": text(object{"filter": []any{}, "indexRefName": source, "query": kql(query)})}
	}

	out := []object{
		object7("index-pattern", id, "7.6.0", object{"fieldFormatMap": d.formats(), "fields": "[]", "timeFieldName": d.timeField, "title": d.index}),
		object7("search", d.id+"-list", "7.9.3", object{
			"columns": d.list, "description": "", "hits": 0, "kibanaSavedObjectMeta": search(d.query), "sort": [][]string{{d.timeField, "desc"}},
			"title": d.title + ": list", "version": 1,
		}, index),
	}
	for i := range d.charts {
		c := &d.charts[i]
		title := d.title + ": " + c.title
		kind, params := visualization(c)
		out = append(out, object7("visualization", d.id+"-"+c.id, "7.10.0", object{
			"description": "", "kibanaSavedObjectMeta": search(d.queryOf(c)), "title": title, "uiStateJSON": "{}", "version": 1,
			"visState": text(object{"aggs": aggregations(c, d.timeField), "params": params, "title": title, "type": kind}),
		}, index))
	}
	panels, references := d.panels("2.13.0", "visualization", func(index string) (string, string) { return "panel_" + index, "panel_" + index })
	for _, p := range panels { // its type is that of the reference
		delete(p, "type")
	}
	return append(out, object7("dashboard", d.id, "7.9.3", object{
		"description": d.description, "hits": 0, "kibanaSavedObjectMeta": object{"searchSourceJSON": text(object{"filter": []any{}, "query": kql("")})},
		"optionsJSON": text(object{"hidePanelTitles": false, "useMargins": true}), "panelsJSON": text(panels),
		"refreshInterval": object{"pause": false, "value": 60000}, "timeFrom": "now-24h", "timeRestore": true, "timeTo": "now", "title": d.title, "version": 1,
	}, references...))
}

// aggregations are what a chart asks the server for; the first metric, 1, orders.
func aggregations(c *chart, timeField string) (aggs []object) {
	add := func(kind, schema string, params object) {
		aggs = append(aggs, object{"enabled": true, "id": strconv.Itoa(len(aggs) + 1), "params": params, "schema": schema, "type": kind})
	}
	for _, m := range c.of {
		params := object{"customLabel": m.label, "field": m.field}
		switch m.op {
		case "count":
			add("count", "metric", object{"customLabel": m.label})
		case "distinct":
			add("cardinality", "metric", params)
		default:
			add(m.op, "metric", params)
		}
	}
	for i, b := range c.by {
		s := "group"
		switch {
		case c.shape == "table":
			s = "bucket"
		case i == 0:
			s = "segment"
		}
		if b.field == timeField {
			add("date_histogram", s, object{
				"customLabel": b.label, "drop_partials": false, "extended_bounds": object{}, "field": b.field, "interval": "auto", "min_doc_count": 1,
				"scaleMetricValues": false, "useNormalizedOpenSearchInterval": true,
			})
			continue
		}
		add("terms", s, object{
			"customLabel": b.label, "field": b.field, "missingBucket": false, "order": "desc", "orderBy": "1", "otherBucket": false, "size": b.size,
		})
	}
	return aggs
}

// visualization is how a chart looks.
func visualization(c *chart) (kind string, params object) {
	switch c.shape {
	case "number":
		return "metric", object{"addLegend": false, "addTooltip": true, "type": "metric", "metric": object{
			"colorSchema": "Green to Red", "colorsRange": []object{{"from": 0, "to": 10000}}, "invertColors": false, "labels": object{"show": true},
			"metricColorMode": "None", "percentageMode": false, "useRanges": false,
			"style": object{"bgColor": false, "bgFill": "#000", "fontSize": 40, "labelColor": false, "subText": ""},
		}}
	case "donut":
		return "pie", object{
			"addLegend": true, "addTooltip": true, "isDonut": true, "legendPosition": "right", "type": "pie",
			"labels": object{"last_level": true, "show": false, "truncate": 100, "values": true},
		}
	case "table":
		return "table", object{
			"percentageCol": "", "perPage": 10, "showMetricsAtAllLevels": false, "showPartialRows": false, "showTotal": false, "totalFunc": "sum",
		}
	case "time":
		return "histogram", bars("bottom", "left", true)
	}
	return "horizontal_bar", bars("left", "bottom", false)
}

func bars(categories, values string, legend bool) object {
	return object{
		"addLegend": legend, "addTimeMarker": false, "addTooltip": true, "grid": object{"categoryLines": false}, "labels": object{"show": false},
		"legendPosition": "right", "times": []any{}, "type": "histogram",
		"thresholdLine": object{"color": "#E7664C", "show": false, "style": "full", "value": 10, "width": 1},
		"categoryAxes": []object{{
			"id": "CategoryAxis-1", "labels": object{"filter": true, "rotate": 0, "show": true, "truncate": 100}, "position": categories,
			"scale": object{"type": "linear"}, "show": true, "style": object{}, "title": object{}, "type": "category",
		}},
		"valueAxes": []object{{
			"id": "ValueAxis-1", "labels": object{"filter": true, "rotate": 0, "show": true, "truncate": 100}, "name": "LeftAxis-1", "position": values,
			"scale": object{"mode": "normal", "type": "linear"}, "show": true, "style": object{}, "title": object{"text": "Hits"}, "type": "value",
		}},
		"seriesParams": []object{{
			"data": object{"id": "1", "label": "Hits"}, "drawLinesBetweenPoints": true, "lineWidth": 2, "mode": "stacked", "show": true, "showCircles": true,
			"type": "histogram", "valueAxis": "ValueAxis-1",
		}},
	}
}
