package list

import (
	"io"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// ParseAllow reads a plain list of what must never match: addresses, networks,
// ranges and names, one a line, and calls emit for each as Parse does. A name
// stands for itself; with a leading "." or "*." for itself and all names below
// it. What follows "#", ";" or a blank is the entry's reason. Entries narrower
// than an address or name, which are URLs and those with a port, are left out:
// taken for all of the host they would allow too much. A reason that begins with
// UntilMark, a time and ":" says when the entry ends.
func ParseAllow(r io.Reader, emit func(intel.AllowEntry) ingest.Reason) (ingest.Drops, error) {
	lines, err := ingest.NewLines(r)
	if err != nil {
		return nil, err
	}
	var subdomains bool // of the entry that is being taken
	p := &parser{
		Reader: Reader{Format: Auto}, limit: DefaultLimit,
		in: source{lines: lines}, drops: ingest.Drops{},
		emit: func(i *intel.Indicator) ingest.Reason {
			if i.URL != "" || i.Port != 0 {
				return ingest.TooNarrow
			}
			return emit(intel.AllowEntry{Prefix: i.Prefix, Domain: i.Domain, Subdomains: subdomains, Reason: i.Name, Until: until(i.Name)})
		},
	}
	for p.in.next() {
		thing, reason := cutReason(p.in.text())
		thing, subdomains = ingest.CutWildcard(thing)
		p.take(thing, intel.Indicator{Name: reason})
	}
	return p.finish()
}

// UntilMark begins the reason of an entry that ends:
// "until 2026-12-05T10:00:00Z: our own scanner".
const UntilMark = "until "

// until returns when an entry with that reason ends; zero: it does not say.
func until(reason string) time.Time {
	rest, ok := strings.CutPrefix(reason, UntilMark)
	if !ok {
		return time.Time{}
	}
	word, _, _ := strings.Cut(rest, " ")
	t, err := time.Parse(time.RFC3339, strings.TrimSuffix(word, ":"))
	if err != nil {
		return time.Time{}
	}
	return t
}

// cutReason splits a line into the one thing that it allows and why.
func cutReason(line string) (thing, reason string) {
	body, comment := cutComment(line)
	if _, rest, ok := ingest.CutSpan(body); ok {
		if body = strings.TrimSpace(strings.TrimSuffix(body, rest)); comment == "" {
			comment = strings.TrimLeft(rest, ", \t")
		}
	} else {
		if body, rest = cutWord(body); comment == "" {
			comment = strings.TrimLeft(rest, ", \t")
		}
	}
	return body, ingest.Text(comment, ingest.MaxName)
}
