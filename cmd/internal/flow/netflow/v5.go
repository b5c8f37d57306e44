package netflow

import (
	"encoding/binary"
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

const (
	v5HeaderLen = 24
	v5RecordLen = 48
)

// v5Has is what every v5 record carries.
const v5Has = flow.HasStart | flow.HasEnd | flow.HasPorts | flow.HasProto | flow.HasBytes | flow.HasPackets |
	flow.HasTCPFlags | flow.HasToS | flow.HasInIf | flow.HasOutIf | flow.HasSrcAS | flow.HasDstAS

// decodeV5 reads the NetFlow v5 messages of a datagram. There is one, but what
// was relayed or stored as a stream can hold several.
func (m *message) decodeV5() {
	for at := 0; at < len(m.buf); {
		at += m.v5Message(m.buf[at:])
	}
}

// v5Message reads the message at the start of b, a fixed header and fixed
// records, as Cisco's "NetFlow Export Datagram Format" lays them out, and returns
// its length. How many records there are is told by the bytes; the header's count
// can lie, and counts only where another header follows.
func (m *message) v5Message(b []byte) int {
	h, records := b[:v5HeaderLen], b[v5HeaderLen:]
	m.uptime, m.hasUptime = binary.BigEndian.Uint32(h[4:]), true
	m.export = int64(binary.BigEndian.Uint32(h[8:]))*1e9 + int64(binary.BigEndian.Uint32(h[12:]))
	m.enter(v5, uint32(binary.BigEndian.Uint16(h[20:]))) // engine type and id

	n, length := len(records)/v5RecordLen, len(b)
	if count := int(binary.BigEndian.Uint16(h[2:])); count < n && startsV5(records[count*v5RecordLen:]) {
		n, length = count, v5HeaderLen+count*v5RecordLen
	} else if count != n {
		m.fail(BadCount)
	}
	m.sequence(binary.BigEndian.Uint32(h[16:]), uint32(n), uint32(n))

	// The upper two bits are the sampling mode. Some exporters leave it 0 and
	// set the interval all the same.
	m.v5Records(records[:n*v5RecordLen], uint32(binary.BigEndian.Uint16(h[22:])&0x3fff))
	return length
}

// startsV5 reports whether b, which holds a record's length at least, starts with
// a header. A record starts with its source, and 0.5.0.0/16 is nobody's address.
func startsV5(b []byte) bool { return binary.BigEndian.Uint16(b) == 5 }

func (m *message) v5Records(records []byte, rate uint32) {
	// Locals, because the compiler must take every store to a record for one
	// to what m points to.
	base, now := m.base(v5Has, rate), m.clock
	n := len(m.out.Records)
	out := slices.Grow(m.out.Records, len(records)/v5RecordLen)
	out = out[:cap(out)]
	for ; len(records) >= v5RecordLen; records = records[v5RecordLen:] {
		b := (*[v5RecordLen]byte)(records)      // one bounds check for all
		if binary.BigEndian.Uint64(b[:]) == 0 { // both addresses
			m.exporter.stats.addressless.Add(1)
			continue
		}
		r := &out[n]
		n++
		*r = base
		r.Src = flow.Addr4(binary.BigEndian.Uint32(b[0:]))
		r.Dst = flow.Addr4(binary.BigEndian.Uint32(b[4:]))
		r.InIf = uint32(binary.BigEndian.Uint16(b[12:]))
		r.OutIf = uint32(binary.BigEndian.Uint16(b[14:]))
		r.Packets = uint64(binary.BigEndian.Uint32(b[16:]))
		r.Bytes = uint64(binary.BigEndian.Uint32(b[20:]))
		r.Start, r.End = now.clamp(now.atUptime(binary.BigEndian.Uint32(b[24:]))+now.slow, now.atUptime(binary.BigEndian.Uint32(b[28:]))+now.slow)
		r.SrcPort = binary.BigEndian.Uint16(b[32:])
		r.DstPort = binary.BigEndian.Uint16(b[34:])
		r.TCPFlags = uint16(b[37])
		r.Proto = b[38]
		r.ToS = b[39]
		r.SrcAS = uint32(binary.BigEndian.Uint16(b[40:]))
		r.DstAS = uint32(binary.BigEndian.Uint16(b[42:]))
		if b[38] == protoICMP { // type and code stand in the destination port
			r.ICMPType, r.ICMPCode = b[34], b[35]
			r.Has |= flow.HasICMP
		}
	}
	m.out.Records = out[:n]
}
