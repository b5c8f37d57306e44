package misp

import (
	"strconv"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// attribute is what is wanted of one attribute.
type attribute struct {
	Type      ingest.Scalar `json:"type"`
	Category  ingest.Scalar `json:"category"`
	Value     ingest.Scalar `json:"value"`
	ToIDs     ingest.Scalar `json:"to_ids"`
	Deleted   ingest.Scalar `json:"deleted"`
	Timestamp ingest.Scalar `json:"timestamp"`
	FirstSeen ingest.Scalar `json:"first_seen"`
	LastSeen  ingest.Scalar `json:"last_seen"`
	Comment   ingest.Scalar `json:"comment"`
	Tags      []tag         `json:"Tag"`
}

// isTrue knows the ways in which MISP's versions write a truth value.
func isTrue(s ingest.Scalar) bool { return s == "true" || s == "1" }

// useless returns why no indicator can be made of the attribute. One that does
// not say whether it is for detection is not.
func (a *attribute) useless() ingest.Reason {
	switch a.Type {
	case "ip-dst", "ip-src", "ip-dst|port", "ip-src|port", "domain", "hostname", "hostname|port", "domain|ip", "url":
	default:
		return ingest.Unsupported
	}
	switch {
	case isTrue(a.Deleted):
		return ingest.Inactive
	case !isTrue(a.ToIDs):
		return ingest.Context
	}
	return ""
}

// observe returns what the attribute names, which must be what its type says.
// Nothing of a composite is taken when one of its parts is wrong.
func (a *attribute) observe(base intel.Indicator) ([]intel.Indicator, ingest.Reason) {
	kind, value := string(a.Type), strings.TrimSpace(string(a.Value))
	if kind, rest, ok := strings.Cut(kind, "|"); ok {
		left, right, ok := cutComposite(value)
		if !ok {
			return nil, ingest.Unreadable
		}
		first, why := observe(kind, left, base)
		if why != "" {
			return nil, why
		}
		if rest == "port" {
			port, err := strconv.ParseUint(right, 10, 16)
			if err != nil || first.Port != 0 {
				return nil, ingest.Unreadable
			}
			first.Port = uint16(port)
			return []intel.Indicator{first}, ""
		}
		second, why := observe("ip-dst", right, base)
		if why != "" {
			return nil, why
		}
		return []intel.Indicator{first, second}, ""
	}
	i, why := observe(kind, value, base)
	return []intel.Indicator{i}, why
}

// cutComposite splits a value at the bar, or at the colon that old versions wrote
// before a port.
func cutComposite(s string) (left, right string, ok bool) {
	if left, right, ok = strings.Cut(s, "|"); ok {
		return strings.TrimSpace(left), strings.TrimSpace(right), true
	}
	if at := strings.LastIndexByte(s, ':'); at > 0 && strings.Count(s, ":") == 1 {
		return s[:at], s[at+1:], true
	}
	return "", "", false
}

func observe(kind, text string, i intel.Indicator) (intel.Indicator, ingest.Reason) {
	why := ingest.Parse(text, &i)
	fits := false
	switch kind {
	case "ip-dst", "ip-src":
		fits = i.Prefix.IsValid()
	case "domain", "hostname":
		fits = i.Domain != ""
	case "url":
		fits = i.URL != ""
		if why == ingest.Unreadable && !strings.Contains(text, "://") { // MISP allows URLs without a scheme
			i.Prefix = intel.Indicator{}.Prefix
			why = ingest.Parse("http://"+text, &i)
			fits = i.URL != ""
		}
	}
	if why == "" && !fits {
		why = ingest.Unreadable
	}
	return i, why
}

// category returns what the attribute's own tags say, or its comment when that is
// nothing but a word for it.
func (a *attribute) category() (intel.Category, bool) {
	if c, ok := categoryOf(a.Tags); ok {
		return c, ok
	}
	return ingest.Category(string(a.Comment))
}

func (a *attribute) tagNames() []string { return names(a.Tags) }

func names(tags []tag) (out []string) {
	for _, t := range tags {
		out = append(out, string(t.Name))
	}
	return out
}

// joinMore adds tags to those that are there, whole ones only.
func joinMore(there string, more []string) string {
	if there != "" {
		more = append(strings.Split(there, ","), more...)
	}
	return ingest.JoinTags(more)
}

// seconds reads a Unix time.
func seconds(s string) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n > 253402300799 { // the year 9999
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}
