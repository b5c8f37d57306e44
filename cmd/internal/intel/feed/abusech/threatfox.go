package abusech

import (
	"cmp"
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// ioc is one entry of ThreatFox, by the API's names and by the export's.
type ioc struct {
	ID         ingest.Scalar   `json:"id"`
	IOC        ingest.Scalar   `json:"ioc"`
	Value      ingest.Scalar   `json:"ioc_value"`
	Type       ingest.Scalar   `json:"ioc_type"`
	Threat     ingest.Scalar   `json:"threat_type"`
	Malware    ingest.Scalar   `json:"malware_printable"`
	Confidence ingest.Scalar   `json:"confidence_level"`
	FirstSeen  ingest.Scalar   `json:"first_seen"`
	FirstUTC   ingest.Scalar   `json:"first_seen_utc"`
	LastSeen   ingest.Scalar   `json:"last_seen"`
	LastUTC    ingest.Scalar   `json:"last_seen_utc"`
	Reference  ingest.Scalar   `json:"reference"`
	Tags       json.RawMessage `json:"tags"` // an array of strings, or one with commas
}

// ParseThreatFox reads an answer of ThreatFox's API to get_iocs, or its export as
// JSON or CSV, and calls emit for each indicator, which returns why it is rejected,
// or "" when it is kept. A URL on an address is two: the URL, and the address with
// its port. A bad entry costs that entry; a search without results is fine. The
// error is ingest.ErrWebPage, ingest.ErrBinary or ErrNotThreatFox, wrapped, says
// where the JSON is damaged or ended early, or is the reader's; what was
// emitted until then should be thrown away.
func ParseThreatFox(r io.Reader, o ingest.Options, emit ingest.Keep) (ingest.Drops, error) {
	p := newParser(o, ErrNotThreatFox, emit)
	br, isJSON, err := p.start(r)
	if err != nil {
		return p.drops, err
	}
	if isJSON {
		in := ingest.NewJSON(br)
		return p.drops, p.threatFoxJSON(in)
	}
	found, err := readTable(br, "ioc_value", p.drops, func(t *table) {
		get := func(name string) ingest.Scalar { return ingest.Scalar(t.get(name)) }
		tags, _ := json.Marshal(t.get("tags")) // a string always can be
		p.threatFox(&ioc{ID: get("ioc_id"), Value: get("ioc_value"), Type: get("ioc_type"), Threat: get("threat_type"), Malware: get("malware_printable"),
			Confidence: get("confidence_level"), FirstUTC: get("first_seen_utc"), LastUTC: get("last_seen_utc"), Reference: get("reference"), Tags: tags}, t.lines.N())
	})
	if err == nil && !found {
		err = p.none("")
	}
	return p.drops, err
}

// threatFoxJSON reads {"query_status": "ok", "data": [ioc...]} of the API and
// {"<id>": [ioc...], ...} of the export.
func (p *parser) threatFoxJSON(in *ingest.JSON) error {
	var status, said string
	lists := 0
	isObject, err := in.Object(func(key string) error {
		switch {
		case key == "query_status":
			return in.Text(&status)
		case key == "error":
			return in.Text(&said)
		case key != "data" && !isDigits(key):
			return in.Skip()
		}
		isArray, err := in.Array(func() error {
			var x ioc
			ok, err := in.Decode(&x)
			if err == nil && !ok {
				p.drops.Add(ingest.Unreadable, 0, "no object")
			} else if err == nil {
				if x.ID == "" {
					x.ID = ingest.Scalar(key)
				}
				p.threatFox(&x, 0)
			}
			return err
		})
		if isArray {
			lists++
		}
		return err
	})
	if err == nil {
		err = in.End()
	}
	switch {
	case err != nil:
		return in.Explain(err)
	case status == "no_result", status == "ok" && lists > 0, status == "" && said == "" && lists > 0:
		return nil
	case !isObject:
		return p.none("")
	}
	return p.none(cmp.Or(said, status))
}

// threatFox emits one entry.
func (p *parser) threatFox(x *ioc, line int) {
	text := strings.TrimSpace(string(cmp.Or(x.IOC, x.Value)))
	i := p.template
	if why := x.observe(text, &i); why != "" {
		p.drops.Add(why, line, text)
		return
	}
	p.entries++
	if c, ok := ingest.Category(string(x.Threat)); ok {
		i.Category = c
	}
	if n, err := strconv.ParseUint(string(x.Confidence), 10, 8); err == nil && n <= 100 {
		i.Score = uint8(n)
	}
	i.FirstSeen = ingest.When(string(cmp.Or(x.FirstUTC, x.FirstSeen)))
	i.LastSeen = ingest.When(string(cmp.Or(x.LastUTC, x.LastSeen)))
	i.Name = cmp.Or(ingest.Text(given(string(x.Malware)), ingest.MaxName), i.Name)
	i.Tags = cmp.Or(ingest.JoinTags(x.tags()), i.Tags)
	i.Ref = cmp.Or(x.page(), ingest.Link(string(x.Reference)), i.Ref)
	p.keep(i, line, text)
	if i.URL != "" {
		p.lifted(i, line, text)
	}
}

// lifted emits the address of a URL that stands on one.
func (p *parser) lifted(i intel.Indicator, line int, text string) {
	address, port, ok := lift(i.URL)
	if !ok {
		return
	}
	i.URL, i.Prefix, i.Port = "", address, port
	p.keep(i, line, text)
}

// observe reads the entry's text, which must be what its type says.
func (x *ioc) observe(text string, i *intel.Indicator) ingest.Reason {
	switch x.Type {
	case "ip:port", "domain", "url":
	case "":
		return ingest.Unreadable
	default:
		return ingest.Unsupported // hashes, mail addresses
	}
	if why := ingest.Parse(text, i); why != "" {
		return why
	}
	switch {
	case x.Type == "ip:port" && !i.Prefix.IsSingleIP(), x.Type == "domain" && i.Domain == "", x.Type == "url" && i.URL == "":
		return ingest.Unreadable
	case isShared(i.Domain):
		return ingest.Shared
	}
	return ""
}

// page returns the entry's page for people.
func (x *ioc) page() string {
	if !isDigits(string(x.ID)) {
		return ""
	}
	return "https://threatfox.abuse.ch/ioc/" + string(x.ID) + "/"
}

func (x *ioc) tags() []string {
	var list []string
	var joined string
	if json.Unmarshal(x.Tags, &list) == nil {
		return list
	}
	if json.Unmarshal(x.Tags, &joined) == nil && joined != "" {
		return strings.Split(joined, ",")
	}
	return nil
}
