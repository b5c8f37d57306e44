package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/text"
)

// Bounds on values that come from outside this program, as our line has them.
const (
	maxToken = 24 // kind, direction, state, category, country
	maxFeed  = 64
	maxID    = 48

	// keepForText is what values that a message can do without leave to the
	// reference and the name, if these need it.
	keepForText = 160
)

// formatter makes messages of hits. It is not for concurrent use.
type formatter struct {
	header  header
	payload string
	version string // of this program, for CEF and LEEF
	size    int    // the most bytes of a message, framing not counted
}

// append appends the message of h to b. Too long a message loses indicators and
// details, then the end of its name, then of its reference; one that does not fit
// even so is an error, which only JSON can come to.
func (f *formatter) append(b []byte, h *plugin.Hit) ([]byte, error) {
	end := len(b) + f.size
	b = f.header.append(b, h)
	switch f.payload {
	case payloadKV:
		b = appendKV(b, h, end)
	case payloadJSON:
		return appendJSON(b, h, end)
	case payloadCEF:
		b = f.appendCEF(b, h, end)
	case payloadLEEF:
		b = f.appendLEEF(b, h, end)
	default:
		b = hit.AppendLine(b, h)
	}
	return b, nil
}

// pairs appends key=value pairs that stay within end bytes.
type pairs struct {
	b    []byte
	end  int
	sep  byte
	esc  *text.Place
	wrap bool // values that need it stand in quotes
	n    int
}

// text appends key=value, the value cut to limit bytes and to what there is room
// for. An empty value leaves the key out.
func (p *pairs) text(key, value string, limit int) { p.ended(key, value, limit, "") }

// labelled appends a custom field of CEF and, before it, the label that says what
// it holds: both or none.
func (p *pairs) labelled(key, label, value string, limit int) {
	start, n := len(p.b), p.n
	p.text(key+"Label", label, len(label))
	if !p.ended(key, value, limit, "") {
		p.b, p.n = p.b[:start], n
	}
}

// ended is text with an ending, of plain characters, that is never cut. It reports
// whether it appended anything.
func (p *pairs) ended(key, value string, limit int, ending string) bool {
	start := len(p.b)
	room := min(limit, p.end-start-len(key)-len(` ="" `)-len(ending))
	if room <= 0 && ending == "" {
		return false
	}
	if p.n > 0 {
		p.b = append(p.b, p.sep)
	}
	p.b = append(append(p.b, key...), '=')
	from := len(p.b)
	p.b = p.esc.Append(p.b, value, room)
	if len(p.b) == from { // nothing but the ending
		ending = strings.TrimPrefix(ending, " ")
	}
	p.b = append(p.b, ending...)
	switch {
	case len(p.b) == from:
		p.b = p.b[:start]
		return false
	case p.wrap && needsQuotes(p.b[from:]):
		p.b = append(p.b, `""`...)
		copy(p.b[from+1:], p.b[from:])
		p.b[from] = '"'
		p.b[len(p.b)-1] = '"'
	}
	p.n++
	return true
}

// detail is text for what a message can do without: whole, or not at all.
func (p *pairs) detail(key, value string) {
	p.spare(func() { p.text(key, value, 2*len(value)) })
}

// spare takes back what add appends if that leaves too little room for the texts.
func (p *pairs) spare(add func()) {
	start, n := len(p.b), p.n
	if add(); len(p.b) > p.end-keepForText {
		p.b, p.n = p.b[:start], n
	}
}

func (p *pairs) uint(key string, v uint64) {
	var digits [20]byte
	p.text(key, string(strconv.AppendUint(digits[:0], v, 10)), 20)
}

// needsQuotes reports whether a logfmt reader would take b for more than a word.
func needsQuotes(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f {
			return true
		}
	}
	return false
}

// appendKV appends the keys of our line that have a value, in its order, then
// details of the JSON form, then ref and name, as logfmt: a value with anything
// but plain characters stands in double quotes, in which '"' and '\' are escaped.
func appendKV(b []byte, h *plugin.Hit, end int) []byte {
	p := pairs{b: append(b, "hit "...), end: end, sep: ' ', esc: &text.Quoted, wrap: true}
	lineKeys(h, func(key, value string, limit int) { p.text(key, value, limit) })
	p.detail("time", timestamp(h.Time))
	p.detail("local", address(h.Local))
	p.detail("remote", address(h.Remote))
	p.detail("matched", string(h.Matched))
	p.detail("src_bytes", number(h.SrcBytes))
	p.detail("dst_bytes", number(h.DstBytes))
	p.detail("src_pkts", number(h.SrcPackets))
	p.detail("dst_pkts", number(h.DstPackets))
	p.detail("nat_src", address(h.NATSrc))
	p.detail("nat_dst", address(h.NATDst))
	placeDetails(&p, h)
	p.detail("start", timestamp(h.Start))
	p.detail("end", timestamp(h.End))
	p.refAndName("ref", "", "name", h)
	return p.b
}

