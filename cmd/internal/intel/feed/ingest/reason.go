// Package ingest is what every feed format shares: reading one observable as
// people write it, knowing categories and times by their usual words, rejecting
// what must never match, and counting by reason what was left out. It reads no
// files and knows no format.
package ingest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Reason says why something in a feed did not become an indicator. The empty
// Reason is no reason: it did. Its text is for people and for metric labels.
type Reason string

// The reasons.
const (
	Unreadable   Reason = "not an address, network, domain or URL"
	LeadingZero  Reason = "number with a leading zero (octal to some, decimal to others)"
	Reversed     Reason = "range that ends before it begins"
	Zone         Reason = "address with a zone"
	SingleLabel  Reason = "name without a dot"
	PublicSuffix Reason = "public suffix"
	TooWide      Reason = "wider than /8 (IPv4) or /19 (IPv6)"
	SpecialUse   Reason = "special-use network"
	Local        Reason = "own local network"
	Exporter     Reason = "exporter that the configuration names"
	LongLine     Reason = "line too long"
	BadRecord    Reason = "damaged CSV record"
	Unsupported  Reason = "unsupported type"
	Hash         Reason = "file hash"
	BadExpiry    Reason = "expiry that cannot be read"
	BadTime      Reason = "time of a sighting that cannot be read (used without it)"
	Inactive     Reason = "no longer active"
	Context      Reason = "context, not for detection"
	NotYetValid  Reason = "not valid yet"
	Benign       Reason = "said to be benign"
	BadDocument  Reason = "damaged document"
	Expired      Reason = "expired"
	OverLimit    Reason = "over the limit of indicators for one feed"
	Crowded      Reason = "more than 64 reasons for one address"
	Allowed      Reason = "on an allow list"
	Shared       Reason = "host that anybody may upload to"
	NotChosen    Reason = "pulse that the configuration does not choose"
	TooNarrow    Reason = "URL or port, where only a whole address or name can be allowed"
)

// Drop is what is known of all that was left out for one reason.
type Drop struct {
	Count int `json:"count"`
	// Line (from 1, 0: the format has none) and Text are the first example.
	Line int    `json:"line,omitempty"`
	Text string `json:"text,omitempty"`
}

// Drops counts what was left out of a load.
type Drops map[Reason]Drop

// Add counts one, an example of which is text. It does nothing when r is empty.
func (d Drops) Add(r Reason, line int, text string) {
	if r == "" {
		return
	}
	seen := d[r]
	if seen.Count == 0 {
		seen.Line, seen.Text = line, Text(text, 60)
	}
	seen.Count++
	d[r] = seen
}

// Merge adds what other counts.
func (d Drops) Merge(other Drops) {
	for r, more := range other {
		seen := d[r]
		if seen.Count == 0 {
			seen = more
		} else {
			seen.Count += more.Count
		}
		d[r] = seen
	}
}

// Total returns how many were left out.
func (d Drops) Total() int {
	n := 0
	for _, seen := range d {
		n += seen.Count
	}
	return n
}

// String tells the drops to a person, the most frequent first:
//
//	3 special-use network (first: line 7, 10.0.0.0/8), 1 line too long (first: line 9)
func (d Drops) String() string {
	reasons := slices.SortedFunc(maps.Keys(d), func(a, b Reason) int {
		return cmp.Or(cmp.Compare(d[b].Count, d[a].Count), cmp.Compare(a, b))
	})
	var out []string
	for _, r := range reasons {
		seen := d[r]
		var first []string
		if seen.Line > 0 {
			first = append(first, fmt.Sprintf("line %d", seen.Line))
		}
		if seen.Text != "" {
			first = append(first, seen.Text)
		}
		text := fmt.Sprintf("%d %s", seen.Count, r)
		if first != nil {
			text += " (first: " + strings.Join(first, ", ") + ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}
