package netflow

import (
	"slices"
	"time"
	"unsafe"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// Sets whose template is missing are held for a while, for exporters whose first
// data overtakes their templates, and for templates split from their data by a
// restart of theirs. Templates that come minutes later are the store's business.
const (
	// holdFor is longer than the minute in which our pages for routers have the
	// templates sent again.
	holdFor = int64(90 * time.Second)
	// maxHeldBytes is room for some 900 sets of one flow each, which is how
	// FortiGates send: sixteen sets in every datagram.
	maxHeldBytes = 128 << 10
)

// heldSet is a data set that waits for its template, and the clock of its message.
type heldSet struct {
	domain *domain
	id     uint16
	old    bool   // from before a restart: no template that comes is its own
	by     *known // what it is to be read by; nil: nothing yet
	buf    []byte // the set's content behind a lead of heldLead bytes
	clock
}

const (
	heldLead    = 8 // how many bytes the ops may load from before a record
	heldSetSize = int(unsafe.Sizeof(heldSet{}))
)

// cost is the memory that a held set takes, in bytes.
func (h *heldSet) cost() int { return heldSetSize + len(h.buf) }

// withoutTemplate counts and holds a data set that cannot be read yet.
func (m *message) withoutTemplate(id uint16, from, to int) {
	s := m.exporter.stats
	s.withoutTemplate.Add(1)
	s.missing.Store(packMissing(m.domain.key, id))
	m.unread = true
	if m.err == nil {
		m.err = ErrNoTemplate
	}
	h := heldSet{domain: m.domain, id: id, buf: make([]byte, heldLead+to-from), clock: m.clock}
	copy(h.buf[heldLead:], m.buf[from:to])
	m.exporter.hold(h)
}

// hold keeps a set, and drops the oldest ones that there is no room for. For one
// there always is: the length of a set has 16 bits.
func (e *exporter) hold(h heldSet) {
	n, room := 0, maxHeldBytes-e.heldSize
	for ; room < h.cost(); n++ {
		room += e.held[n].cost()
	}
	e.dropOldestHeld(n)
	e.held = append(e.held, h)
	e.account(h.cost())
}

// dropExpired drops the sets that have waited long enough, and those from before
// a clock was set back.
func (e *exporter) dropExpired(now int64) {
	n := 0
	for ; n < len(e.held); n++ {
		if age := now - e.held[n].received; age <= holdFor && age >= -holdFor {
			break
		}
	}
	e.dropOldestHeld(n)
}

func (e *exporter) dropOldestHeld(n int) {
	if n == 0 {
		return
	}
	for i := range e.held[:n] {
		e.account(-e.held[i].cost())
	}
	e.held = slices.Delete(e.held, 0, n)
	e.stats.heldDropped.Add(uint64(n))
}

func (e *exporter) account(heldBytes int) {
	e.heldSize += heldBytes
	e.cost += heldBytes
}

// ready has the sets that waited for k read at the end of the datagram, when the
// sampling rates that it carries are known, too. It reports whether there are any.
func (m *message) ready(k *known) bool {
	any := false
	for i := range m.exporter.held {
		if h := &m.exporter.held[i]; h.domain == m.domain && h.id == k.id && h.by == nil && !h.old {
			h.by, any = k, true
		}
	}
	m.release = m.release || any
	return any
}

// releaseHeld reads the sets that are ready, in the order in which they came and with
// the clocks of their own messages. Their flows come before those of this datagram,
// which begin at first.
func (m *message) releaseHeld(first int) {
	e, end := m.exporter, len(m.out.Records)
	now, current := m.clock, m.domain
	m.releasing = true
	kept := e.held[:0]
	for _, h := range e.held {
		if h.by == nil {
			kept = append(kept, h)
			continue
		}
		m.buf, m.clock, m.domain = h.buf, h.clock, h.domain
		if h.domain.key.version == ipfix {
			m.startedAt(e.startedOf(h.domain)) // it may be known only now
		}
		m.data(h.by, heldLead, len(h.buf))
		e.account(-h.cost())
		e.stats.heldDecoded.Add(1)
	}
	clear(e.held[len(kept):])
	e.held = kept
	m.clock, m.domain, m.release, m.releasing = now, current, false, false
	rotate(m.out.Records[first:], end-first)
}

// rotate puts the first n records behind the others.
func rotate(records []flow.Record, n int) {
	slices.Reverse(records[:n])
	slices.Reverse(records[n:])
	slices.Reverse(records)
}
