package export

import (
	"bufio"
	"cmp"
	"crypto/sha1" //nolint:gosec // RFC 9562 makes version 5 UUIDs of SHA-1; nothing rests on its strength
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// stixIndicator is the object of STIX 2.1, section 4.7, with the properties in
// the order in which the specification lists them.
type stixIndicator struct {
	Type               string          `json:"type"`
	SpecVersion        string          `json:"spec_version"`
	ID                 string          `json:"id"`
	CreatedBy          string          `json:"created_by_ref,omitempty"`
	Created            string          `json:"created"`
	Modified           string          `json:"modified"`
	Labels             []string        `json:"labels,omitempty"`
	Confidence         uint8           `json:"confidence"`
	ExternalReferences []stixReference `json:"external_references,omitempty"`
	Name               string          `json:"name"`
	Description        string          `json:"description"`
	IndicatorTypes     []string        `json:"indicator_types"`
	Pattern            string          `json:"pattern"`
	PatternType        string          `json:"pattern_type"`
	ValidFrom          string          `json:"valid_from"`
	ValidUntil         string          `json:"valid_until,omitempty"`
}

// stixReference needs one of description and url beside the name (section 2.5.2):
// readers reject a whole bundle for one that has none.
type stixReference struct {
	SourceName  string `json:"source_name"`
	Description string `json:"description,omitempty"`
	URL         string `json:"url,omitempty"`
}

// stixIdentity is who made the indicators (section 4.5).
type stixIdentity struct {
	Type          string `json:"type"`
	SpecVersion   string `json:"spec_version"`
	ID            string `json:"id"`
	Created       string `json:"created"`
	Modified      string `json:"modified"`
	Name          string `json:"name"`
	IdentityClass string `json:"identity_class"`
}

// writeSTIX writes a STIX 2.1 bundle, one object a line. An indicator's id is made
// of its pattern, so that whoever loads the next bundle knows it again.
//
// https://docs.oasis-open.org/cti/stix/v2.1/os/stix-v2.1-os.html
func writeSTIX(w *bufio.Writer, entries iter.Seq[intel.Indicator], _ *Options, s *Stats) error {
	out := json.NewEncoder(w) // ends each object with a line feed
	out.SetEscapeHTML(false)
	fmt.Fprintf(w, `{"type":"bundle","id":"bundle--%s","objects":[`+"\n", uuid("bundle"))
	me := "identity--" + uuid("identity")
	epoch := stixTime(time.Time{})
	if err := out.Encode(stixIdentity{"identity", "2.1", me, epoch, epoch, "flowhound", "system"}); err != nil {
		return err
	}
	for i := range entries {
		w.WriteByte(',')
		if err := out.Encode(newSTIXIndicator(&i, me)); err != nil {
			return err
		}
		s.Written++
	}
	w.WriteString("]}\n")
	return nil
}

func newSTIXIndicator(i *intel.Indicator, creator string) stixIndicator {
	pattern := stixPattern(i)
	first, last := i.FirstSeen, i.LastSeen
	if first.IsZero() {
		first = last
	}
	if last.Before(first) {
		last = first // modified must not be before created
	}
	x := stixIndicator{
		Type: "indicator", SpecVersion: "2.1", ID: "indicator--" + uuid(pattern), CreatedBy: creator,
		Created: stixTime(first), Modified: stixTime(last),
		Labels: stixLabels(i), Confidence: i.Score, ExternalReferences: []stixReference{stixReferenceOf(i)},
		Name: written(i), Description: cmp.Or(i.Name, "listed by the feed "+i.Feed), IndicatorTypes: []string{stixType(i.Category)},
		Pattern: pattern, PatternType: "stix", ValidFrom: stixTime(first),
	}
	if i.Expires.After(first) {
		x.ValidUntil = stixTime(i.Expires)
	}
	return x
}

// stixReferenceOf names the feed, and its page where it has one.
func stixReferenceOf(i *intel.Indicator) stixReference {
	r := stixReference{SourceName: i.Feed, URL: i.Ref}
	if r.URL == "" {
		r.Description = "listed by the feed " + i.Feed
	}
	return r
}

func stixPattern(i *intel.Indicator) string {
	switch kindOf(i) {
	case Domain:
		return "[domain-name:value = " + stixString(i.Domain) + "]"
	case URL:
		return "[url:value = " + stixString(i.URL) + "]"
	case Address:
		return fmt.Sprintf("[ipv%d-addr:value = '%s']", family(i.Prefix), i.Prefix.Addr())
	}
	return fmt.Sprintf("[ipv%d-addr:value ISSUBSET '%s']", family(i.Prefix), i.Prefix)
}

// stixString returns a string literal of the pattern language (section 9.3).
func stixString(s string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `'`, `\'`) + "'"
}

func stixLabels(i *intel.Indicator) []string {
	labels := []string{i.Category.String()}
	for tag := range strings.SplitSeq(i.Tags, ",") {
		if tag = strings.TrimSpace(tag); tag != "" && !slices.Contains(labels, tag) {
			labels = append(labels, tag)
		}
	}
	return labels
}

// stixType returns the category's word in the open vocabulary of section 10.6.
func stixType(c intel.Category) string {
	switch c {
	case intel.Anonymizer:
		return "anonymization"
	case intel.Policy, intel.Other:
		return "unknown"
	}
	return "malicious-activity"
}

// stixTime writes milliseconds, as section 3.2 wants created and modified. STIX
// requires times that many lists do not have; they become the first of 1970,
// because a made-up one would be another in the next bundle.
func stixTime(t time.Time) string {
	if t.IsZero() {
		t = time.Unix(0, 0)
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// stixNamespace is flowhound's own, a random UUID. (The specification's is for
// cyber-observable objects only.)
var stixNamespace = [16]byte{0x6b, 0x1f, 0x0c, 0x92, 0x5d, 0x3e, 0x4a, 0x77, 0x9a, 0x40, 0x2c, 0xe1, 0x88, 0xd4, 0x03, 0xb5}

// uuid returns the version 5 UUID of name (RFC 9562 section 5.5).
func uuid(name string) string {
	h := sha1.New() //nolint:gosec // see the import
	h.Write(stixNamespace[:])
	h.Write([]byte(name))
	u := h.Sum(nil)[:16]
	u[6] = u[6]&0x0f | 0x50
	u[8] = u[8]&0x3f | 0x80
	x := hex.EncodeToString(u)
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}
