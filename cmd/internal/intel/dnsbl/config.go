package dnsbl

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/plugin/nearest"
)

// Config says which DNS blacklists are asked about the addresses that own hosts
// contact. Without zones none is.
type Config struct {
	Zones []ZoneConfig `yaml:"zones,omitempty" validate:"dive"`
	// Resolvers are addresses, with or without a port; empty: the system's.
	Resolvers []string `yaml:"resolvers,omitempty" validate:"dive,resolver"`

	// Local are the own networks and Exporters those that the configuration names:
	// nobody is asked about either. They are other sections' of the file.
	Local     []netip.Prefix `yaml:"-" validate:"-"`
	Exporters []netip.Prefix `yaml:"-" validate:"-"`
}

// ZoneConfig is one DNS blacklist as the configuration has it.
type ZoneConfig struct {
	// Zone is where questions are asked. It may hold a customer's key; Name is
	// what is shown.
	Zone string `yaml:"zone" validate:"required,dns_name"`
	Name string `yaml:"name,omitempty" validate:"omitempty,max=64,dns_name"` // unique; Zone when the file sets none
	// Category holds for answers that Codes does not name; where the file sets
	// none (HasCategory), for what the zone's operator says of it.
	Category    intel.Category `yaml:"category,omitempty"`
	HasCategory bool           `yaml:"-" validate:"-"`
	Confidence  int            `yaml:"confidence" validate:"min=0,max=100"`
	Codes       Codes          `yaml:"codes,omitempty"`
	// Reference is a page about a listed address, with {ip} in its place.
	Reference string `yaml:"reference,omitempty" validate:"omitempty,http_url"`
	Rate      int    `yaml:"rate" validate:"min=1,max=10000"`       // look-ups a second at most
	Daily     int    `yaml:"daily" validate:"min=1,max=1000000000"` // look-ups a day (UTC) at most
}

// SetDefaults follows what the large lists let anyone ask for free.
func (z *ZoneConfig) SetDefaults() {
	z.Confidence, z.Rate, z.Daily = intel.DefaultConfidence, 50, 100_000
}

// Ignore is the meaning of an answer that blames nobody.
const Ignore = "ignore"

// Codes maps answers, such as 127.0.0.4, to a category or Ignore.
type Codes = settings.ByAddr[string]

// isResolver takes an IP address, with or without a port.
func isResolver(s string) bool {
	if _, err := settings.ParseAddr(s); err == nil {
		return true
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	_, err = settings.ParseAddr(host)
	n, bad := strconv.ParseUint(port, 10, 16)
	return err == nil && bad == nil && n > 0
}

// Tags returns the validator tags of Config's own.
func Tags() []settings.Tag {
	return []settings.Tag{
		settings.DNSName(),
		{Name: "resolver", Is: isResolver, Want: "the address of a resolver such as 192.0.2.53 or 127.0.0.1:5353"},
	}
}

// Complete gives zones their names where the file, in section at, does not, and says
// what is wrong with what it does. taken is the section of the feed of that name, if
// there is one: a zone may not have it too.
func Complete(c *Config, taken func(name string) (settings.Section, bool), at settings.Section) {
	meanings := []string{Ignore}
	for c := range intel.Category(intel.NumCategories) {
		meanings = append(meanings, c.String())
	}
	first := map[string]settings.Section{}
	for i := range c.Zones {
		z, at := &c.Zones[i], at.In("zones").Index(i)
		z.HasCategory = at.Has("category")
		z.completeName(at, first, taken)
		for _, code := range slices.SortedFunc(maps.Keys(z.Codes), netip.Addr.Compare) {
			meaning := z.Codes[code]
			key := fmt.Sprintf("codes[%v]", code)
			switch {
			case at.Reported(key):
			case !IsAnswer(code):
				at.Errorf(key, "%s is not an answer of a DNS blacklist: those are in 127.0.0.0/8", code)
			case IsError(code):
				at.Errorf(key, "%s is an error, never a listing. Remove it", code)
			case !slices.Contains(meanings, meaning):
				at.Errorf(key, "%s is neither %s nor a category%s", at.Text(key), Ignore, settings.DidYouMean(nearest.Word(meaning, meanings)))
			}
		}
	}
	if len(c.Zones) == 0 && at.Has("resolvers") && !at.Reported("") {
		at.Errorf("resolvers", "is for dnsbl.zones, and there are none. Remove the line")
	}
}

// completeName gives a zone its name, which must be its own and hide a key.
func (z *ZoneConfig) completeName(at settings.Section, first map[string]settings.Section, taken func(string) (settings.Section, bool)) {
	if z.Name == "" && at.FromEnv("zone") {
		at.Errorf("name", "is missing; a value from the environment may be a key, so give the zone a name for alerts and logs, such as name: zen-dqs")
		return
	}
	if z.Name == "" {
		z.Name = z.Zone
	}
	if z.Name == "" || at.Reported("name") || at.Reported("zone") {
		return
	}
	if other, twice := first[z.Name]; twice {
		at.Errorf("", "has the name of %s (line %d); give each zone its own", other.At(""), other.Line(""))
	}
	if other, twice := taken(z.Name); twice {
		at.Errorf("", "has the name of %s (line %d); give it another one", other.At(""), other.Line(""))
	}
	first[z.Name] = at
}

// zones is c in the words of what runs.
func (c *Config) zones() (zones []Zone) {
	for _, from := range c.Zones {
		z, _ := Known(from.Zone)
		z.Name, z.Zone, z.Score, z.Rate, z.Daily = from.Name, from.Zone, uint8(from.Confidence), from.Rate, from.Daily
		if from.HasCategory {
			z.Category = from.Category
		}
		if from.Reference != "" {
			z.Reference = from.Reference
		}
		if z.Codes == nil {
			z.Codes = make(map[netip.Addr]Code, len(from.Codes))
		}
		for code, meaning := range from.Codes {
			category, _ := ingest.Category(meaning)
			z.Codes[code] = Code{Ignore: meaning == Ignore, Category: category}
		}
		zones = append(zones, z)
	}
	return zones
}
