package netflow

import (
	"encoding/binary"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// Structured data (RFC 6313): a field may be a list, of values of one element, of
// records of one template, or of records of several. What stands in it belongs to the
// record: flags, counters, ports, the addresses that the record lacks. Where a list
// holds several addresses, or several records with them, the record is several flows.

// Bounds of what an exporter can make of lists.
const (
	maxListDepth = 4     // lists in lists
	maxLists     = 16    // lists of one record, nested ones and all
	maxListed    = 256   // flows of one record
	maxVisited   = 16384 // values and records in lists of one datagram
)

// span is a list that was found and is to be read.
type span struct {
	kind     kind
	depth    uint8
	template uint16 // of kindSubRecords
	from, to int    // in message.buf
}

// spans is a queue of lists. It is copied where a list makes several flows of a record:
// each of them goes on with the lists that are left.
type spans struct {
	n    int
	list [maxLists]span
}

func (q *spans) pop() span {
	s := q.list[0]
	q.n--
	copy(q.list[:q.n], q.list[1:])
	return s
}

func (m *message) push(q *spans, s span) {
	if q.n == maxLists || s.depth >= maxListDepth {
		m.fail(BadList)
		return
	}
	q.list[q.n] = s
	q.n++
}

// pushFound takes the lists that run met; those of records go in by template.
func (m *message) pushFound(q *spans, depth uint8) {
	for _, s := range m.found {
		s.depth = depth
		switch s.kind {
		case kindSubList: // a semantic, the template, its records
			if s.to-s.from >= 3 {
				id := binary.BigEndian.Uint16(m.buf[s.from+1:])
				m.push(q, span{kindSubRecords, depth, id, s.from + 3, s.to})
			}
		case kindMultiList:
			m.pushParts(q, s)
		default:
			m.push(q, s)
		}
	}
	m.found = m.found[:0]
}

// pushParts takes the parts of a list of records of several templates: behind a semantic
// the template, the length of the part and its records, again and again.
func (m *message) pushParts(q *spans, s span) {
	for at := s.from + 1; at+setHeaderLen <= s.to; {
		id, length := binary.BigEndian.Uint16(m.buf[at:]), int(binary.BigEndian.Uint16(m.buf[at+2:]))
		if length < setHeaderLen || at+length > s.to {
			m.fail(BadList)
			return
		}
		m.push(q, span{kindSubRecords, s.depth, id, at + setHeaderLen, at + length})
		at += length
	}
}

// withoutFlows returns the queue without lists of whole flows.
func (m *message) withoutFlows(q *spans) (rest spans) {
	for _, s := range q.list[:q.n] {
		if k, ok := m.domain.templates.get(s.template); s.kind != kindSubRecords || !ok || k.sides != sideSrc|sideDst {
			rest.list[rest.n] = s
			rest.n++
		}
	}
	return rest
}

// expand reads the lists of the last record of out, which run has met, and returns out
// with the flows that it is.
func (m *message) expand(out []flow.Record) []flow.Record {
	r := out[len(out)-1]
	m.listed, m.flows = out[:len(out)-1], 0
	var q spans
	m.pushFound(&q, 0)
	m.walk(r, q)
	return m.listed
}

// lists makes the last record of out the flows that it is, and settles each as
// flowRecords does.
func (m *message) lists(t *template, out []flow.Record) []flow.Record {
	at := len(out) - 1
	out = m.expand(out)
	flows := out[at:]
	out = out[:at]
	for i := range flows {
		r := &flows[i]
		m.settle(t, r)
		m.check.see(m.impossible(r))
		m.clampTimes(r)
		if !hasAddress(r) {
			m.addressless++
			continue
		}
		out = append(out, *r)
	}
	return out
}

// walk reads the lists of q for r, and appends r when none is left. Lists of whole flows
// stand beside each other; a list of sources and one of destinations make each pair.
func (m *message) walk(r flow.Record, q spans) {
	became := merged
	for q.n > 0 {
		var now outcome
		s := q.pop()
		if s.kind == kindBasicList {
			now = m.basicList(&r, s, &q)
		} else {
			now = m.subRecords(&r, s, &q)
		}
		if now == pairs {
			return
		}
		became = max(became, now)
	}
	if became == flows {
		return
	}
	if m.flows++; m.flows > maxListed {
		m.fail(BadList)
		return
	}
	m.listed = append(m.listed, r)
}

// outcome is what a list made of a record.
type outcome uint8

const (
	merged outcome = iota // the record still: the list belongs to it
	flows                 // flows that stand in the list, and have been appended
	pairs                 // one for each of its addresses, likewise
)

// subRecords reads the records of one template.
func (m *message) subRecords(r *flow.Record, s span, q *spans) outcome {
	k, ok := m.domain.templates.get(s.template)
	if !ok || k.stale {
		m.missing(s.template)
		return merged
	}
	if k.options || k.length == 0 {
		m.fail(BadList)
		return merged
	}
	parent, became, rest := *r, merged, *q
	if k.lacking(r) {
		if became = pairs; k.sides == sideSrc|sideDst {
			became, rest = flows, m.withoutFlows(q)
		}
	}
	n := 0
	for at := s.from; s.to-at >= k.length; n++ {
		if m.visited++; m.visited > maxVisited {
			m.fail(BadList)
			break
		}
		ops, size := k.ops, k.length
		if k.layout != nil {
			if ops, size, ok = m.variable(k.template, at, s.to); !ok {
				break
			}
		}
		if became == merged {
			m.sub(k.template, ops, at, r)
			m.pushFound(q, s.depth+1)
		} else {
			child, left := parent, rest
			own := takeCounters(&child, k.has)
			m.sub(k.template, ops, at, &child)
			own.give(&child, n == 0)
			m.pushFound(&left, s.depth+1)
			m.walk(child, left)
		}
		at += size
	}
	if n == 0 {
		return merged
	}
	return became
}

// sub runs the program of a list's template on one of its records.
func (m *message) sub(t *template, ops program, at int, r *flow.Record) {
	if t.extras {
		m.extras = extras{}
	}
	if t.rare {
		m.clearRare(t)
	}
	m.run(ops, at, r)
	r.Has |= t.has
	if t.sections {
		m.applySection(r)
	}
}

// basicList reads a list of values of one element.
func (m *message) basicList(r *flow.Record, s span, q *spans) outcome {
	b := m.buf[s.from:s.to]
	if len(b) < 5 {
		m.fail(BadList)
		return merged
	}
	key, length, at := elementKey{id: binary.BigEndian.Uint16(b[1:])}, int(binary.BigEndian.Uint16(b[3:])), s.from+5
	if key.id&0x8000 != 0 {
		if len(b) < 9 {
			m.fail(BadList)
			return merged
		}
		key = elementKey{binary.BigEndian.Uint32(b[5:]), key.id & 0x7fff}
		at += 4
	}
	rank, ok := ranks[key]
	if !ok || length == 0 || elements[rank].kind.inOptions() {
		return merged
	}
	e := elements[rank]
	parent, expands, became := *r, e.kind.lacking(r), merged
	for n := 0; at < s.to; n++ {
		if m.visited++; m.visited > maxVisited {
			m.fail(BadList)
			break
		}
		size, header := length, 0
		if length == variableLength {
			if size, header = variableFieldLength(m.buf[at:s.to]); header == 0 {
				m.fail(BadRecord)
				break
			}
		}
		end := at + header + size
		if end > s.to {
			m.fail(BadRecord)
			break
		}
		m.single[0] = e.kind.op(size, end)
		at = end
		if !expands {
			m.run(m.single[:], 0, r)
			r.Has |= e.has
			m.pushFound(q, s.depth+1)
			continue
		}
		child := parent
		own := takeCounters(&child, 0)
		m.run(m.single[:], 0, &child)
		own.give(&child, n == 0)
		m.walk(child, *q)
		became = pairs
	}
	return became
}

// missing counts a list's template that has not come. The record is read without it.
func (m *message) missing(id uint16) {
	if id < firstDataSet {
		m.fail(BadList)
		return
	}
	m.exporter.stats.missing.Store(packMissing(m.domain.key, id))
	if m.err == nil {
		m.err = ErrNoTemplate
	}
}

// The sides of a flow that a template has addresses for.
const (
	sideSrc = 1 << iota
	sideDst
)

func (k kind) sides() uint8 {
	switch k {
	case kindSrc, kindSrcPrefix:
		return sideSrc
	case kindDst, kindDstPrefix:
		return sideDst
	}
	return 0
}

// lacking reports whether the element, or the template, has an address that r lacks.
func (k kind) lacking(r *flow.Record) bool { return lacks(k.sides(), r) }

func (t *template) lacking(r *flow.Record) bool { return lacks(t.sides, r) }

func lacks(sides uint8, r *flow.Record) bool {
	return sides&sideSrc != 0 && r.Src.IsUnspecified() || sides&sideDst != 0 && r.Dst.IsUnspecified()
}

// recordCounters are those of a record that turns out to be several flows. They are counted
// once, with the first of them; flows that have some of their own keep them.
type recordCounters struct {
	bytes, packets, revBytes, revPackets uint64
	has                                  flow.Fields
}

const hasCounters = flow.HasBytes | flow.HasPackets | flow.HasReverse | flow.HasLayer2

func takeCounters(r *flow.Record, own flow.Fields) recordCounters {
	c := recordCounters{r.Bytes, r.Packets, r.RevBytes, r.RevPackets, r.Has & hasCounters}
	r.Bytes, r.Packets, r.RevBytes, r.RevPackets = 0, 0, 0, 0
	r.Has = r.Has&^hasCounters | own&hasCounters
	return c
}

func (c *recordCounters) give(r *flow.Record, first bool) {
	if !first || r.Has&hasCounters != 0 {
		return
	}
	r.Bytes, r.Packets, r.RevBytes, r.RevPackets = c.bytes, c.packets, c.revBytes, c.revPackets
	r.Has |= c.has
}
