// Package dshield reads the recommended block list of DShield (SANS Internet
// Storm Center): the networks from which most hosts were scanned over the last
// three days. It opens no files and fetches nothing.
package dshield

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// DefaultLimit is how many indicators a document gives at most; the real one has twenty.
const DefaultLimit = 100_000

// ErrNotDShield is returned, wrapped, for a document without a row of the list.
var ErrNotDShield = errors.New("is no DShield block list")

// Documents returns where the list is had. DShield asks for a contact in the User-Agent.
func Documents() []ingest.Document {
	return []ingest.Document{{URL: "https://isc.sans.edu/feeds/block.txt", Every: time.Hour, Category: intel.Scanner}}
}

// Parse reads the list and calls emit for each network, which returns why it is
// rejected, or "" when it is kept. A bad row costs that row. The error is
// ingest.ErrWebPage, ingest.ErrBinary or ErrNotDShield, wraps
// io.ErrUnexpectedEOF where a list of the old form, which had an end mark, ends
// without it, or is the reader's; what was emitted until then should be thrown away.
func Parse(r io.Reader, o ingest.Options, emit ingest.Keep) (ingest.Drops, error) {
	drops := ingest.Drops{}
	lines, err := ingest.NewLines(r)
	if err != nil {
		return drops, err
	}
	emit = emit.AtMost(cmp.Or(o.Limit, DefaultLimit))
	var updated time.Time
	// Until 2024 a row of headings stood first and a comment END last.
	begun, ended := false, false
	rows := 0
	for lines.Next() {
		line := lines.Text()
		if comment, ok := strings.CutPrefix(line, "#"); ok {
			comment = strings.TrimSpace(comment)
			ended = ended || comment == "END"
			if text, ok := strings.CutPrefix(comment, "updated:"); ok {
				updated = ingest.When(text)
			}
			continue
		}
		columns := strings.Split(string(lines.Raw()), "\t")
		if columns[0] == "Start" {
			begun = true
			continue
		}
		i := o.Template
		i.LastSeen = updated
		why := row(columns, &i)
		if why == "" {
			rows++
			why = emit(&i)
		}
		drops.Add(why, lines.N(), line)
	}
	lines.CountLong(drops)
	switch {
	case lines.Err() != nil:
		return drops, lines.Err()
	case begun && !ended:
		return drops, fmt.Errorf("list ended early, after %d networks: %w", rows, io.ErrUnexpectedEOF)
	case rows == 0:
		return drops, fmt.Errorf("%w: it has no rows: %s", ErrNotDShield, drops)
	}
	return drops, nil
}

// row reads one row: Start, End, Netblock, Attacks, Name, Country, email; the
// last three are often empty or placeholders. Netblock is the length of the network's prefix
// or its mask, and must be what Start and End say.
func row(columns []string, i *intel.Indicator) ingest.Reason {
	for at := range columns {
		columns[at] = strings.TrimSpace(columns[at])
	}
	if len(columns) < 3 {
		return ingest.Unreadable
	}
	first, err1 := netip.ParseAddr(columns[0])
	last, err2 := netip.ParseAddr(columns[1])
	if err1 != nil || err2 != nil {
		if why := ingest.Parse(columns[0], i); why != "" {
			return why
		}
		return ingest.Unreadable
	}
	networks, why := ingest.Range(first, last)
	if why != "" {
		return why
	}
	if len(networks) != 1 || !isLength(columns[2], networks[0]) {
		return ingest.Unreadable
	}
	i.Prefix = networks[0]
	if len(columns) > 4 && !isPlaceholder(columns[4]) {
		i.Name = ingest.Text(columns[4], ingest.MaxName)
	}
	return ""
}

// isLength reports whether text is the length or the mask of a network.
func isLength(text string, network netip.Prefix) bool {
	if strconv.Itoa(network.Bits()) == strings.TrimPrefix(text, "/") {
		return true
	}
	span, rest, ok := ingest.CutSpan(network.Addr().String() + "/" + text)
	networks, why := span.Networks()
	return ok && rest == "" && why == "" && len(networks) == 1 && networks[0] == network
}

// isPlaceholder knows what stands for a name that DShield does not know.
func isPlaceholder(name string) bool {
	switch strings.ToLower(strings.Trim(name, "<> ")) {
	case "", "-", "none", "unknown", "n/a", "null":
		return true
	}
	return false
}
