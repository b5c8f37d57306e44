package netflow

import (
	"time"
)

// Templates are only as good as their age. An exporter that restarted may give their
// ids to other layouts (RFC 3954 section 9), and decoding with the old one invents
// flows. So data is held until the exporter sends a template again
//
//   - after a restart: the uptime or the sequence number fell, or it says that it
//     started later;
//   - for a set whose length no whole number of records fills;
//   - for a set whose values cannot be.
//
// A template from the store is on trial until then: for it less is enough.

// known is a template in its domain, with what is found out about it there.
type known struct {
	*template
	stale  bool  // from before a restart: not to be used
	trial  bool  // from the store: the exporter has not sent it since
	odd    bool  // the exporter sent it again after sets that did not fit: it is its way
	export int64 // when the exporter last sent it, by its own clock, Unix ns
	rates  rates
}

// doubt is what a domain remembers of its exporter's restarts.
type doubt struct {
	boot     uint32 // Unix ms modulo 2^32 when a v9 exporter booted; 0: unknown
	fell     int64  // when numbers or uptime fell last, Unix ns
	unsteady bool   // they fall all the time: they are no sign of anything
	stale    bool   // some templates are
	before   line   // of numbering that was current before the last restart
}

const (
	// uptimeSlack is by how much the uptimes of datagrams that overtake each other
	// may differ, and clocks drift, in ms.
	uptimeSlack = 60_000
	// numberSlack is by how many units a datagram may come too late, lateWithin by
	// how much time when its own says so.
	numberSlack = 64
	lateWithin  = int64(10 * time.Minute)
	// unsteadyWithin and unsteadyFor: what falls twice within the first is not
	// looked at for the second.
	unsteadyWithin = int64(10 * time.Minute)
	unsteadyFor    = int64(time.Hour)
	// bootSlack is by how much an exporter's clock may run away from its uptime
	// while nobody listens, in ms.
	bootSlack = 600_000
	// startedSlack is by how much the start that an exporter tells may differ from
	// message to message, in ms.
	startedSlack = 60_000
)

// arrive looks at the header of a message, before its sets, for signs of a restart.
func (m *message) arrive(number uint32) {
	d := m.domain
	s := &d.sequence
	if len(s.lines) == 0 {
		m.firstMessage()
		return
	}
	i, near := s.near(number)
	now := &s.lines[s.current]
	fell := !near && int32(number-now.next[s.best()]) < -numberSlack &&
		(m.export >= now.export || m.export < now.export-lateWithin)
	if m.hasHeaderUptime() {
		fell = fell || m.rebooted(&s.lines[i])
		d.doubt.boot = m.bootOf()
	}
	switch {
	case d.doubt.stale && m.resumes(number):
		d.doubt.fell = 0 // another process began beside this one: nobody restarted
		m.trustAgain()
	case fell:
		m.fell()
	}
}

// resumes reports whether a message goes on where numbers stood before a restart.
func (m *message) resumes(number uint32) bool {
	s, d := &m.domain.sequence, &m.domain.doubt
	best := s.best()
	if now := &s.lines[s.current]; now.alive && number == now.next[best] || m.received-d.fell > unsteadyWithin {
		return false
	}
	ahead := int32(number - d.before.next[best])
	return ahead >= -numberSlack && ahead <= numberSlack &&
		(!m.hasHeaderUptime() || !m.rebooted(&d.before))
}

// hasHeaderUptime is true for v9: IPFIX has none.
func (m *message) hasHeaderUptime() bool { return m.domain.key.version == v9 }

// rebooted reports whether the uptime fell since the last message of a line, and not
// because this one is late. The counter wraps after 49.7 days.
func (m *message) rebooted(l *line) bool {
	const wraps = 1 << 32 / 8 // six days
	wrapped := l.uptime > 1<<32-1-wraps && m.uptime < wraps
	fell := m.uptime < l.uptime && l.uptime-m.uptime > uptimeSlack
	return fell && !wrapped && bootOf(l.export, l.uptime)-m.bootOf()+uptimeSlack > 2*uptimeSlack
}

// bootOf returns when the exporter booted, by its clock, Unix ms modulo 2^32.
func bootOf(export int64, uptime uint32) uint32 { return max(uint32(export/1e6)-uptime, 1) }

func (m *message) bootOf() uint32 { return bootOf(m.export, m.uptime) }

// firstMessage holds the first message of a domain against what the store knows.
func (m *message) firstMessage() {
	if !m.hasHeaderUptime() {
		return
	}
	d, boot := &m.domain.doubt, m.bootOf()
	if d.boot != 0 && int32(boot-d.boot) > bootSlack {
		m.distrust(m.domain, func(*known) bool { return true })
	}
	d.boot = boot
}

// near returns the line that a number may continue, and whether there is one.
func (s *sequence) near(number uint32) (int, bool) {
	best := s.best()
	if s.lines[s.current].near(number, best) {
		return s.current, true
	}
	for i := range s.lines {
		if s.lines[i].near(number, best) {
			return i, true
		}
	}
	return s.current, false
}

func (l *line) near(number uint32, way int) bool {
	return l.alive && number-l.next[way]+numberSlack <= maxGap+numberSlack
}

// fell is called when the uptime or the sequence number fell. Exporters whose numbers
// do that all the time would never be read: theirs are no sign.
func (m *message) fell() {
	d := &m.domain.doubt
	since, again := m.received-d.fell, d.fell != 0
	d.fell = m.received
	switch {
	case d.unsteady && since < unsteadyFor:
	case again && since < unsteadyWithin:
		d.unsteady = true
		m.trustAgain()
	default:
		d.unsteady = false
		d.before = m.domain.sequence.lines[m.domain.sequence.current]
		for i := range m.exporter.held { // the templates that they wait for will not come
			if h := &m.exporter.held[i]; h.domain == m.domain {
				h.old = true
			}
		}
		m.distrust(m.domain, func(*known) bool { return true })
	}
}

// restartedAt is called when the exporter says that it started at another time than it
// did before, in Unix ms: templates that it sent before then are stale.
func (m *message) restartedAt(started uint64) {
	for key, d := range m.exporter.domains.oldestFirst {
		if key.version == m.domain.key.version {
			m.distrust(d, func(k *known) bool { return k.export < int64(started)*1e6 })
		}
	}
}

// distrust marks templates of a domain as stale.
func (m *message) distrust(d *domain, which func(*known) bool) {
	for _, k := range d.templates.oldestFirst {
		if which(k) {
			k.stale, d.doubt.stale = true, true
		}
	}
	m.exporter.changed = true // the store shall know when it booted
}

// trustAgain takes the doubt back, and has what was held for it read.
func (m *message) trustAgain() {
	d := m.domain
	d.doubt.stale = false
	for i := range m.exporter.held {
		if h := &m.exporter.held[i]; h.domain == d {
			h.old = false
		}
	}
	for _, k := range d.templates.oldestFirst {
		if k.stale {
			k.stale = false
			m.ready(k)
		}
	}
}

// sentAgain is called when the exporter sent a template that is known already.
func (m *message) sentAgain(k *known) {
	k.export = m.export
	if held := len(m.exporter.held) > 0 && m.ready(k); held && !k.stale && !k.trial {
		k.odd = true
	}
	k.stale, k.trial = false, false
}
