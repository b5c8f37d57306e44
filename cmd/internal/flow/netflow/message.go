package netflow

import (
	"bytes"
	"cmp"
	"encoding/binary"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

const (
	v9HeaderLen    = 20
	ipfixHeaderLen = 16
	setHeaderLen   = 4
)

// Set ids with a meaning of their own. From firstDataSet on, the id names a template.
const (
	v9Templates           = 0
	v9OptionsTemplates    = 1
	ipfixTemplates        = 2
	ipfixOptionsTemplates = 3
	v9Header              = 9 // not a set at all: the version of another message
	firstDataSet          = 256
)

// message is one NetFlow datagram or one IPFIX message in work: what all its
// records have in common.
type message struct {
	out      *flow.Batch
	exporter *exporter
	domain   *domain
	buf      []byte // the datagram, or a held set behind its lead
	err      error  // first thing wrong with the datagram

	clock

	records   uint32 // data records read so far, flows and options
	options   uint32 // of those, options
	templates uint32 // template records read so far
	unread    bool   // a set had to be skipped, so records is too low

	cut                  bool   // the set in work ends where the datagram does, not where it should
	check                check  // of the set in work
	addressless, guessed uint64 // records of the set in work
	release              bool   // held sets can be read at the end of the datagram
	releasing            bool   // they are being read

	// What one record said beside the flow, by the kinds of its ops.
	extras               extras
	rarities             rarities
	told                 told
	section              section
	outBytes, outPackets uint64
	found                []span // its lists

	listed  []flow.Record // out, while the lists of a record are read
	flows   int           // of that record
	visited int           // values and records in lists of the datagram
	single  [1]op         // for the value of a list
	scratch program       // the ops of a record with variable-length fields
}

func (m *message) begin(e *exporter, datagram []byte, received int64, out *flow.Batch) {
	m.out, m.exporter, m.buf, m.received, m.err = out, e, datagram, received, nil
	m.release, m.visited = false, 0
}

// enter starts a message of the given domain; export and uptime are set.
func (m *message) enter(v version, id uint32) {
	m.domain = m.exporter.domain(domainKey{id, v})
	if m.slow = m.exporter.skew.see(m.received - m.export); m.slow != m.exporter.stats.slow.Load() {
		m.exporter.stats.slow.Store(m.slow)
	}
	m.records, m.options, m.templates, m.unread = 0, 0, 0, false
}

// fail counts a malformed part.
func (m *message) fail(reason Reason) {
	m.exporter.stats.malformed[reason].Add(1)
	if m.err == nil {
		m.err = reason
	}
}

// base returns what every record of a set starts as, at a sampling rate (0: unknown).
// Records are copied from it whole, so that nothing older shines through in a reused
// batch.
func (m *message) base(has flow.Fields, rate uint32) flow.Record {
	r := flow.Record{
		Exporter: m.exporter.key.addr,
		Received: m.received,
		Domain:   m.domain.key.id,
		Version:  m.domain.key.version.number(),
		Has:      has,
		Sampling: 1,
	}
	if rate = cmp.Or(m.exporter.override, rate); rate > 0 {
		r.Sampling = rate
		r.Has |= flow.HasSampling
	}
	return r
}

func hasAddress(r *flow.Record) bool {
	return !r.Src.IsUnspecified() || !r.Dst.IsUnspecified() || !r.NATSrc.IsUnspecified() || !r.NATDst.IsUnspecified()
}

// decodeV9 reads the NetFlow v9 messages of a datagram (RFC 3954 section 5); more
// than one as in v5. Their count field is not used: the sets tell where they
// end.
func (m *message) decodeV9() {
	for at := 0; at < len(m.buf); {
		h := m.buf[at : at+v9HeaderLen]
		m.uptime, m.hasUptime = binary.BigEndian.Uint32(h[4:]), true
		m.export = int64(binary.BigEndian.Uint32(h[8:])) * 1e9
		m.enter(v9, binary.BigEndian.Uint32(h[16:]))
		m.arrive(binary.BigEndian.Uint32(h[12:]))
		at = m.sets(at+v9HeaderLen, len(m.buf))
		m.sequence(binary.BigEndian.Uint32(h[12:]), 1, m.records)
	}
}

// decodeIPFIX reads the IPFIX messages of a datagram (RFC 7011 section 3.1).
// RFC 7011 wants one a datagram; some exporters send several, and all count.
func (m *message) decodeIPFIX() {
	for at := 0; at < len(m.buf); {
		rest := m.buf[at:]
		if !startsIPFIX(rest) {
			if !allZero(rest) {
				m.fail(TrailingBytes)
			}
			return
		}
		to := m.ipfixEnd(at)
		m.ipfixMessage(at, to)
		at = to
	}
}

// startsIPFIX reports whether b starts with the header of a message. No set has the
// id 10.
func startsIPFIX(b []byte) bool {
	return len(b) >= ipfixHeaderLen && binary.BigEndian.Uint16(b) == 10
}

// ipfixEnd returns where the message at the given offset ends. Its header says so,
// and counts only where that is the end of the datagram, or where something
// follows that may: another message, or zeros. Else the sets tell.
func (m *message) ipfixEnd(at int) int {
	length := int(binary.BigEndian.Uint16(m.buf[at+2:]))
	to := at + length
	switch {
	case to == len(m.buf):
		return to
	case to > len(m.buf):
		m.fail(Truncated)
		return len(m.buf)
	case length >= ipfixHeaderLen && (startsIPFIX(m.buf[to:]) || allZero(m.buf[to:])):
		return to
	}
	if end, ok := m.setsEnd(at + ipfixHeaderLen); ok {
		m.fail(BadCount)
		return end
	}
	if length < ipfixHeaderLen {
		m.fail(BadCount)
		return len(m.buf)
	}
	return to
}

// setsEnd follows the lengths of the sets from the given offset. It is false when
// they do not lead to the end of the datagram, to another message or to padding.
func (m *message) setsEnd(at int) (int, bool) {
	for {
		rest := m.buf[at:]
		if allZero(rest) || startsIPFIX(rest) {
			return at, true
		}
		if len(rest) < setHeaderLen {
			return at, false
		}
		id, length := binary.BigEndian.Uint16(rest), int(binary.BigEndian.Uint16(rest[2:]))
		if id > ipfixOptionsTemplates && id < firstDataSet || length < setHeaderLen || length > len(rest) {
			return at, false
		}
		at += length
	}
}

func (m *message) ipfixMessage(from, to int) {
	h := m.buf[from:to]
	m.export = int64(binary.BigEndian.Uint32(h[4:])) * 1e9
	m.enter(ipfix, binary.BigEndian.Uint32(h[12:]))
	m.hasUptime = false
	m.startedAt(m.exporter.startedOf(m.domain))
	m.arrive(binary.BigEndian.Uint32(h[8:]))
	m.sets(from+ipfixHeaderLen, to)

	m.sequence(binary.BigEndian.Uint32(h[8:]), m.records, m.records-m.options)
	if m.unread {
		m.domain.sequence.skip()
	}
}

// sets walks the sets between two offsets of the datagram, in wire order. It
// returns where they end: at to, or where in v9 the header of another message
// stands in the place of a set.
func (m *message) sets(from, to int) int {
	for from < to {
		rest := m.buf[from:to]
		if len(rest) < setHeaderLen {
			if !allZero(rest) {
				m.fail(TrailingBytes)
			}
			return to
		}
		id := binary.BigEndian.Uint16(rest)
		if id == v9Header && m.domain.key.version == v9 && len(rest) >= v9HeaderLen {
			return from
		}
		length := int(binary.BigEndian.Uint16(rest[2:]))
		if length < setHeaderLen {
			if !allZero(rest) { // else it is padding, some fill whole datagrams with it
				m.fail(BadSetLength)
			}
			return to
		}
		m.cut = length > len(rest)
		if m.cut {
			m.fail(Truncated) // what is there can still be read
			length = len(rest)
		}
		m.set(id, from+setHeaderLen, from+length)
		from += length
	}
	return to
}

func (m *message) set(id uint16, from, to int) {
	v := m.domain.key.version
	switch {
	case id >= firstDataSet:
		if k, ok := m.domain.templates.get(id); ok && !k.stale {
			m.data(k, from, to)
		} else {
			m.withoutTemplate(id, from, to)
		}
	case id == v9Templates, id == v9OptionsTemplates: // some send them in IPFIX, too
		m.templateSet(m.buf[from:to], v9, id == v9OptionsTemplates)
	case v == ipfix && (id == ipfixTemplates || id == ipfixOptionsTemplates):
		m.templateSet(m.buf[from:to], ipfix, id == ipfixOptionsTemplates)
	default:
		m.fail(ReservedSet)
	}
}

func allZero(b []byte) bool {
	return len(bytes.TrimLeft(b, "\x00")) == 0
}
