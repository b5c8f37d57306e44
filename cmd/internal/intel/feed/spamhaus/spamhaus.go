// Package spamhaus reads the DROP lists (Don't Route Or Peer) of the Spamhaus
// Project: networks that are hijacked or leased by criminals, and autonomous
// systems, of which no indicators can be made. It opens no files and fetches
// nothing.
package spamhaus

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// DefaultLimit is how many indicators a document gives at most; the real ones have some 1,500.
const DefaultLimit = 1_000_000

// ErrNotDROP is returned, wrapped, for a document that is not a DROP list.
var ErrNotDROP = errors.New("is not a Spamhaus DROP list in JSON")

// Documents returns where the lists are had: IPv4, IPv6, and autonomous systems.
func Documents() []ingest.Document {
	const site = "https://www.spamhaus.org/drop/"
	d := ingest.Document{Every: time.Hour, Category: intel.Malware}
	v4, v6, asn := d, d, d
	v4.URL, v6.URL, asn.URL = site+"drop_v4.json", site+"drop_v6.json", site+"asndrop.json"
	asn.MayBeEmpty = true // no indicators can be made of it
	return []ingest.Document{v4, v6, asn}
}

// record is a line: a network, an autonomous system, or the metadata that ends
// the list.
type record struct {
	CIDR    string          `json:"cidr"`
	SBL     string          `json:"sblid"`
	ASN     json.RawMessage `json:"asn"`
	ASName  string          `json:"asname"`
	Type    string          `json:"type"`
	Records *int            `json:"records"`
}

// Parse reads one or more lists, one JSON object a line, and calls emit for each
// network, which returns why it is rejected, or "" when it is kept. Autonomous
// systems are counted as unsupported. The error is ingest.ErrWebPage,
// ingest.ErrBinary or ErrNotDROP, wrapped, wraps io.ErrUnexpectedEOF where the
// last list's metadata is missing or counts more records than there are, or is
// the reader's; what was emitted until then should be thrown away.
func Parse(r io.Reader, o ingest.Options, emit ingest.Keep) (ingest.Drops, error) {
	drops := ingest.Drops{}
	lines, err := ingest.NewLines(r)
	if err != nil {
		return drops, err
	}
	emit = emit.AtMost(cmp.Or(o.Limit, DefaultLimit))
	pending, lists := 0, 0 // records since the last metadata; metadata seen
	for lines.Next() {
		var rec record
		if err := json.Unmarshal(lines.Raw(), &rec); err != nil {
			pending++
			drops.Add(ingest.Unreadable, lines.N(), lines.Text())
			continue
		}
		if rec.Type == "metadata" {
			if rec.Records != nil && *rec.Records != pending {
				return drops, fmt.Errorf("list has %d records while its metadata says %d: %w", pending, *rec.Records, io.ErrUnexpectedEOF)
			}
			pending, lists = 0, lists+1
			continue
		}
		pending++
		drops.Add(take(&rec, o.Template, emit), lines.N(), rec.text(lines.Text()))
	}
	lines.CountLong(drops)
	switch {
	case lines.Err() != nil:
		return drops, lines.Err()
	case lists == 0 && (pending == 0 || pending == drops[ingest.Unreadable].Count):
		return drops, fmt.Errorf("%w: %s", ErrNotDROP, drops)
	case pending > 0:
		return drops, fmt.Errorf("list ends after %d records without its metadata: %w", pending, io.ErrUnexpectedEOF)
	}
	return drops, nil
}

// take emits one network, i being what all have in common.
func take(rec *record, i intel.Indicator, emit ingest.Keep) ingest.Reason {
	if rec.CIDR == "" && len(rec.ASN) > 0 {
		return ingest.Unsupported
	}
	switch why := ingest.Parse(rec.CIDR, &i); {
	case why != "":
		return why
	case !i.Prefix.IsValid() || i.Port != 0:
		return ingest.Unreadable
	}
	if isSBL(rec.SBL) {
		i.Name = "Spamhaus DROP " + rec.SBL
		i.Ref = "https://www.spamhaus.org/sbl/query/" + rec.SBL
	}
	return emit(&i)
}

// text returns what an example of a dropped record says.
func (rec *record) text(line string) string {
	switch {
	case rec.CIDR != "":
		return rec.CIDR
	case len(rec.ASN) > 0:
		return "AS" + string(rec.ASN) + " " + rec.ASName
	}
	return line
}

// isSBL reports whether id is SBL and digits, and thus fits a URL.
func isSBL(id string) bool {
	if len(id) < 4 || len(id) > 20 || id[:3] != "SBL" {
		return false
	}
	for _, c := range []byte(id[3:]) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
