package netflow

import (
	"math"
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// maxSamplers is far above the samplers one box has configured.
const maxSamplers = 256

// sampling is what the options records of a domain said: its sampling rates,
// and, being learned the same way, when the exporter started.
type sampling struct {
	fallback uint32    // for records that name no sampler; 0: unknown
	samplers []sampler // oldest first
	started  uint64    // element 160, Unix ms; 0: unknown
}

type sampler struct {
	id   uint64
	rate uint32
}

// rate returns the rate of a sampler, 0 when it is not known.
func (s *sampling) rate(id uint64) uint32 {
	for i := range s.samplers {
		if s.samplers[i].id == id {
			return s.samplers[i].rate
		}
	}
	return 0
}

// set remembers a sampler's rate and reports whether that is news.
func (s *sampling) set(id uint64, rate uint32) bool {
	for i := range s.samplers {
		if s.samplers[i].id == id {
			changed := s.samplers[i].rate != rate
			s.samplers[i].rate = rate
			return changed
		}
	}
	if len(s.samplers) >= maxSamplers {
		s.samplers = slices.Delete(s.samplers, 0, 1)
	}
	s.samplers = append(s.samplers, sampler{id, rate})
	return true
}

// extras is what a record says of its exporter.
type extras struct {
	sampler    uint64 // elements 48, 302
	hasSampler bool
	interval   uint64 // elements 34, 50: one packet in so many
	sampled    uint64 // elements 305, 309: so many packets are taken ...
	skipped    uint64 // element 306: ... then so many are not,
	population uint64 // element 310: ... out of so many
	started    uint64 // element 160

	srcMask, dstMask mask // of addresses that are a network's
}

// rate returns packets on the wire for one that was counted, 0 when the record
// does not say. The algorithm (35, 49, 304) makes no difference to it.
func (x *extras) rate() uint32 {
	rate := x.interval
	if rate == 0 && x.sampled > 0 {
		total := x.population
		if total == 0 {
			total = x.sampled + x.skipped
		}
		rate = max(1, (total+x.sampled/2)/x.sampled)
	}
	return uint32(min(rate, math.MaxUint32))
}

// applySampling gives a flow the rate that its own record or its sampler says;
// the domain's rate, or the configured one, stands there already.
func (m *message) applySampling(r *flow.Record) {
	if m.exporter.override > 0 {
		return
	}
	rate := m.extras.rate()
	if rate == 0 && m.extras.hasSampler {
		rate = m.domain.sampling.rate(m.extras.sampler)
	}
	if rate > 0 {
		r.Sampling = rate
		r.Has |= flow.HasSampling
	}
}

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
			m.extras = extras{}
			m.run(ops, at, &r)
			m.learnOptions()
		}
	}
	m.records += uint32(n)
	m.options += uint32(n)
	m.exporter.stats.optionRecords.Add(n)
}

func (m *message) learnOptions() {
	s, x := &m.domain.sampling, &m.extras
	changed := false
	if rate := x.rate(); rate > 0 {
		if x.hasSampler {
			changed = s.set(x.sampler, rate)
		} else {
			changed = s.fallback != rate
			s.fallback = rate
		}
	}
	if x.started != 0 && x.started != s.started {
		s.started = x.started
		changed = true
	}
	m.exporter.changed = m.exporter.changed || changed
}
