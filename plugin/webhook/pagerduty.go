package main

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/text"
)

// Limits of the Events API v2; an event may have 512 KB.
const (
	pagerSummary = 1024
	pagerDedup   = 255
	pagerLimit   = 500_000
	pagerDetails = 20 // indicators in an event
)

// pagerduty triggers an event for each hit. A series is one incident: later hits
// of it update what the first has opened.
func pagerduty() *service {
	return &service{
		needs: []string{"routing_key"}, publicOnly: true, perHit: true,
		address: "https://events.pagerduty.com/v2/enqueue", limit: pagerLimit,
		message: pagerMessage,
		envelope: func(s *settings, m *message, _ string) object {
			return object{"routing_key": s.RoutingKey.Reveal(), "event_action": "trigger", "dedup_key": text.Plain.Fit("flowhound/"+m.Series, pagerDedup)}
		},
		accepted: func(a *answer) (string, error) {
			var v struct {
				Status string `json:"status"`
			}
			switch {
			case json.Unmarshal(a.body, &v) != nil || v.Status == "":
				return "", a.unexpected()
			case v.Status != "success":
				return "", plugin.Permanent(errors.New("answered" + a.said))
			}
			return "", nil
		},
	}
}

// pagerMessage is plain text; the hit itself is among the details.
func pagerMessage(_ *settings, m *message) object {
	h := m.Hits[0]
	h.Hit.Indicators = h.Hit.Indicators[:min(len(h.Hit.Indicators), pagerDetails)]
	details := object{"hit": h.Hit}
	for _, f := range h.Fields {
		details[f.Name] = f.Value
	}
	source := addr(h.Hit.Local)
	if source == "-" {
		source = addr(h.Hit.Src)
	}
	payload := object{
		"summary": text.Plain.Fit(m.Title, pagerSummary), "source": source, "component": "netflow",
		"severity": [...]string{"info", "info", "warning", "error", "critical"}[min(h.Severity, hit.Critical)],
		"group":    word(h.Hit.Feed), "class": word(h.Hit.Category), "custom_details": details,
	}
	if !m.Time.IsZero() {
		payload["timestamp"] = m.Time.Format(time.RFC3339Nano)
	}
	doc := object{"client": "flowhound", "payload": payload}
	if h.Link != "" {
		doc["client_url"] = h.Link
		doc["links"] = list{object{"href": h.Link, "text": "reference"}}
	}
	return doc
}
