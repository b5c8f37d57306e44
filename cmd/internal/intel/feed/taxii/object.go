package taxii

import (
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// object is what is wanted of a STIX object. Its JSON is in STIX's own words, so
// that what is written can be read like what was fetched.
type object struct {
	ID          string        `json:"id"`
	Type        string        `json:"type"`
	Name        string        `json:"name,omitempty"`
	Pattern     ingest.Scalar `json:"pattern,omitempty"`
	PatternType string        `json:"pattern_type,omitempty"`
	Modified    string        `json:"modified,omitempty"`
	ValidFrom   string        `json:"valid_from,omitempty"`
	ValidUntil  string        `json:"valid_until,omitempty"`
	Revoked     bool          `json:"revoked,omitempty"`
	Confidence  *float64      `json:"confidence,omitempty"` // nil: not given
	Labels      []string      `json:"labels,omitempty"`
	Types       []string      `json:"indicator_types,omitempty"`
	Phases      []phase       `json:"kill_chain_phases,omitempty"`
	References  []reference   `json:"external_references,omitempty"`
}

type phase struct {
	Name string `json:"phase_name"`
}

type reference struct {
	URL string `json:"url"`
}

// field reads one field of an object.
func (x *object) field(in *ingest.JSON, key string) error {
	var err error
	switch key {
	case "id":
		return in.Text(&x.ID)
	case "type":
		return in.Text(&x.Type)
	case "name":
		return in.Text(&x.Name)
	case "pattern":
		_, err = in.Decode(&x.Pattern)
	case "pattern_type":
		return in.Text(&x.PatternType)
	case "modified":
		return in.Text(&x.Modified)
	case "valid_from":
		return in.Text(&x.ValidFrom)
	case "valid_until":
		return in.Text(&x.ValidUntil)
	case "revoked":
		_, err = in.Decode(&x.Revoked)
	case "confidence":
		_, err = in.Decode(&x.Confidence)
	case "labels":
		_, err = in.Decode(&x.Labels)
	case "indicator_types":
		_, err = in.Decode(&x.Types)
	case "kill_chain_phases":
		_, err = in.Decode(&x.Phases)
	case "external_references":
		_, err = in.Decode(&x.References)
	default:
		return in.Skip()
	}
	return err
}

// useless returns why an indicator object gives nothing now.
func (x *object) useless(now time.Time, base intel.Indicator) ingest.Reason {
	switch {
	case x.Revoked:
		return ingest.Inactive
	case x.PatternType != "" && x.PatternType != "stix", x.Pattern == "": // STIX 2.0 has no types
		return ingest.Unsupported
	case len(x.Types) == 1 && strings.EqualFold(x.Types[0], "benign"):
		return ingest.Benign
	case base.FirstSeen.After(now):
		return ingest.NotYetValid
	}
	return ingest.Outdated(base.Expires, now)
}

// base returns what all that the pattern names has in common, or that its end
// cannot be read, which must not pass for none.
func (x *object) base(base intel.Indicator) (_ intel.Indicator, why ingest.Reason) {
	var ok bool
	if base.Expires, ok = ingest.Time(x.ValidUntil, time.Time{}); !ok {
		return base, ingest.BadExpiry
	}
	base.FirstSeen, base.LastSeen = ingest.When(x.ValidFrom), ingest.When(x.Modified)
	if name := ingest.Text(x.Name, ingest.MaxName); name != "" {
		base.Name = name
	}
	if c := x.Confidence; c != nil && *c >= 0 && *c <= 100 {
		base.Score = uint8(*c)
	}
	if tags := ingest.JoinTags(append(x.Labels[:len(x.Labels):len(x.Labels)], x.Types...)); tags != "" {
		base.Tags = tags
	}
	for _, r := range x.References {
		if link := ingest.Link(r.URL); link != "" {
			base.Ref = link
			break
		}
	}
	base.Category = x.category(base.Category)
	return base, ""
}

// category returns what the labels say, then the types, then the kill chain.
func (x *object) category(otherwise intel.Category) intel.Category {
	words := append(x.Labels[:len(x.Labels):len(x.Labels)], x.Types...)
	for _, p := range x.Phases {
		words = append(words, p.Name)
	}
	for _, word := range words {
		if strings.EqualFold(word, "anonymization") { // STIX 2.1, section 10.6
			return intel.Anonymizer
		}
		if c, ok := ingest.Category(word); ok {
			return c
		}
	}
	return otherwise
}
