package netflow

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// template is one template, compiled. It never changes, so that a Decoder and
// the Store may share it.
type template struct {
	version version // of its form: IPFIX may carry v9's
	options bool    // an options template: its records speak of the exporter
	id      uint16
	// wire is the template record as it came: a refresh is recognised by it, and
	// the store keeps it.
	wire []byte

	length   int         // bytes of a record; with variable-length fields the least
	ops      program     // what to do with a record
	layout   []slot      // every field in wire order, if one has a variable length
	has      flow.Fields // what every record carries
	extras   bool        // records say something beside the flow: sampling
	sections bool        // records hold a piece of a packet, or speak of one
	out      bool        // records count twice, see OutBytes
	rare     bool        // records say something that few say: rarities, sections, out
	special  bool        // extras or rare
	lists    bool        // records hold lists
	sides    uint8       // which addresses of a flow there are
	hasICMP  bool        // ICMP has elements of its own
}

// cost is the memory that a template takes, in bytes, about.
func (t *template) cost() int {
	const structs = 250 // template, entry, map slot
	return structs + len(t.wire) + len(t.ops)*opSize + len(t.layout)*slotSize
}

// templateSet reads the template records of a set, in the form that version v has.
// What stands behind the last one is padding.
func (m *message) templateSet(b []byte, v version, options bool) {
	for len(b) >= 4 {
		id := binary.BigEndian.Uint16(b)
		if id == 0 {
			return // padding
		}
		k, ok := m.domain.templates.get(id)
		if ok && k.options == options && k.version == v && bytes.HasPrefix(b, k.wire) {
			m.exporter.stats.templateRecords.Add(1) // an identical refresh
			m.templates++
			m.sentAgain(k)
			b = b[len(k.wire):]
			continue
		}
		n, whole := templateLength(v, options, b)
		if !whole {
			m.fail(BadTemplate)
			if ok {
				k.trial = true // it has changed, who knows how
			}
			return
		}
		switch {
		case isWithdrawal(v, options, b):
			m.withdraw(id, options)
		case id < firstDataSet:
			m.fail(BadTemplate)
		default:
			m.exporter.stats.templateRecords.Add(1)
			m.templates++
			m.learn(compile(v, options, slices.Clone(b[:n])))
		}
		b = b[n:]
	}
}

// parseTemplate compiles a template record that is exactly wire. It is false for
// one that templateSet would reject.
func parseTemplate(v version, options bool, wire []byte) (*template, bool) {
	if len(wire) < 4 || binary.BigEndian.Uint16(wire) < firstDataSet {
		return nil, false
	}
	if n, ok := templateLength(v, options, wire); !ok || n != len(wire) || isWithdrawal(v, options, wire) {
		return nil, false
	}
	return compile(v, options, wire), true
}

// learn takes a new or changed template, and reads the sets that waited for it.
func (m *message) learn(t *template) {
	if t.cost() > maxTemplateBytes {
		m.fail(BadTemplate)
		return
	}
	k := m.exporter.learn(m.domain, t)
	k.export = m.export
	m.ready(k)
}

// isWithdrawal reports whether a template record without fields takes its id
// back (RFC 7011 section 8.1). For v9 RFC 3954 knows no such thing, but
// exporters do it.
func isWithdrawal(v version, options bool, b []byte) bool {
	count := binary.BigEndian.Uint16(b[2:])
	if v == v9 && options {
		return count == 0 && binary.BigEndian.Uint16(b[4:]) == 0
	}
	return count == 0
}

// withdraw forgets a template, or all of one kind where IPFIX gives the id of
// the set instead of a template's.
func (m *message) withdraw(id uint16, options bool) {
	all := m.domain.key.version == ipfix &&
		(id == ipfixTemplates && !options || id == ipfixOptionsTemplates && options)
	if !all {
		m.exporter.forgetTemplate(m.domain, id)
		return
	}
	for id, t := range m.domain.templates.oldestFirst {
		if t.options == options {
			m.exporter.forgetTemplate(m.domain, id)
		}
	}
}

// field is one field specifier of a template.
type field struct {
	id     uint16
	length uint16
	pen    uint32 // private enterprise number, 0: IANA's registry
	scope  bool   // of an options template
}

const variableLength = 0xffff

// templateLength returns the length in bytes of the template record at the
// start of b, which holds at least 4 bytes; it is false when b ends before it.
func templateLength(v version, options bool, b []byte) (int, bool) {
	fields, at, ok := templateHeader(v, options, b)
	if !ok {
		return 0, false
	}
	for range fields {
		n := 4
		if v == ipfix && at < len(b) && b[at]&0x80 != 0 {
			n = 8
		}
		if at += n; at > len(b) {
			return 0, false
		}
	}
	return at, true
}

// templateHeader returns the number of fields of a template record and where
// the first one stands.
func templateHeader(v version, options bool, b []byte) (fields, at int, ok bool) {
	count := int(binary.BigEndian.Uint16(b[2:]))
	switch {
	case !options || v == ipfix && count == 0: // a withdrawal ends here
		return count, 4, true
	case len(b) < 6:
		return 0, 0, false
	case v == ipfix:
		scopes := int(binary.BigEndian.Uint16(b[4:]))
		return count, 6, scopes <= count
	default: // v9 gives lengths in bytes, of the scopes and of the options
		rest := int(binary.BigEndian.Uint16(b[4:]))
		return (count + rest) / 4, 6, count%4 == 0 && rest%4 == 0
	}
}

// fields parses a template record whose length templateLength has checked.
func fields(v version, options bool, b []byte) []field {
	n, at, _ := templateHeader(v, options, b)
	scopes := 0
	if options && v == v9 {
		scopes = int(binary.BigEndian.Uint16(b[2:])) / 4
	} else if options {
		scopes = int(binary.BigEndian.Uint16(b[4:]))
	}
	list := make([]field, 0, n)
	for i := range n {
		f := field{
			id:     binary.BigEndian.Uint16(b[at:]),
			length: binary.BigEndian.Uint16(b[at+2:]),
			scope:  i < scopes,
		}
		at += 4
		if v == ipfix && f.id&0x8000 != 0 {
			f.id &= 0x7fff
			f.pen = binary.BigEndian.Uint32(b[at:])
			at += 4
		}
		list = append(list, f)
	}
	return list
}
