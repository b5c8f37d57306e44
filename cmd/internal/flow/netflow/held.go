package netflow

import (
	"slices"
	"time"
)

// Sets whose template is missing are held for a while, for exporters whose first
// data overtakes their templates, and for templates split from their data by a
// restart of theirs. Templates that come minutes later are the store's business.
const (
	holdFor      = int64(5 * time.Second)
	maxHeldSets  = 64
	maxHeldBytes = 128 << 10
)

// heldSet is a data set that waits for its template, and the clock of its message.
type heldSet struct {
	domain *domain
	id     uint16
	buf    []byte // the set's content behind a lead of heldLead bytes
	clock
}

// heldLead is how many bytes the ops may load from before a record.
const heldLead = 8

// withoutTemplate counts and holds a data set that cannot be read yet.
func (m *message) withoutTemplate(id uint16, from, to int) {
	s := m.exporter.stats
	s.withoutTemplate.Add(1)
	s.missing.Store(packMissing(m.domain.key, id))
	m.unread = true
	if m.err == nil {
		m.err = ErrNoTemplate
	}
	if to-from > maxHeldBytes {
		s.heldDropped.Add(1)
		return
	}
	h := heldSet{domain: m.domain, id: id, buf: make([]byte, heldLead+to-from), clock: m.clock}
	copy(h.buf[heldLead:], m.buf[from:to])
	m.exporter.hold(h)
}

// hold keeps a set, and drops the oldest ones that there is no room for.
func (e *exporter) hold(h heldSet) {
	for len(e.held) >= maxHeldSets || e.heldSize+len(h.buf) > maxHeldBytes+heldLead {
		e.dropOldestHeld()
	}
	e.held = append(e.held, h)
	e.heldSize += len(h.buf)
	e.cost += len(h.buf)
}

// dropExpired drops the sets that have waited long enough, and those from before
// a clock was set back.
func (e *exporter) dropExpired(now int64) {
	for len(e.held) > 0 {
		if age := now - e.held[0].received; age <= holdFor && age >= -holdFor {
			return
		}
		e.dropOldestHeld()
	}
}

func (e *exporter) dropOldestHeld() {
	e.unhold(0)
	e.stats.heldDropped.Add(1)
}

func (e *exporter) unhold(i int) heldSet {
	h := e.held[i]
	e.held = slices.Delete(e.held, i, i+1)
	e.heldSize -= len(h.buf)
	e.cost -= len(h.buf)
	return h
}

// release reads the sets that waited for t, in the order in which they came, and
// with the clocks of their own messages.
func (m *message) release(t *template) {
	e := m.exporter
	buf, now, records, options, unread := m.buf, m.clock, m.records, m.options, m.unread
	for i := 0; i < len(e.held); {
		if h := &e.held[i]; h.domain != m.domain || h.id != t.id {
			i++
			continue
		}
		h := e.unhold(i)
		m.buf, m.clock = h.buf, h.clock
		m.startedAt(m.domain.sampling.started) // it may be known only now
		m.data(t, heldLead, len(h.buf))
		e.stats.heldDecoded.Add(1)
	}
	m.buf, m.clock, m.records, m.options, m.unread = buf, now, records, options, unread
}
