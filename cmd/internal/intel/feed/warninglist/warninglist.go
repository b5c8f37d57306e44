// Package warninglist reads the lists of well-known addresses and names that MISP
// publishes (github.com/MISP/misp-warninglists), which hold what feeds list by
// mistake again and again. It opens no files and fetches nothing.
package warninglist

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// maxDocument bounds a document, in bytes: it is read as a whole, because its
// type may stand behind its list. The largest of MISP's has a million names in 30 MB.
const maxDocument = 256 << 20

// ErrNotAWarninglist is returned, wrapped, for JSON that holds something else, or
// a warninglist of a type that says nothing about addresses and names (regex, substring).
var ErrNotAWarninglist = errors.New("is not a MISP warninglist of type cidr, hostname or string")

// document is what is wanted of a list.json.
type document struct {
	Name string  `json:"name"`
	Type string  `json:"type"`
	List []value `json:"list"`
}

// value is an entry: a string, or whatever else stands in its place as it is written.
type value string

// UnmarshalJSON rejects nothing: a bad entry costs that entry.
func (v *value) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		s = string(b)
	}
	*v = value(s)
	return nil
}

// Parse reads one list.json and calls emit for each entry, which returns why it
// is rejected, or "" when it is kept. The reason of an entry is the list's name.
// Entries of type cidr are networks or bare addresses; those of type hostname are
// names, in any case, which stand for the names below them too, as in MISP itself; those
// of type string are names and stand for themselves alone. An error rejects the
// document as a whole.
func Parse(r io.Reader, emit func(intel.AllowEntry) ingest.Reason) (ingest.Drops, error) {
	limited := &io.LimitedReader{R: r, N: maxDocument}
	br := bufio.NewReader(limited)
	if err := ingest.Sniff(br); err != nil {
		return nil, err
	}
	var d document
	dec := json.NewDecoder(br)
	if err := dec.Decode(&d); err != nil {
		return nil, explain(err, dec.InputOffset(), limited.N == 0)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: more follows its end at byte %d", ErrNotAWarninglist, dec.InputOffset())
	}
	if d.Type != "cidr" && d.Type != "hostname" && d.Type != "string" {
		return nil, fmt.Errorf("%w: its type is %q", ErrNotAWarninglist, ingest.Text(d.Type, 60))
	}
	if d.List == nil {
		return nil, fmt.Errorf("%w: it has no list", ErrNotAWarninglist)
	}
	drops, kept := ingest.Drops{}, 0
	name := ingest.Text(d.Name, ingest.MaxName)
	for _, v := range d.List {
		e, why := d.entry(strings.TrimSpace(string(v)))
		if why == "" {
			e.Reason = name
			why = emit(e)
		}
		if why == "" {
			kept++
		}
		drops.Add(why, 0, string(v))
	}
	if kept == 0 && len(d.List) > 0 {
		return drops, fmt.Errorf("none of its %d entries can be used: %s", len(d.List), drops)
	}
	return drops, nil
}

// explain says why a document could not be read.
func explain(err error, at int64, tooLong bool) error {
	var shape *json.UnmarshalTypeError
	switch {
	case tooLong:
		return fmt.Errorf("is longer than %d MiB", maxDocument>>20)
	case errors.As(err, &shape):
		return fmt.Errorf("%w: there is a JSON %s in the wrong place", ErrNotAWarninglist, shape.Value)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("JSON ended early: %w", io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("at byte %d: %w", at, err)
}

// entry reads one entry, which must be what the list's type says.
func (d *document) entry(text string) (intel.AllowEntry, ingest.Reason) {
	var e intel.AllowEntry
	text, e.Subdomains = ingest.CutWildcard(text)
	if d.Type == "hostname" {
		e.Subdomains = true
	}
	var i intel.Indicator
	why := ingest.Parse(text, &i)
	e.Prefix, e.Domain = i.Prefix, i.Domain
	fits := e.Domain != ""
	if d.Type == "cidr" {
		fits = e.Prefix.IsValid() && !e.Subdomains
	}
	switch {
	case why != "":
		return e, why
	case i.URL != "" || i.Port != 0:
		return e, ingest.TooNarrow
	case !fits:
		return e, ingest.Unreadable
	}
	return e, ""
}
