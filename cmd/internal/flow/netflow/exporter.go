package netflow

import "github.com/flowhound/flowhound/cmd/internal/flow"

// Bounds of what one exporter may make us remember. Beyond them the oldest goes.
const (
	// maxDomains is far above the line cards and virtual routers of one box.
	maxDomains = 256
	// maxTemplateBytes is room for some 800 usual templates; the largest
	// exporters known send about 100.
	maxTemplateBytes = 512 << 10
)

// version indexes everything that is kept by protocol version.
type version uint8

const (
	v5 version = iota
	v9
	ipfix
	numVersions = iota
)

// number is the version as it stands in the datagram.
func (v version) number() uint8 { return [numVersions]uint8{5, 9, 10}[v] }

type exporterKey struct {
	addr flow.Addr
	port uint16 // 0 unless Options.KeyPort
}

type domainKey struct {
	id      uint32
	version version
}

// exporter is what a Decoder knows of one exporter.
type exporter struct {
	key      exporterKey
	out      out    // what its elements 23 and 24 count
	override uint32 // configured sampling rate, 0: none
	domains  lru[domainKey, *domain]
	last     *domain   // of the message before this one: mostly the same
	shared   []*domain // those whose options hold for the others, too
	hasRates bool      // options records told any sampling rate
	told     uint32    // rises when options records tell something new; never 0
	held     []heldSet
	heldSize int  // bytes of held
	cost     int  // bytes of templates and held sets
	changed  bool // templates or sampling differ from what the store has
	stats    *exporterStats
	skew     skew

	place    *seat[exporterKey, *exporter] // in the Decoder's table
	ticks    int                           // seconds in which records could be read, up to provenTicks
	since    int64                         // the first of them, Unix ns
	toldRank standing                      // what the store knows
	toldAt   int64                         // when it was told, Unix ns
}

// domain is one observation domain (IPFIX), source id (v9) or engine (v5) of an
// exporter: the scope of template ids, sampler ids and sequence numbers.
type domain struct {
	key       domainKey
	templates lru[uint16, *known]
	sampling  sampling
	sequence  sequence
	doubt     doubt
}

func (e *exporter) domain(key domainKey) *domain {
	if d := e.last; d != nil && d.key == key {
		return d
	}
	d, ok := e.domains.get(key)
	if !ok {
		if e.domains.len() >= maxDomains {
			e.forgetOldestDomain()
		}
		d = &domain{key: key}
		e.domains.put(key, d)
	}
	e.last = d
	return d
}

func (e *exporter) forgetOldestDomain() {
	d, ok := e.domains.removeOldest()
	if !ok {
		return
	}
	if e.last == d {
		e.last = nil
	}
	for id := range d.templates.oldestFirst {
		e.forgetTemplate(d, id)
	}
	e.news()
}

// learn makes t the template of its id, in place of any other.
func (e *exporter) learn(d *domain, t *template) *known {
	e.forgetTemplate(d, t.id)
	k := &known{template: t}
	d.templates.put(t.id, k)
	e.cost += t.cost()
	e.changed = true
	e.stats.templates.Add(1)
	for e.cost-e.heldSize > maxTemplateBytes {
		e.forgetOldestTemplate()
	}
	return k
}

func (e *exporter) forgetTemplate(d *domain, id uint16) {
	t, ok := d.templates.remove(id)
	if !ok {
		return
	}
	e.cost -= t.cost()
	e.changed = true
	e.stats.templates.Add(-1)
}

// forgetOldestTemplate drops the template that was used longest ago, of the
// domain that was used longest ago.
func (e *exporter) forgetOldestTemplate() {
	for _, d := range e.domains.oldestFirst {
		for id := range d.templates.oldestFirst {
			e.forgetTemplate(d, id)
			return
		}
	}
}
