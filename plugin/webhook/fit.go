package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/flowhound/flowhound/plugin/text"
)

// steps are the sizes that a message is tried in until the service takes it:
// how many hits it tells, and how many runes a value of a field has.
var steps = []struct{ hits, value int }{{maxListed, maxValue}, {maxListed, 120}, {maxListed, 60}, {5, 60}, {3, 60}, {1, 60}, {1, 24}}

// shrunk returns m with fewer hits and shorter values. It says what it left out.
func (m *message) shrunk(hits, value int) *message {
	s := *m
	s.Hits = slices.Clone(m.Hits[:min(hits, len(m.Hits))])
	s.Fields = shorten(m.Fields, 4*value) // ours, and lists
	for i := range s.Hits {
		s.Hits[i].Fields = shorten(s.Hits[i].Fields, value)
	}
	if left := len(m.Hits) - len(s.Hits); left > 0 && !m.Digest {
		s.Fields = append(s.Fields, field{"Not shown", fmt.Sprintf("%d more hits, for want of room", left)})
	}
	return &s
}

func shorten(fields []field, limit int) []field {
	short := make([]field, len(fields))
	for i, f := range fields {
		short[i] = field{f.Name, text.Short(f.Value, limit)}
	}
	return short
}

// body returns m as the service takes it: within its limits, from the template
// where there is one.
func (t *target) body(m *message, thread string) ([]byte, error) {
	if t.template != nil {
		return t.render(m, thread)
	}
	var body []byte
	var err error
	for _, s := range steps {
		doc := t.service.message(&t.settings, m.shrunk(s.hits, s.value))
		t.complete(doc, m, thread)
		if body, err = t.encode(doc); err == nil {
			return body, nil
		}
	}
	return nil, err
}

// complete adds the members of the envelope that doc has not.
func (t *target) complete(doc object, m *message, thread string) {
	if t.service.envelope == nil {
		return
	}
	for k, v := range t.service.envelope(&t.settings, m, thread) {
		if _, set := doc[k]; !set {
			doc[k] = v
		}
	}
}

// encode returns doc as JSON, or an error when it is beyond the service's limits.
func (t *target) encode(doc object) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(doc); err != nil {
		return nil, err
	}
	body := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	n, unit := len(body), "bytes"
	if t.service.size != nil {
		if n, unit = t.service.size(doc), "characters"; n <= t.service.limit && t.service.bytes > 0 && len(body) > t.service.bytes {
			return nil, fmt.Errorf("the message has %d bytes, the limit of %s is %d", len(body), t.Service, t.service.bytes)
		}
	}
	if n > t.service.limit {
		return nil, fmt.Errorf("the message has %d %s, the limit of %s is %d", n, unit, t.Service, t.service.limit)
	}
	return body, nil
}
