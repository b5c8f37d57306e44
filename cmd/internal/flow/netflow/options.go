package netflow

import (
	"math"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// optionRecords reads the records of an options set (RFC 3954 section 6.1, RFC
// 7011 section 3.4.2.2), of which only sampling and the start time are used.
func (m *message) optionRecords(t *template, from, to int) {
	ops, size, n := t.ops, t.length, uint64(0)
	for at := from; to-at >= t.length; at += size {
		if t.layout != nil {
			var ok bool
			if ops, size, ok = m.variable(t, at, to); !ok {
				break
			}
		}
		n++
		if t.extras {
			var r flow.Record
			m.extras, m.rarities, m.told = extras{}, rarities{}, told{}
			m.run(ops, at, &r)
			m.learnOptions(&r, t.has)
		}
	}
	m.records += uint32(n)
	m.options += uint32(n)
	m.exporter.stats.optionRecords.Add(n)
}

// learnOptions takes what an options record says of its exporter. The record tells
// of everything that it names.
func (m *message) learnOptions(r *flow.Record, has flow.Fields) {
	s, x, t := &m.domain.sampling, &m.extras, &m.told
	value := x.rate()
	if value == 0 {
		value = m.rarities.rate()
	}
	if value == 0 {
		value = t.rate()
	}
	if value == 0 && x.hasSampler && s.rate(scopeSampler, x.sampler) == 0 {
		value = t.achieved()
	}
	changed, named := false, false
	tell := func(scope scope, id uint64) {
		named = true
		switch {
		case value > 0:
			changed = s.set(rate{scope: scope, id: id, rate: value}) || changed
		case x.hasSampler && scope != scopeSampler:
			changed = s.set(rate{scope: scope, id: id, selector: true, of: x.sampler}) || changed
		}
	}
	if x.hasSampler {
		tell(scopeSampler, x.sampler)
	}
	if has&flow.HasInIf != 0 || t.isInterface {
		tell(scopeInterface, uint64(r.InIf))
	}
	if has&flow.HasOutIf != 0 {
		tell(scopeEgress, uint64(r.OutIf))
	}
	for _, by := range [...]struct {
		scope scope
		id    uint64
	}{{scopeSequence, m.rarities.sequence}, {scopeTemplate, t.template}, {scopeLineCard, m.rarities.lineCard}, {scopeDomain, t.domain}} {
		if by.id != 0 {
			tell(by.scope, by.id)
		}
	}
	if !named {
		tell(scopeAll, 0)
	}
	if x.started != 0 && x.started != s.started {
		if s.started != 0 && x.started > s.started+startedSlack {
			m.restartedAt(x.started)
		}
		s.started = x.started
		changed = true
	}
	if changed {
		m.exporter.news()
	}
}

// told is what only an options record says.
type told struct {
	template, domain     uint64
	isInterface          bool // r.InIf comes from the scope
	hashMin, hashMax     uint64
	chosenMin, chosenMax uint64
	observed, selected   uint64
}

// rate returns packets on the wire for one that was counted, 0 when the record
// does not say. The algorithm (35, 49, 304, 390) makes no difference to it.
func (x *extras) rate() uint32 {
	rate := x.interval
	switch {
	case rate != 0:
	case x.sampled > 0:
		total := x.population
		if total == 0 {
			total = x.sampled + x.skipped
		}
		rate = max(1, (total+x.sampled/2)/x.sampled)
	}
	return uint32(min(rate, math.MaxUint32))
}

// rate is that of a uniform probability.
func (x *rarities) rate() uint32 {
	if x.probability > 0 && x.probability <= 1 {
		return uint32(min(math.Round(1/x.probability), math.MaxUint32))
	}
	return 0
}

// set takes a field.
func (t *told) set(k kind, v uint64, r *flow.Record) {
	switch k {
	case kindTemplate:
		setFirst(&t.template, v)
	case kindDomain:
		setFirst(&t.domain, v)
	case kindScopeInterface:
		t.isInterface = true
		setFirst(&r.InIf, v)
	case kindHashMin:
		t.hashMin = v
	case kindHashMax:
		t.hashMax = v
	case kindChosenMin:
		t.chosenMin = v
	case kindChosenMax:
		t.chosenMax = v
	case kindObserved:
		setFirst(&t.observed, v)
	case kindSelected:
		setFirst(&t.selected, v)
	}
}

// rate is the rate of a selector by hash: the part of the range that is chosen.
func (t *told) rate() uint32 {
	if t.chosenMax < t.chosenMin || t.hashMax <= t.hashMin || t.chosenMax == 0 {
		return 0
	}
	all, chosen := float64(t.hashMax-t.hashMin)+1, float64(t.chosenMax-t.chosenMin)+1
	return uint32(min(max(math.Round(all/chosen), 1), math.MaxUint32))
}

// achieved is the rate that a selector's statistics show.
func (t *told) achieved() uint32 {
	if t.selected == 0 || t.observed < t.selected {
		return 0
	}
	return uint32(min((t.observed+t.selected/2)/t.selected, math.MaxUint32))
}
