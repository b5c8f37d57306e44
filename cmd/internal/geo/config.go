package geo

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/settings"
)

// Config says where addresses are, as far as the operator knows better.
type Config struct {
	// Database is a file of countries, or of countries and autonomous systems, in
	// MaxMind's form (.mmdb) or as CSV. Where it says nothing the built-in table does.
	Database string `yaml:"database,omitempty"`
	// ASDatabase is one of autonomous systems, where Database holds none.
	ASDatabase string `yaml:"as_database,omitempty"`
	// Fallback is the folder of Debian's tor-geoipdb, which is asked where no other
	// knows; "": it is not. Without its files nothing is missed.
	Fallback string `yaml:"fallback"`
	// Sites are places of one's own, Overrides single networks. Both hold at the times
	// that they name.
	Sites     []Site     `yaml:"sites,omitempty" validate:"dive"`
	Overrides []Override `yaml:"overrides,omitempty" validate:"dive"`
}

// Site is a place with networks inside, which have addresses outside by turns.
type Site struct {
	Name    string         `yaml:"name" validate:"required,max=64"`
	Country Country        `yaml:"country"`
	Inside  []netip.Prefix `yaml:"inside,omitempty"`
	// Outside are the addresses that the site had and has outside. Where the file gives
	// none, they are learned from flows that tell a translated address.
	Outside []Outside `yaml:"outside,omitempty" validate:"dive"`
}

// Outside is an outside network of a site, from From to before To; zero: open.
type Outside struct {
	Net  netip.Prefix `yaml:"net"`
	From Moment       `yaml:"from,omitempty"`
	To   Moment       `yaml:"to,omitempty"`
}

// Override is a network whose country is another than databases say, such as that of a
// tunnel.
type Override struct {
	Net     netip.Prefix `yaml:"net"`
	Country Country      `yaml:"country"`
	Label   string       `yaml:"label,omitempty" validate:"max=64"`
	From    Moment       `yaml:"from,omitempty"`
	To      Moment       `yaml:"to,omitempty"`
}

// torFolder is where Debian's tor-geoipdb lies.
const torFolder = "/usr/share/tor"

// SetDefaults sets what the file does not.
func (c *Config) SetDefaults() { c.Fallback = torFolder }

// Moment is a time as a date, its beginning, or with hours and minutes and a zone. A
// date means midnight in UTC.
type Moment struct{ time.Time }

// momentLayouts are the forms of a Moment.
var momentLayouts = []string{time.DateOnly, "2006-01-02T15:04Z07:00", time.RFC3339}

// UnmarshalText accepts a date, or a time with its zone.
func (m *Moment) UnmarshalText(b []byte) error {
	for _, layout := range momentLayouts {
		if t, err := time.Parse(layout, string(b)); err == nil {
			m.Time = t.UTC()
			return nil
		}
	}
	return fmt.Errorf("%q is not a time", b)
}

// MarshalText returns m in RFC 3339, in UTC.
func (m Moment) MarshalText() ([]byte, error) { return m.UTC().AppendFormat(nil, time.RFC3339), nil }

// Types returns how values of the types here are written.
func Types() []settings.Type {
	return []settings.Type{
		settings.Text[Country]("the two letters of a country (ISO 3166-1) such as NO", suggestCountry),
		settings.Text[Moment]("a date such as 2027-01-31 or a time such as 2027-01-31T18:00Z", suggestMoment),
	}
}

// suggestCountry knows codes that are not the official ones.
func suggestCountry(s string) string {
	if c := Published(s); codes[c] {
		return c.String()
	}
	return ""
}

// suggestMoment completes a time that lacks its zone.
func suggestMoment(s string) string {
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Format("2006-01-02T15:04:05Z")
		}
	}
	return ""
}

// maxRules bounds the networks of sites and overrides.
const maxRules = 10_000

// Complete says what is wrong with the section at.
func Complete(c *Config, at settings.Section) {
	first := map[string]int{}
	n := len(c.Overrides)
	for i := range c.Sites {
		s, at := &c.Sites[i], at.In("sites").Index(i)
		n += len(s.Inside) + len(s.Outside)
		if s.Name != "" && !at.Reported("name") {
			if other, twice := first[s.Name]; twice {
				at.Errorf("name", "%s is the name of sites[%d] too; give each site its own", at.Text("name"), other)
			} else {
				first[s.Name] = i
			}
		}
		required(at, "country", s.Country == Unknown)
		if len(s.Inside)+len(s.Outside) == 0 && !at.HasAny("inside", "outside") && !at.Reported("") {
			at.Errorf("", "has no networks: give inside, outside or both")
		}
		for k, o := range s.Outside {
			at := at.In("outside").Index(k)
			required(at, "net", !o.Net.IsValid())
			period(at, o.From, o.To)
		}
	}
	for i, o := range c.Overrides {
		at := at.In("overrides").Index(i)
		required(at, "net", !o.Net.IsValid())
		required(at, "country", o.Country == Unknown)
		period(at, o.From, o.To)
	}
	if n > maxRules {
		at.Errorf("", "has %d networks in sites and overrides; the most is %d. Put a long list into a CSV file: geo.database", n, maxRules)
	}
}

func required(at settings.Section, key string, missing bool) {
	if missing && !at.Has(key) && !at.Reported("") {
		at.Errorf(key, "is missing")
	}
}

func period(at settings.Section, from, to Moment) {
	if !from.IsZero() && !to.IsZero() && !from.Before(to.Time) && !at.Reported("from") && !at.Reported("to") {
		at.Errorf("to", "%s is not after from, which is %s", at.Text("to"), at.Text("from"))
	}
}

// Paths returns the files that the configuration names, for relative ones.
func (c *Config) Paths() []*string {
	var out []*string
	for _, p := range []*string{&c.Database, &c.ASDatabase, &c.Fallback} {
		if *p != "" {
			out = append(out, p)
		}
	}
	return out
}
