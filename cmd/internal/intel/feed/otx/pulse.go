package otx

import (
	"encoding/json"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// pulse is what is wanted of one pulse while it is read.
type pulse struct {
	id, name          string
	created, modified string
	tags, families    []string
	found             bool // it has indicators, be it none
	items             []item
}

// item is one indicator as OTX writes it.
type item struct {
	Indicator  string `json:"indicator"`
	Type       string `json:"type"`
	Created    string `json:"created"`
	Expiration string `json:"expiration"`
	Role       string `json:"role"`
	Active     any    `json:"is_active"` // 0, 1, false, true; old pulses have none, and are active
}

// field reads one field of a pulse besides its indicators.
func (p *parser) field(pl *pulse, key any) error {
	switch key {
	case "id":
		return p.text(&pl.id)
	case "name":
		return p.text(&pl.name)
	case "created":
		return p.text(&pl.created)
	case "modified":
		return p.text(&pl.modified)
	case "tags":
		return p.words(&pl.tags)
	case "malware_families":
		return p.words(&pl.families)
	}
	return p.skip()
}

// words reads an array of strings, or of objects with a display_name or a name.
func (p *parser) words(out *[]string) error {
	var values []any
	if _, err := p.decode(&values); err != nil {
		return err
	}
	for _, v := range values {
		if named, ok := v.(map[string]any); ok {
			if v = named["display_name"]; v == nil {
				v = named["name"]
			}
		}
		if s, ok := v.(string); ok {
			*out = append(*out, s)
		}
	}
	return nil
}

// indicators reads the value of a pulse's indicators, null included.
func (p *parser) indicators(pl *pulse) error {
	token, err := p.token()
	if err != nil {
		return err
	}
	if token == json.Delim('{') {
		return p.skipRest()
	}
	if token != json.Delim('[') {
		return nil
	}
	for p.dec.More() {
		var it item
		ok, err := p.decode(&it)
		switch {
		case err != nil:
			return err
		case !ok:
			p.stats.Drops.Add(ingest.Unreadable, 0, it.Indicator)
		case len(pl.items) >= maxPending:
			p.stats.Drops.Add(ingest.OverLimit, 0, it.Indicator)
		default:
			pl.items = append(pl.items, it)
		}
	}
	_, err = p.token()
	return err
}

// flush emits the indicators of a pulse that was read to its end.
func (p *parser) flush(pl *pulse) {
	p.stats.Pulses++
	base := p.o.Template
	base.LastSeen = ingest.When(pl.modified)
	if base.LastSeen.IsZero() {
		base.LastSeen = ingest.When(pl.created)
	}
	if name := ingest.Text(pl.name, ingest.MaxName); name != "" {
		base.Name = name
	}
	if tags := tagList(pl.tags); tags != "" {
		base.Tags = tags
	}
	if isPulseID(pl.id) {
		base.Ref = "https://otx.alienvault.com/pulse/" + pl.id
	}
	base.Category = pl.category(base.Category)
	for i := range pl.items {
		it := &pl.items[i]
		if why := p.take(it, base); why != "" {
			p.stats.Drops.Add(why, 0, it.Indicator)
		} else {
			p.stats.Indicators++
		}
	}
}

// take emits one indicator, i being what its pulse says of it.
func (p *parser) take(it *item, i intel.Indicator) ingest.Reason {
	if p.stats.Indicators >= p.o.Limit {
		return ingest.OverLimit
	}
	if it.Active == false || it.Active == 0.0 {
		return ingest.Inactive
	}
	i.FirstSeen, i.Expires = ingest.When(it.Created), ingest.When(it.Expiration)
	if i.Expires.IsZero() && !i.LastSeen.IsZero() {
		i.Expires = i.LastSeen.Add(lifetime)
	}
	if !i.Expires.IsZero() && !i.Expires.After(p.o.Now) {
		return ingest.Expired
	}
	if c, ok := ingest.Category(it.Role); ok {
		i.Category = c
	}
	if why := observe(it, &i); why != "" {
		return why
	}
	return p.emit(i)
}

// observe reads the indicator's text, which must be what its type says.
func observe(it *item, i *intel.Indicator) ingest.Reason {
	why := ingest.Parse(strings.TrimSpace(it.Indicator), i)
	fits := false
	switch it.Type {
	case "IPv4", "IPv6", "CIDR":
		fits = i.Prefix.IsValid()
	case "domain", "hostname":
		fits = i.Domain != ""
	case "URL":
		fits = i.URL != ""
	default:
		return ingest.Unsupported
	}
	if why == "" && !fits {
		return ingest.Unreadable
	}
	return why
}

// category returns what the pulse's tags say, in their order; then malware, when
// it names a family of it; else the feed's own category.
func (pl *pulse) category(otherwise intel.Category) intel.Category {
	for _, tag := range pl.tags {
		if c, ok := ingest.Category(tag); ok {
			return c
		}
	}
	if len(pl.families) > 0 {
		return intel.Malware
	}
	return otherwise
}

// tagList joins tags with commas, whole ones only.
func tagList(tags []string) string {
	var b strings.Builder
	for _, tag := range tags {
		tag = strings.ReplaceAll(ingest.Text(tag, ingest.MaxName), ",", " ")
		if tag == "" || b.Len()+1+len(tag) > ingest.MaxTags {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(tag)
	}
	return b.String()
}

// isPulseID reports whether id is 24 hexadecimal digits, and thus fits a URL.
func isPulseID(id string) bool {
	if len(id) != 24 {
		return false
	}
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
