package geo

import (
	"net/netip"
	"path/filepath"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/geo/table"
)

// Opinion is what one source says of an address.
type Opinion struct {
	Source  string  `json:"source"`
	Date    string  `json:"date,omitempty"` // of its data: 2026-06-01
	Country Country `json:"cc"`
}

// Sources are the databases side by side, which a View has in one.
type Sources struct{ all []source }

type source struct {
	name, date string
	ranges     []table.Range[Country]
}

// OpenSources reads the operator's database and the fallback of c. One that cannot be
// read is left out: who loads a View is told of it.
func OpenSources(c *Config) *Sources {
	s := &Sources{}
	if c.Database != "" {
		if d, err := ReadFile(c.Database); err == nil && len(d.Countries) > 0 {
			s.all = append(s.all, source{filepath.Base(c.Database), d.Date, d.Countries})
		}
	}
	date, name := builtInAbout()
	s.all = append(s.all, source{name: name, date: date})
	fallback := source{name: "tor-geoipdb"}
	for _, path := range torFiles(c.Fallback) {
		if d, err := ReadFile(path); err == nil {
			fallback.ranges = append(fallback.ranges, d.Countries...)
			fallback.date = d.Date
		}
	}
	if len(fallback.ranges) > 0 {
		s.all = append(s.all, fallback)
	}
	return s
}

// Ask returns what each source says of an address, the one that counts first.
func (s *Sources) Ask(a netip.Addr) []Opinion {
	out := make([]Opinion, 0, len(s.all))
	for _, from := range s.all {
		o := Opinion{Source: from.name, Date: from.date}
		if from.ranges != nil {
			o.Country = find(from.ranges, a.Unmap())
		} else {
			o.Country = Embedded().Country(flow.AddrFrom(a), 0)
		}
		out = append(out, o)
	}
	return out
}

// Disagree reports whether two sources name different countries.
func Disagree(all []Opinion) bool {
	named := Unknown
	for _, o := range all {
		switch {
		case !o.Country.IsCode():
		case named == Unknown:
			named = o.Country
		case o.Country != named:
			return true
		}
	}
	return false
}

// find returns the country of the last range that holds an address.
func find(ranges []table.Range[Country], a netip.Addr) (c Country) {
	for _, r := range ranges {
		if r.First.Is4() == a.Is4() && r.First.Compare(a) <= 0 && a.Compare(r.Last) <= 0 {
			c = r.Value
		}
	}
	return c
}