// placeDetails appends where both sides are and whose, by the names of the JSON form.
func placeDetails(p *pairs, h *plugin.Hit) {
	as := func(n uint32) string { return number(uint64(n)) }
	p.detail("scc", h.SrcPlace.Country)
	p.detail("dcc", h.DstPlace.Country)
	p.detail("sas", as(h.SrcPlace.AS))
	p.detail("das", as(h.DstPlace.AS))
	p.detail("src_owner", h.SrcPlace.Owner)
	p.detail("dst_owner", h.DstPlace.Owner)
	p.detail("src_host", h.SrcPlace.Host)
	p.detail("dst_host", h.DstPlace.Host)
	p.detail("src_site", h.SrcPlace.Site)
	p.detail("dst_site", h.DstPlace.Site)
}

// refAndName appends both in what room is left, the reference first, behind its
// label if CEF wants one. The name ends with the remarks, and how many addresses stand behind a
// folded hit, as on our line.
func (p *pairs) refAndName(ref, label, name string, h *plugin.Hit) {
	ending := h.Remarks()
	room := p.end - len(p.b) - len(ref) - len(name) - len(ending) - len(` ="" =""  `)
	if label == "" {
		p.text(ref, h.Ref, room)
	} else {
		p.labelled(ref, label, h.Ref, room-len(ref)-len(label)-len("Label= "))
	}
	p.ended(name, h.Name, p.end-len(p.b), ending)
}

// lineKeys calls add for the keys of our line up to id that h has a value for.
func lineKeys(h *plugin.Hit, add func(key, value string, limit int)) {
	add("kind", string(h.Kind), maxToken)
	add("sev", h.Severity.String(), maxToken)
	add("dir", string(h.Direction), maxToken)
	add("state", string(h.State), maxToken)
	add("cat", h.Category, maxToken)
	add("feed", h.Feed, maxFeed)
	add("ioc", hit.FormatIOC(h.IOC), maxFeed)
	add("score", strconv.Itoa(h.Score), maxToken)
	add("src", address(h.Src), maxFeed)
	add("sport", port(h.SrcPort), maxToken)
	add("dst", address(h.Dst), maxFeed)
	add("dport", port(h.DstPort), maxToken)
	add("proto", protocol(h.Proto), maxToken)
	add("count", strconv.FormatUint(h.Count, 10), maxToken)
	add("bytes", strconv.FormatUint(h.Bytes, 10), maxToken)
	add("pkts", strconv.FormatUint(h.Packets, 10), maxToken)
	add("cc", h.Country, maxToken)
	add("exporter", address(h.Exporter), maxFeed)
	add("id", h.ID, maxID)
}

// appendSD appends the keys of our line as structured data (RFC 5424 section 6.3).
func appendSD(b []byte, id string, h *plugin.Hit) []byte {
	b = append(append(b, '['), id...)
	name := text.JSON.String(h.Name, 256) + h.Remarks()
	add := func(key, value string, limit int) {
		if value == "" {
			return
		}
		b = append(append(append(b, ' '), key...), `="`...)
		b = append(text.SD.Append(b, value, limit), '"')
	}
	lineKeys(h, add)
	add("ref", h.Ref, 256)
	add("name", name, 2*len(name))
	return append(b, ']')
}

func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().WithZone("").String()
}

func port(p int) string {
	if p < 0 {
		return ""
	}
	return strconv.Itoa(p)
}

func protocol(n uint8) string {
	if name := hit.ProtoName(n); name != "" {
		return name
	}
	return strconv.Itoa(int(n))
}

// number is v, "" for 0.
func number(v uint64) string {
	if v == 0 {
		return ""
	}
	return strconv.FormatUint(v, 10)
}

// timestamp is t by RFC 3339 in UTC, to the millisecond, "" when there is none.
func timestamp(t time.Time) string {
	if !hasTime(t) {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// millis is t in milliseconds since 1970, as CEF wants it, "" when there is none.
func millis(t time.Time) string {
	if !hasTime(t) {
		return ""
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}

func hasTime(t time.Time) bool {
	y := t.UTC().Year()
	return !t.IsZero() && y >= 1 && y <= 9999
}

// errTooLong is what JSON comes to that no cutting makes fit.
func errTooLong(h *plugin.Hit, size int) error {
	return fmt.Errorf("hit %.48q does not fit into %d bytes as JSON: raise max_size", h.ID, size)
}
