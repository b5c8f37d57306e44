package otx

import (
	"slices"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// pulse is what is wanted of one pulse. Its JSON is in OTX's own words, so that
// what is written can be read like what was fetched.
type pulse struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Author      string   `json:"author_name"`
	Created     string   `json:"created"`
	Modified    string   `json:"modified"`
	TLP         string   `json:"tlp"`
	Subscribers *int     `json:"subscriber_count,omitempty"` // nil: OTX does not say
	Tags        []string `json:"tags"`
	Families    []string `json:"malware_families"`
	More        bool     `json:"-"` // there are more indicators than the page gave
	Indicators  []item   `json:"indicators"`
	// LeftOut counts indicators that are not among Indicators.
	LeftOut ingest.Drops `json:"left_out,omitempty"`
}

// item is one indicator as OTX writes it.
type item struct {
	Indicator  string        `json:"indicator"`
	Type       string        `json:"type"`
	Created    string        `json:"created,omitempty"`
	Expiration string        `json:"expiration,omitempty"`
	Role       string        `json:"role,omitempty"`
	Active     ingest.Scalar `json:"is_active,omitempty"` // 0, 1, false, true; old pulses have none, and are active
}

// field reads one field of a pulse besides its indicators.
func (pl *pulse) field(d *document, key string) error {
	switch key {
	case "id":
		return d.in.Text(&pl.ID)
	case "name":
		return d.in.Text(&pl.Name)
	case "author_name":
		return d.in.Text(&pl.Author)
	case "created":
		return d.in.Text(&pl.Created)
	case "modified":
		return d.in.Text(&pl.Modified)
	case "tlp", "TLP":
		return d.in.Text(&pl.TLP)
	case "subscriber_count":
		_, err := d.in.Decode(&pl.Subscribers)
		return err
	case "tags":
		return words(d.in, &pl.Tags)
	case "malware_families":
		return words(d.in, &pl.Families)
	case "more_indicators":
		_, err := d.in.Decode(&pl.More)
		return err
	case "left_out":
		return pl.leftOut(d.in)
	}
	return d.in.Skip()
}

// leftOut reads what an archived pulse says of indicators that were not kept.
func (pl *pulse) leftOut(in *ingest.JSON) error {
	var drops ingest.Drops
	if _, err := in.Decode(&drops); err != nil {
		return err
	}
	for _, why := range []ingest.Reason{ingest.Unsupported, ingest.Unreadable, ingest.OverLimit} {
		if drop := drops[why]; drop.Count > 0 {
			pl.leave(why, drop)
		}
	}
	return nil
}

func (pl *pulse) leave(why ingest.Reason, drop ingest.Drop) {
	if pl.LeftOut == nil {
		pl.LeftOut = ingest.Drops{}
	}
	pl.LeftOut.Merge(ingest.Drops{why: drop})
}

// words reads an array of strings, or of objects with a display_name or a name.
func words(in *ingest.JSON, out *[]string) error {
	var values []any
	if _, err := in.Decode(&values); err != nil {
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

// items reads the value of a pulse's indicators, null included.
func (pl *pulse) items(d *document) error {
	_, err := d.in.Array(func() error {
		var it item
		ok, err := d.in.Decode(&it)
		switch {
		case err != nil:
			return err
		case !ok:
			pl.leave(ingest.Unreadable, ingest.Drop{Count: 1, Text: ingest.Text(it.Indicator, 60)})
		default:
			pl.add(it)
		}
		return nil
	})
	return err
}

func (pl *pulse) add(it item) {
	switch {
	case !it.supported():
		pl.leave(ingest.Unsupported, ingest.Drop{Count: 1, Text: ingest.Text(it.Indicator, 60)})
	case len(pl.Indicators) >= maxPending:
		pl.leave(ingest.OverLimit, ingest.Drop{Count: 1, Text: ingest.Text(it.Indicator, 60)})
	default:
		pl.Indicators = append(pl.Indicators, it)
	}
}

// base returns what all indicators of the pulse have in common.
func (pl *pulse) base(base intel.Indicator) intel.Indicator {
	base.LastSeen = ingest.When(pl.Modified)
	if base.LastSeen.IsZero() {
		base.LastSeen = ingest.When(pl.Created)
	}
	if name := ingest.Text(pl.Name, ingest.MaxName); name != "" {
		base.Name = name
	}
	if tags := ingest.JoinTags(pl.words()); tags != "" {
		base.Tags = tags
	}
	if isPulseID(pl.ID) {
		base.Ref = "https://otx.alienvault.com/pulse/" + pl.ID
	}
	base.Category = pl.category(base.Category)
	return base
}

// supported reports whether the type is one of which indicators can be made.
func (it *item) supported() bool {
	switch it.Type {
	case "IPv4", "IPv6", "CIDR", "domain", "hostname", "URL":
		return true
	}
	return false
}

// observe reads the indicator's text, which must be what its type says.
func (it *item) observe(i *intel.Indicator) ingest.Reason {
	why := ingest.Parse(strings.TrimSpace(it.Indicator), i)
	fits := false
	switch it.Type {
	case "IPv4", "IPv6", "CIDR":
		fits = i.Prefix.IsValid()
	case "domain", "hostname":
		fits = i.Domain != ""
	case "URL":
		fits = i.URL != ""
	}
	if why == "" && !fits {
		return ingest.Unreadable
	}
	return why
}

// words returns the tags and then the malware families that are not among them.
func (pl *pulse) words() []string {
	all := slices.Clone(pl.Tags)
	for _, family := range pl.Families {
		if !slices.ContainsFunc(pl.Tags, func(tag string) bool { return strings.EqualFold(tag, family) }) {
			all = append(all, family)
		}
	}
	return all
}

// category returns what the pulse's tags and families say, in their order; then
// malware, when it names a family of it; else the feed's own category.
func (pl *pulse) category(otherwise intel.Category) intel.Category {
	for _, tag := range pl.words() {
		if c, ok := ingest.Category(tag); ok {
			return c
		}
	}
	if len(pl.Families) > 0 {
		return intel.Malware
	}
	return otherwise
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
