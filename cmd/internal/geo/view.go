package geo

import (
	"math"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/geo/table"
)

// View is what is known at one moment. It never changes, and any goroutine may ask it.
type View struct {
	source, date string // of the countries
	countries    *asked[table.Table[Country]]
	// gaps are asked where countries knows nothing; nil: nobody is.
	gaps      *asked[table.Table[Country]]
	systems   *asked[table.File[uint32]]
	sites     rules
	overrides rules
}

// Place is where an address is. Texts are the View's own.
type Place struct {
	Country Country
	Site    string // of the site or the override that said so; "": the database did
	AS      uint32 // 0: not known
}

// Embedded returns a View of the built-in tables alone.
func Embedded() *View {
	date, source := builtInAbout()
	return &View{source: source, date: date, countries: builtIn, systems: builtInSystems}
}

// prepare makes the tables now rather than with the first flow.
func (v *View) prepare() {
	v.countries.get()
	if v.gaps != nil {
		v.gaps.get()
	}
}

// withRules returns a View of v's tables with the sites and overrides of c, and the
// outside addresses that were learned.
func (v *View) withRules(c *Config, learned []Learned) *View {
	next := *v
	var sites, overrides []rule
	for i := range c.Sites {
		s := &c.Sites[i]
		for _, p := range s.Inside {
			sites = append(sites, rule{network: p, from: math.MinInt64, to: math.MaxInt64, country: s.Country, name: s.Name})
		}
		for _, o := range s.Outside {
			sites = append(sites, newRule(o.Net, o.From, o.To, s.Country, s.Name))
		}
		for _, l := range learned {
			if l.Site == s.Name {
				sites = append(sites, rule{netip.PrefixFrom(l.Addr, l.Addr.BitLen()), l.From, l.To, s.Country, s.Name})
			}
		}
	}
	for _, o := range c.Overrides {
		overrides = append(overrides, newRule(o.Net, o.From, o.To, o.Country, o.Label))
	}
	next.sites, next.overrides = newRules(sites), newRules(overrides)
	return &next
}

// Country returns where an address was at a time, in Unix nanoseconds.
func (v *View) Country(a flow.Addr, at int64) Country {
	if v.sites.table != nil || v.overrides.table != nil {
		if r := v.rule(a, at); r != nil {
			return r.country
		}
	}
	c := v.countries.get().Lookup(a)
	if c == Unknown && v.gaps != nil {
		c = v.gaps.get().Lookup(a)
	}
	if c == tunnel {
		return v.inTunnel(a, at)
	}
	return c
}

// inTunnel returns the country of the address that a tunnel's address holds.
func (v *View) inTunnel(a flow.Addr, at int64) Country {
	if a == loopback6 {
		return Private
	}
	if in, ok := inner(a); ok {
		if c := v.Country(in, at); c.IsCode() {
			return c
		}
	}
	return Unknown
}

// AS returns the autonomous system that an address belongs to, 0 where none is known.
func (v *View) AS(a flow.Addr) uint32 {
	if in, ok := inner(a); ok {
		a = in
	}
	return v.systems.get().Table.Lookup(a)
}

// Place returns all of it.
func (v *View) Place(a flow.Addr, at int64) Place {
	p := Place{Country: v.Country(a, at), AS: v.AS(a)}
	if r := v.rule(a, at); r != nil {
		p.Site = r.name
	} else if in, ok := inner(a); ok {
		if r := v.rule(in, at); r != nil {
			p.Site = r.name
		}
	}
	return p
}

// CountryAndAS is Country and AS for who stores both with each flow: the two letters of
// Country.Code, zeros for an unknown one.
func (v *View) CountryAndAS(a flow.Addr, at int64) (country [2]byte, as uint32) {
	if c := v.Country(a, at); c != Unknown {
		country = [2]byte([]byte(c.Code()))
	}
	return country, v.AS(a)
}

// Owner returns who runs an autonomous system, "" where that is not known.
func (v *View) Owner(as uint32) string { return v.systems.get().Names.Of(as) }

// Source returns who published the countries, and Date of when they are.
func (v *View) Source() string { return v.source }

// Date returns of when the countries are, as 2026-06-01.
func (v *View) Date() string { return v.date }

func (v *View) rule(a flow.Addr, at int64) *rule {
	if r := v.sites.find(a, at); r != nil {
		return r
	}
	return v.overrides.find(a, at)
}

// rule says of a network at a time what no database knows.
type rule struct {
	network  netip.Prefix
	from, to int64 // Unix nanoseconds: from from to before to
	country  Country
	name     string
}

func newRule(network netip.Prefix, from, to Moment, c Country, name string) rule {
	r := rule{network, math.MinInt64, math.MaxInt64, c, name}
	if !from.IsZero() {
		r.from = from.UnixNano()
	}
	if !to.IsZero() {
		r.to = to.UnixNano()
	}
	return r
}

// rules finds the rule of the longest network that holds at a time. The table has, with
// each network, its own rules and those of the networks around it.
type rules struct{ table *bart.Table[[]rule] }

func newRules(list []rule) rules {
	if len(list) == 0 {
		return rules{}
	}
	by := map[netip.Prefix][]rule{}
	for _, r := range list {
		if p := r.network; p.Addr().Is4In6() && p.Bits() >= 96 {
			r.network = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		r.network = r.network.Masked()
		by[r.network] = append(by[r.network], r)
	}
	networks := make([]netip.Prefix, 0, len(by))
	for p := range by {
		networks = append(networks, p)
	}
	slices.SortFunc(networks, func(a, b netip.Prefix) int { return a.Bits() - b.Bits() }) // those around come first
	t := new(bart.Table[[]rule])
	for _, p := range networks {
		around, _ := t.Lookup(p.Addr())
		t.Insert(p, slices.Concat(by[p], around))
	}
	return rules{t}
}

func (r *rules) find(a flow.Addr, at int64) *rule {
	if r.table == nil {
		return nil
	}
	list, ok := r.table.Lookup(a.IP())
	if !ok {
		return nil
	}
	for i := range list {
		if list[i].from <= at && at < list[i].to {
			return &list[i]
		}
	}
	return nil
}
