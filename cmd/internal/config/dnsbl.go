package config

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/dnsbl"
	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/plugin/nearest"
)

// DNSBL says which DNS blacklists are asked about the addresses that own hosts
// contact. Without zones none is.
type DNSBL struct {
	Zones []DNSBLZone `yaml:"zones,omitempty" validate:"dive"`
	// Resolvers are addresses, with or without a port; empty: the system's.
	Resolvers []string `yaml:"resolvers,omitempty" validate:"dive,resolver"`
}

// DNSBLZone is one DNS blacklist.
type DNSBLZone struct {
	// Zone is where questions are asked. It may hold a customer's key; Name is
	// what is shown.
	Zone string `yaml:"zone" validate:"required,dns_name"`
	Name string `yaml:"name,omitempty" validate:"omitempty,max=64,dns_name"` // unique; Zone when the file sets none
	// Category holds for answers that Codes does not name; where the file sets
	// none (HasCategory), for what the zone's operator says of it.
	Category    intel.Category `yaml:"category,omitempty"`
	HasCategory bool           `yaml:"-" validate:"-"`
	Confidence  int            `yaml:"confidence" validate:"min=0,max=100"`
	Codes       DNSBLCodes     `yaml:"codes,omitempty"`
	// Reference is a page about a listed address, with {ip} in its place.
	Reference string `yaml:"reference,omitempty" validate:"omitempty,http_url"`
	Rate      int    `yaml:"rate" validate:"min=1,max=10000"`       // look-ups a second at most
	Daily     int    `yaml:"daily" validate:"min=1,max=1000000000"` // look-ups a day (UTC) at most
}

// SetDefaults follows what the large lists let anyone ask for free.
func (z *DNSBLZone) SetDefaults() {
	z.Confidence, z.Rate, z.Daily = intel.DefaultConfidence, 50, 100_000
}

// DNSBLIgnore is the meaning of an answer that blames nobody.
const DNSBLIgnore = "ignore"

// DNSBLCodes maps answers, such as 127.0.0.4, to a category or DNSBLIgnore.
type DNSBLCodes map[netip.Addr]string

// MarshalYAML returns the map under keys that the YAML library can sort.
func (c DNSBLCodes) MarshalYAML() (any, error) {
	m := make(map[string]string, len(c))
	for code, meaning := range c {
		m[code.String()] = meaning
	}
	return m, nil
}

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

func (d *document) checkDNSBL() {
	meanings := []string{DNSBLIgnore}
	for c := range intel.Category(intel.NumCategories) {
		meanings = append(meanings, c.String())
	}
	taken := map[string]int{}
	for i := range d.config.DNSBL.Zones {
		z := &d.config.DNSBL.Zones[i]
		key := fmt.Sprintf("dnsbl.zones[%d]", i)
		z.HasCategory = d.Has(key + ".category")
		d.checkZoneName(key, z, i, taken)
		for _, code := range slices.SortedFunc(maps.Keys(z.Codes), netip.Addr.Compare) {
			meaning := z.Codes[code]
			at := fmt.Sprintf("%s.codes[%v]", key, code)
			switch {
			case d.Said(at):
			case !dnsbl.IsAnswer(code):
				d.Errorf(d.Line(at), at, "%s is no answer of a DNS blacklist: those lie in 127.0.0.0/8", code)
			case dnsbl.IsError(code):
				d.Errorf(d.Line(at), at, "%s is an error, never a listing. Remove it", code)
			case !slices.Contains(meanings, meaning):
				d.Errorf(d.Line(at), at, "%s is neither %s nor a category%s", d.Text(at), DNSBLIgnore, settings.DidYouMean(nearest.Word(meaning, meanings)))
			}
		}
	}
	if len(d.config.DNSBL.Zones) == 0 && d.Has("dnsbl.resolvers") && !d.Said("dnsbl") {
		d.Errorf(d.Line("dnsbl.resolvers"), "dnsbl.resolvers", "is for dnsbl.zones, and there are none. Remove the line")
	}
}

// checkZoneName gives zone z its name, which must be its own and hide a key.
func (d *document) checkZoneName(key string, z *DNSBLZone, i int, taken map[string]int) {
	_, fromEnv := d.Written()[key+".zone"]
	if z.Name == "" && fromEnv {
		d.Errorf(d.Line(key), key+".name", "is missing; what stands in the environment may be a key, so give the zone a name for alerts and logs, as in name: zen-dqs")
		return
	}
	if z.Name == "" {
		z.Name = z.Zone
	}
	if z.Name == "" || d.Said(key+".name") || d.Said(key+".zone") {
		return
	}
	if j, twice := taken[z.Name]; twice {
		d.Errorf(d.Line(key), key, "has the name of dnsbl.zones[%d] (line %d); give each zone its own", j, d.Line(fmt.Sprintf("dnsbl.zones[%d]", j)))
	}
	for j, f := range d.config.Feeds {
		if f.Name == z.Name {
			d.Errorf(d.Line(key), key, "has the name of feeds[%d] (line %d); give it another one", j, d.Line(fmt.Sprintf("feeds[%d]", j)))
		}
	}
	taken[z.Name] = i
}
