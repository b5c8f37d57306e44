package netflow

import (
	"encoding/binary"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// data reads a data set between two offsets of m.buf. At least 8 bytes stand
// before it, so that the ops can load.
func (m *message) data(k *known, from, to int) {
	switch {
	case k.length == 0:
		m.fail(EmptyRecord)
		m.unread = true
	case k.options:
		m.optionRecords(k.template, from, to)
	default:
		m.flowRecords(k, from, to, nil)
	}
}

// flowRecords appends the records of a set. What is left at its end and is zero, or
// shorter than a record and than a word, is padding; with a tail that is not zero the
// records are read once more, each of them under suspicion.
func (m *message) flowRecords(k *known, from, to int, tail []byte) {
	sampled := m.sampled(k)
	base, read := m.base(k.has, sampled.unnamed), m.records
	m.check.begin(k, tail)
	var end int
	var out []flow.Record
	m.addressless, m.guessed = 0, 0
	if k.layout == nil && !k.special && !k.lists && !sampled.interfaces && !sampled.guessed {
		out, end = m.plainRecords(k.template, base, from, to)
	} else {
		out, end = m.specialRecords(k, base, from, to, sampled)
	}
	if !k.odd && !m.releasing {
		switch b := m.buf[end:to]; {
		case tail == nil && len(b) > 0 && k.layout == nil && !m.cut && !allZero(b):
			m.records = read
			m.flowRecords(k, from, to, b)
			return
		case m.check.rejects(tail):
			m.records = read
			m.withoutTemplate(k.id, from, to)
			return
		}
	}
	m.out.Records = out
	if m.addressless > 0 {
		m.exporter.stats.addressless.Add(m.addressless)
	}
	if m.guessed > 0 {
		m.countGuessed(sampled.unnamed, m.guessed)
	}
}

// plainRecords reads records that hold flows and nothing else, which are most. It
// returns where they end. A loop of its own keeps it in the processor's registers.
func (m *message) plainRecords(t *template, base flow.Record, from, to int) ([]flow.Record, int) {
	out, look, at := m.out.Records, true, from
	for ; to-at >= t.length; at += t.length {
		m.records++
		out = append(out, base)
		r := &out[len(out)-1]
		m.run(t.ops, at, r)
		if r.Has&needSettling != 0 || !t.hasICMP && flow.IsICMP(r.Proto) {
			m.settle(t, r)
		}
		if look {
			look = m.check.see(m.impossible(r))
		}
		m.clampTimes(r)
		if !hasAddress(r) { // then there is nothing to look up: Cisco's wireless controllers send such
			m.addressless++
			out = out[:len(out)-1]
		}
	}
	return out, at
}

const needSettling = flow.HasICMP | flow.HasFirewall | flow.HasNATSrc | flow.HasNATDst

// specialRecords reads records that have fields of variable length or lists, or say
// something beside the flow.
func (m *message) specialRecords(k *known, base flow.Record, from, to int, sampled *rates) ([]flow.Record, int) {
	t, out, look, at := k.template, m.out.Records, true, from
	ops, size := t.ops, t.length
	for ; to-at >= t.length; at += size {
		if t.layout != nil {
			var ok bool
			if ops, size, ok = m.variable(t, at, to); !ok {
				m.check.torn = !m.cut
				break
			}
		}
		m.records++
		out = append(out, base)
		r := &out[len(out)-1]
		if t.extras {
			m.extras = extras{}
		}
		if t.rare {
			m.clearRare(t)
		}
		m.run(ops, at, r)
		if t.out {
			m.applyOut(r)
		}
		if m.sampleRecord(r, k, sampled) {
			m.guessed++
		}
		if t.sections {
			m.applySection(r)
		}
		if t.lists {
			out = m.lists(t, out)
			continue
		}
		if r.Has&needSettling != 0 || !t.hasICMP && flow.IsICMP(r.Proto) {
			m.settle(t, r)
		}
		if look {
			look = m.check.see(m.impossible(r))
		}
		m.clampTimes(r)
		if !hasAddress(r) {
			m.addressless++
			out = out[:len(out)-1]
		}
	}
	return out, at
}

// clearRare forgets what the record before this one said beside the flow.
func (m *message) clearRare(t *template) {
	m.rarities = rarities{}
	m.outBytes, m.outPackets = 0, 0
	if t.sections {
		m.section = section{}
	}
}

// variable finds the fields of a record with variable-length fields (RFC 7011
// section 7). It returns the ops for this record and its size, and is false when
// a field reaches beyond the set.
func (m *message) variable(t *template, at, to int) (program, int, bool) {
	m.scratch = append(m.scratch[:0], t.ops...)
	end := at
	for _, s := range t.layout {
		length := int(s.length)
		if length == variableLength {
			var header int
			if length, header = variableFieldLength(m.buf[end:to]); header == 0 {
				m.fail(BadRecord)
				m.unread = true
				return nil, 0, false
			}
			end += header
		}
		if end += length; end > to {
			m.fail(BadRecord)
			m.unread = true
			return nil, 0, false
		}
		if s.op != noOp {
			m.scratch[s.op] = s.kind.op(length, end-at)
		}
	}
	return m.scratch, end - at, true
}

// variableFieldLength reads the length before a variable-length field, and how
// many bytes it takes: 1, 3, or 0 when b ends before it.
func variableFieldLength(b []byte) (length, header int) {
	switch {
	case len(b) >= 1 && b[0] < 255:
		return int(b[0]), 1
	case len(b) >= 3:
		return int(binary.BigEndian.Uint16(b[1:])), 3
	}
	return 0, 0
}
