package config

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/settings"
)

// Mute is what is not reported for a while. Where it names several things all of
// them must fit.
type Mute struct {
	Src netip.Prefix `yaml:"src,omitempty"` // holds who called; invalid: anybody
	IOC netip.Prefix `yaml:"ioc,omitempty"` // holds the listed address; invalid: any
	Cat string       `yaml:"cat,omitempty" validate:"omitempty,oneof=c2 malware botnet phishing scanner bruteforce spam anonymizer ddos policy other"`
	// Until is when it ends; a date alone lasts to the end of that day, in UTC.
	Until time.Time `yaml:"until" validate:"required"`
	Why   string    `yaml:"why" validate:"required,max=200"`
}

// Category returns what Cat names; false when it names nothing.
func (m *Mute) Category() (c intel.Category, ok bool) {
	return c, m.Cat != "" && c.UnmarshalText([]byte(m.Cat)) == nil
}

// MarshalYAML returns what Parse reads. The library takes addresses and networks
// for empty, because it sees none of their fields.
func (m Mute) MarshalYAML() (any, error) {
	text := struct {
		Src   string `yaml:"src,omitempty"`
		IOC   string `yaml:"ioc,omitempty"`
		Cat   string `yaml:"cat,omitempty"`
		Until string `yaml:"until"`
		Why   string `yaml:"why"`
	}{Cat: m.Cat, Until: m.Until.UTC().Format(time.RFC3339), Why: m.Why}
	if m.Src.IsValid() {
		text.Src = m.Src.String()
	}
	if m.IOC.IsValid() {
		text.IOC = m.IOC.String()
	}
	return text, nil
}

const (
	maxMutes      = 1000 // all are looked at for each match
	maxCategories = 10_000
	maxWord       = 64 // bytes of a word of categories
)

func (d *document) checkMute() {
	if n := len(d.config.Mute); n > maxMutes {
		d.Errorf(d.Line("mute"), "mute", "has %d entries; the most is %d", n, maxMutes)
	}
	for i := range d.config.Mute {
		m := &d.config.Mute[i]
		key := fmt.Sprintf("mute[%d]", i)
		if !d.Has(key+".src") && !d.Has(key+".ioc") && !d.Has(key+".cat") && !d.Said(key) {
			d.Errorf(d.Line(key), key, "does not say what is muted: give src, ioc or cat; to report less of everything, raise alert.min_severity")
		}
		if until := key + ".until"; !d.Said(until) && !m.Until.After(time.Now()) {
			d.Warnf(d.Line(until), until, "%s is over: what this entry muted is reported again; remove it, or give it another end", d.Text(until))
		}
	}
}

func (d *document) checkCategories() {
	if n := len(d.config.Categories); n > maxCategories {
		d.Errorf(d.Line("categories"), "categories", "has %d words; the most is %d", n, maxCategories)
	}
	for word := range d.config.Categories {
		if len(word) > maxWord || word == "" {
			key := fmt.Sprintf("categories[%s]", word)
			d.Errorf(d.Line(key), "categories", "%s is not a word of 1 to %d letters", settings.Quote(word), maxWord)
		}
	}
}
