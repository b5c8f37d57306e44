// Package abusech reads what the platforms of abuse.ch publish: Feodo Tracker's
// block list of botnet controllers, ThreatFox's indicators, and URLhaus' URLs and
// hosts that serve malware. It opens no files and fetches nothing.
package abusech

import (
	"bufio"
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

// DefaultLimit is how many indicators a document gives at most.
const DefaultLimit = 5_000_000

// Errors for documents that are rejected as a whole.
var (
	ErrNotFeodo     = errors.New("is no block list of Feodo Tracker")
	ErrNotThreatFox = errors.New("holds no indicators of ThreatFox")
	ErrNotURLhaus   = errors.New("holds no URLs or hosts of URLhaus")
)

// keyHeader carries the key that abuse.ch gives to whoever registers.
const keyHeader = "Auth-Key"

// FeodoDocuments returns where Feodo Tracker's list is had, as JSON and as CSV:
// one of them is enough. No controller may be alive for weeks.
func FeodoDocuments() []ingest.Document {
	const site = "https://feodotracker.abuse.ch/downloads/ipblocklist."
	d := ingest.Document{Every: 5 * time.Minute, MayBeEmpty: true, Category: intel.C2}
	json, csv := d, d
	json.URL, csv.URL = site+"json", site+"csv"
	return []ingest.Document{json, csv}
}

// ThreatFoxDocuments returns where ThreatFox's indicators of the last days are
// had: by its API, with the key in a header, and as an export, with the key in
// the URL. One of them is enough.
func ThreatFoxDocuments() []ingest.Document {
	d := ingest.Document{Every: 5 * time.Minute, MayBeEmpty: true, Category: intel.Malware}
	api, export := d, d
	api.URL, api.Header = "https://threatfox-api.abuse.ch/api/v1/", keyHeader
	api.Method, api.ContentType, api.Body = "POST", "application/json", `{"query":"get_iocs","days":7}`
	export.URL = "https://threatfox-api.abuse.ch/v2/files/exports/" + ingest.Key + "/recent.csv"
	return []ingest.Document{api, export}
}

// URLhausDocuments returns where URLhaus' URLs of the last 30 days are had, with
// the key in the URL and without one, and the hosts that are online now.
func URLhausDocuments() []ingest.Document {
	d := ingest.Document{Every: 5 * time.Minute, MayBeEmpty: true, Category: intel.Malware}
	keyed, open, hosts := d, d, d
	keyed.URL = "https://urlhaus-api.abuse.ch/v2/files/exports/" + ingest.Key + "/recent.csv"
	open.URL, hosts.URL = "https://urlhaus.abuse.ch/downloads/csv_recent/", "https://urlhaus.abuse.ch/downloads/hostfile/"
	return []ingest.Document{keyed, open, hosts}
}

// parser emits what the three formats have found.
type parser struct {
	template intel.Indicator
	emit     ingest.Keep
	drops    ingest.Drops
	entries  int   // whole ones, used or not
	not      error // what the document is, when it is nothing of the platform's
}

func newParser(o ingest.Options, not error, emit ingest.Keep) *parser {
	return &parser{template: o.Template, emit: emit.AtMost(cmp.Or(o.Limit, DefaultLimit)), not: not, drops: ingest.Drops{}}
}

// keep emits one indicator.
func (p *parser) keep(i intel.Indicator, line int, text string) {
	p.drops.Add(p.emit(&i), line, text)
}

// beginsLikeJSON looks at the first character of a document that Sniff has seen.
func beginsLikeJSON(r *bufio.Reader) bool {
	head, _ := r.Peek(512) // shorter at the end of the document
	head = []byte(strings.TrimSpace(string(head)))
	return len(head) > 0 && (head[0] == '{' || head[0] == '[')
}

// start returns a reader of the document and whether it is JSON.
func (p *parser) start(r io.Reader) (br *bufio.Reader, isJSON bool, err error) {
	br = bufio.NewReaderSize(r, ingest.MaxLine)
	if err := ingest.Sniff(br); err != nil {
		return nil, false, err
	}
	return br, beginsLikeJSON(br), nil
}

// none says that the document holds nothing of the platform's.
func (p *parser) none(said string) error {
	if said = ingest.Text(said, 200); said != "" {
		return fmt.Errorf("%w: abuse.ch answered %q", p.not, said)
	}
	if len(p.drops) > 0 {
		return fmt.Errorf("%w: %s", p.not, p.drops)
	}
	return p.not
}

// lift returns the address and port of a URL whose host is an address. A name is
// never lifted: malware lies on hosts that everybody uses.
func lift(text string) (address netip.Prefix, port uint16, ok bool) {
	u, _ := intel.SplitURL(text)
	ip, err := netip.ParseAddr(u.Host)
	if err != nil || ip.Zone() != "" {
		return address, 0, false
	}
	ip = ip.Unmap()
	address = netip.PrefixFrom(ip, ip.BitLen())
	switch {
	case u.Port != 0:
		return address, u.Port, true
	case u.Scheme == "http":
		return address, 80, true
	case u.Scheme == "https":
		return address, 443, true
	}
	return address, 0, false
}

// portOf returns 0 for what is no port.
func portOf(text string) uint16 {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}

// isDigits reports whether id is a number, and thus fits a URL.
func isDigits(id string) bool {
	for _, c := range []byte(id) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return id != "" && len(id) <= 20
}
