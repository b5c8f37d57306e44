package misp

import (
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// base returns what all indicators of the event have in common.
func (e *event) base(base intel.Indicator) intel.Indicator {
	if name := ingest.Text(e.info, ingest.MaxName); name != "" {
		base.Name = name
	}
	if tags := ingest.JoinTags(names(e.tags)); tags != "" {
		base.Tags = tags
	}
	if e.link != "" {
		base.Ref = e.link
	}
	if c, ok := categoryOf(e.tags); ok {
		base.Category = c
	}
	base.Score = e.score(base.Score)
	base.FirstSeen = ingest.When(e.date)
	return base
}

// The scores of the taxonomy misp's predicate confidence-level, as MISP defines them.
var confidences = [...]struct {
	word  string
	score uint8
}{
	{"completely-confident", 100}, {"usually-confident", 75}, {"fairly-confident", 50}, {"rarely-confident", 25}, {"unconfident", 0},
}

// score returns the event's confidence where a tag gives one; else its threat
// level moves the feed's own: a high one up to 80, a low one down to 40.
func (e *event) score(otherwise uint8) uint8 {
	for _, t := range e.tags {
		value, ok := strings.CutPrefix(strings.ToLower(string(t.Name)), `misp:confidence-level="`)
		if !ok {
			continue
		}
		for _, c := range confidences {
			if value == c.word+`"` {
				return c.score
			}
		}
	}
	switch e.threat {
	case "1":
		return max(otherwise, 80)
	case "3":
		return min(otherwise, 40)
	}
	return otherwise
}

// categoryOf returns what the first tag says that says something.
func categoryOf(tags []tag) (intel.Category, bool) {
	for _, t := range tags {
		if c, ok := tagCategory(string(t.Name)); ok {
			return c, true
		}
	}
	return intel.Other, false
}

// tagCategory reads a plain tag, or a machine tag: namespace:predicate="value".
// There the value says most (malware_classification:malware-category="Ransomware"),
// then the predicate (misp-galaxy:botnet="Mozi"). The namespace says nothing.
func tagCategory(name string) (intel.Category, bool) {
	if c, ok := ingest.Category(name); ok {
		return c, ok
	}
	_, rest, ok := strings.Cut(name, ":")
	if !ok {
		return intel.Other, false
	}
	predicate, value, _ := strings.Cut(rest, "=")
	value = strings.Trim(value, `"`)
	value, _, _ = strings.Cut(value, " - ") // ATT&CK: "Phishing - T1566"
	if c, ok := ingest.Category(value); ok {
		return c, ok
	}
	return ingest.Category(predicate)
}
