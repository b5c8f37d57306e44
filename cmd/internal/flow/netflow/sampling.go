package netflow

import (
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// maxSamplers is far above the samplers, and the interfaces with one, of one box.
const maxSamplers = 256

// scope says what a sampling rate was told for.
type scope uint8

const (
	scopeSampler   scope = iota // a sampler (48) or selector (302)
	scopeAll                    // the domain, or the whole exporter
	scopeSequence               // a selection sequence (301)
	scopeInterface              // an interface; of 14, flows that leave by it
	scopeEgress
	scopeTemplate
	scopeLineCard
	scopeDomain // another domain (149)
)

// rate is what one options record told: a rate, or whose rate it is.
type rate struct {
	scope    scope
	selector bool   // of names a sampler, and rate is 0
	rate     uint32 // packets on the wire for one that was counted
	id       uint64 // in the numbering of scope
	of       uint64
}

// sampling is what the options records of a domain said: its sampling rates,
// and, being learned the same way, when the exporter started.
type sampling struct {
	rates   []rate // oldest first
	started uint64 // element 160, Unix ms; 0: unknown
	// data is true when the domain has flows of its own. What is told in one that
	// has none is told of the whole exporter: a table of samplers in domain 0, or
	// under the source id of another process.
	data bool
}

func (s *sampling) empty() bool { return len(s.rates) == 0 && s.started == 0 }

// find returns what was told for an id.
func (s *sampling) find(scope scope, id uint64) *rate {
	for i := range s.rates {
		if r := &s.rates[i]; r.id == id && r.scope == scope {
			return r
		}
	}
	return nil
}

// rate returns the rate for an id, following one that names a sampler, 0 when it is
// not known.
func (s *sampling) rate(scope scope, id uint64) uint32 {
	r := s.find(scope, id)
	if r != nil && r.selector {
		r = s.find(scopeSampler, r.of)
	}
	if r == nil {
		return 0
	}
	return r.rate
}

// set remembers what was told and reports whether that is news.
func (s *sampling) set(told rate) bool {
	if r := s.find(told.scope, told.id); r != nil {
		changed := *r != told
		*r = told
		return changed
	}
	if len(s.rates) >= maxSamplers {
		s.rates = slices.Delete(s.rates, 0, 1)
	}
	s.rates = append(s.rates, told)
	return true
}

// last returns the rate that was learned last among some scopes, and whether others
// among them differ.
func (s *sampling) last(scopes ...scope) (last uint32, differ bool) {
	for i := range s.rates {
		r := &s.rates[i]
		if r.rate == 0 || !slices.Contains(scopes, r.scope) {
			continue
		}
		differ = differ || last != 0 && last != r.rate
		last = r.rate
	}
	return last, differ
}

// news is called when an options record told something new, or when it holds for
// others than before.
func (e *exporter) news() {
	e.told++
	e.changed = true
	e.shared, e.hasRates = e.shared[:0], false
	for _, d := range e.domains.oldestFirst {
		e.hasRates = e.hasRates || len(d.sampling.rates) > 0
		if !d.sampling.data && !d.sampling.empty() {
			e.shared = append(e.shared, d)
		}
	}
	slices.Reverse(e.shared)
}

// teller returns the i-th of the samplings that hold for d: its own, then those of
// the domains of its version that send no flows, the latest used first.
func (e *exporter) teller(d *domain, i int) *sampling {
	if i == 0 {
		return &d.sampling
	}
	if other := e.shared[i-1]; other != d && other.key.version == d.key.version {
		return &other.sampling
	}
	return &nothing
}

var nothing sampling

// rateOf returns the rate for an id as told in d, or for the whole exporter.
func (e *exporter) rateOf(d *domain, scope scope, id uint64) uint32 {
	for i := range 1 + len(e.shared) {
		if rate := e.teller(d, i).rate(scope, id); rate > 0 {
			return rate
		}
	}
	return 0
}

// lastOf returns the rate that was told last for any of some scopes.
func (e *exporter) lastOf(d *domain, scopes ...scope) (rate uint32, differ bool) {
	for i := range 1 + len(e.shared) {
		if rate, differ = e.teller(d, i).last(scopes...); rate > 0 {
			break
		}
	}
	return rate, differ
}

// rates is what holds for the records of one template that do not say it themselves.
// It is found once, and again when the exporter told something new.
type rates struct {
	found      uint32 // exporter.told at that time, 0: not yet
	unnamed    uint32 // for records that name no sampler, 0: unknown
	named      uint32 // for records whose sampler nobody told of, likewise
	guessed    bool   // unnamed is one of several that differ
	interfaces bool   // some rates are for interfaces
}

// ratesFor returns the best match that is known for a template's records: what was
// told of the template, the line card and the domain, then the one sampler there is.
func (m *message) ratesFor(k *known) *rates {
	e, d := m.exporter, m.domain
	if k.rates.found == e.told {
		return &k.rates
	}
	k.rates = rates{found: e.told}
	r := &k.rates
	for i := range 1 + len(e.shared) {
		r.interfaces = r.interfaces || slices.ContainsFunc(e.teller(d, i).rates, func(x rate) bool {
			return x.scope == scopeInterface || x.scope == scopeEgress
		})
	}
	for _, told := range []struct {
		scope scope
		id    uint64
	}{{scopeTemplate, uint64(k.id)}, {scopeLineCard, uint64(d.key.id) + 1}, {scopeDomain, uint64(d.key.id)}, {scopeAll, 0}} {
		if r.named == 0 {
			r.named = e.rateOf(d, told.scope, told.id)
		}
	}
	r.unnamed = r.named
	if r.unnamed == 0 {
		r.unnamed, r.guessed = e.lastOf(d, scopeSampler, scopeSequence, scopeLineCard)
	}
	if r.unnamed == 0 && k.has&(flow.HasInIf|flow.HasOutIf) == 0 { // then the interfaces' are the best there is
		r.unnamed, r.guessed = e.lastOf(d, scopeInterface, scopeEgress)
	}
	return r
}

// extras is what a record says of its exporter.
type extras struct {
	sampler    uint64 // elements 48, 302
	hasSampler bool
	interval   uint64 // elements 34, 50: one packet in so many
	sampled    uint64 // elements 305, 309, 396 and others: so many packets are taken ...
	skipped    uint64 // element 306 and others: ... then so many are not,
	population uint64 // element 310: ... out of so many
	started    uint64 // element 160
}

// rarities is what few records say besides.
type rarities struct {
	sequence    uint64  // element 301
	lineCard    uint64  // element 141, and 1 for the first may be 0
	probability float64 // element 311

	srcMask, dstMask mask // of addresses that are a network's
}

// sampled returns the rates for a template's records; a domain that sends flows is
// marked as such.
func (m *message) sampled(k *known) *rates {
	if s := &m.domain.sampling; !s.data {
		s.data = true
		if !s.empty() {
			m.exporter.news()
		}
	}
	return m.ratesFor(k)
}

// sampleRecord gives a flow the rate that its own record, its sampler or its
// interface says; what holds for all records of the template, or the configured
// rate, stands there already. It reports whether that is one of several that differ.
func (m *message) sampleRecord(r *flow.Record, k *known, of *rates) (guessed bool) {
	e := m.exporter
	if e.override > 0 {
		return false
	}
	guessed = of.guessed
	if k.extras {
		rate := m.extras.rate()
		if rate == 0 && k.rare {
			rate = m.rarities.rate()
		}
		if rate > 0 {
			setRate(r, rate)
			return false
		}
		if !e.hasRates {
			return false
		}
		rate, stranger := m.rateOfRecord(k)
		switch {
		case rate > 0:
			setRate(r, rate)
			return false
		case stranger:
			setRate(r, of.named)
			guessed = false
		}
	}
	if of.interfaces && r.Has&(flow.HasInIf|flow.HasOutIf) != 0 {
		if rate := m.rateOfInterface(r); rate > 0 {
			setRate(r, rate)
			return false
		}
	}
	return guessed
}

// rateOfRecord returns the rate of the sampler, selectors or line card that a record
// names, 0 when it is not known. A stranger is a sampler that nobody told of: it is
// not any other one.
func (m *message) rateOfRecord(k *known) (rate uint32, stranger bool) {
	e, d, x, y := m.exporter, m.domain, &m.extras, &m.rarities
	if x.hasSampler {
		rate = e.rateOf(d, scopeSampler, x.sampler)
		if rate == 0 && x.sampler != 0 { // 0 stands for the only sampler, on either side
			stranger = true
			if rate = e.rateOf(d, scopeSampler, 0); rate == 0 {
				rate = e.rateOfOthers(d, x.sampler)
			}
		}
	}
	if rate == 0 && k.rare && y.sequence != 0 {
		rate = e.rateOf(d, scopeSequence, y.sequence)
	}
	if rate == 0 && k.rare && y.lineCard != 0 {
		rate = e.rateOf(d, scopeLineCard, y.lineCard)
	}
	return rate, stranger
}

// rateOfInterface returns the rate of the interface that a flow came or left by.
func (m *message) rateOfInterface(r *flow.Record) uint32 {
	e, d := m.exporter, m.domain
	if rate := e.rateOf(d, scopeInterface, uint64(r.InIf)); rate > 0 {
		return rate
	}
	if rate := e.rateOf(d, scopeEgress, uint64(r.OutIf)); rate > 0 {
		return rate
	}
	return e.rateOf(d, scopeInterface, uint64(r.OutIf))
}

// rateOfOthers looks for a named sampler in the domains that have flows of their own.
func (e *exporter) rateOfOthers(d *domain, id uint64) uint32 {
	latest := uint32(0)
	for _, other := range e.domains.oldestFirst {
		if other.key.version != d.key.version {
			continue
		}
		if rate := other.sampling.rate(scopeSampler, id); rate > 0 {
			latest = rate
		}
	}
	return latest
}

// setRate sets a flow's rate; 0 is none.
func setRate(r *flow.Record, rate uint32) {
	r.Sampling = max(rate, 1)
	r.Has &^= flow.HasSampling
	if rate > 0 {
		r.Has |= flow.HasSampling
	}
}

// countGuessed counts flows that name no sampler of an exporter with several.
func (m *message) countGuessed(rate uint32, flows uint64) {
	m.exporter.stats.guessedRate.Store(rate)
	m.exporter.stats.guessed.Add(flows)
}

// startedOf returns when the exporter started, as told in the domain or for the
// whole exporter, in Unix ms; 0 when it is not known.
func (e *exporter) startedOf(d *domain) uint64 {
	for i := range 1 + len(e.shared) {
		if started := e.teller(d, i).started; started != 0 {
			return started
		}
	}
	return 0
}
