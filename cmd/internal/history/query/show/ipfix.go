package show

import (
	"encoding/binary"
	"io"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/query"
)

// NewIPFIX returns a Writer of an IPFIX file (RFC 5655): messages of RFC 7011 one after
// another. Each set of fields that exporters sent is a template of its own, so that what
// was not sent is not in the file. A conversation is written as its two records.
func NewIPFIX(w io.Writer) Writer { return &ipfixWriter{w: w, domains: map[uint32]*ipfixDomain{}} }

// element is a field of a record, as IANA's registry numbers it.
type element struct {
	id     uint16
	size   uint16
	has    flow.Fields
	v4, v6 bool // only in records of that family
	append func(b []byte, r *flow.Record) []byte
}

func u8(id uint16, has flow.Fields, v func(*flow.Record) uint8) element {
	return element{id, 1, has, true, true, func(b []byte, r *flow.Record) []byte { return append(b, v(r)) }}
}

func u16(id uint16, has flow.Fields, v func(*flow.Record) uint16) element {
	return element{id, 2, has, true, true, func(b []byte, r *flow.Record) []byte { return binary.BigEndian.AppendUint16(b, v(r)) }}
}

func u32(id uint16, has flow.Fields, v func(*flow.Record) uint32) element {
	return element{id, 4, has, true, true, func(b []byte, r *flow.Record) []byte { return binary.BigEndian.AppendUint32(b, v(r)) }}
}

func u64(id uint16, has flow.Fields, v func(*flow.Record) uint64) element {
	return element{id, 8, has, true, true, func(b []byte, r *flow.Record) []byte { return binary.BigEndian.AppendUint64(b, v(r)) }}
}

func of(v4 bool, e element) element {
	e.v4, e.v6 = v4, !v4
	return e
}

func addr4(id uint16, has flow.Fields, v func(*flow.Record) flow.Addr) element {
	return of(true, u32(id, has, func(r *flow.Record) uint32 { return v(r).V4() }))
}

func addr6(id uint16, has flow.Fields, v func(*flow.Record) flow.Addr) element {
	return element{id, 16, has, false, true, func(b []byte, r *flow.Record) []byte {
		a := v(r)
		return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, a.Hi), a.Lo)
	}}
}

func src(r *flow.Record) flow.Addr    { return r.Src }
func dst(r *flow.Record) flow.Addr    { return r.Dst }
func natSrc(r *flow.Record) flow.Addr { return r.NATSrc }
func natDst(r *flow.Record) flow.Addr { return r.NATDst }

var elements = []element{
	addr4(8, 0, src), addr4(12, 0, dst), addr6(27, 0, src), addr6(28, 0, dst),
	u16(7, flow.HasPorts, func(r *flow.Record) uint16 { return r.SrcPort }),
	u16(11, flow.HasPorts, func(r *flow.Record) uint16 { return r.DstPort }),
	u8(4, flow.HasProto, func(r *flow.Record) uint8 { return r.Proto }),
	u64(1, flow.HasBytes, func(r *flow.Record) uint64 { return r.Bytes }),
	u64(2, flow.HasPackets, func(r *flow.Record) uint64 { return r.Packets }),
	u64(152, flow.HasStart, func(r *flow.Record) uint64 { return uint64(r.Start / 1e6) }),
	u64(153, flow.HasEnd, func(r *flow.Record) uint64 { return uint64(r.End / 1e6) }),
	u16(6, flow.HasTCPFlags, func(r *flow.Record) uint16 { return r.TCPFlags }),
	u8(5, flow.HasToS, func(r *flow.Record) uint8 { return r.ToS }),
	u32(10, flow.HasInIf, func(r *flow.Record) uint32 { return r.InIf }),
	u32(14, flow.HasOutIf, func(r *flow.Record) uint32 { return r.OutIf }),
	u32(16, flow.HasSrcAS, func(r *flow.Record) uint32 { return r.SrcAS }),
	u32(17, flow.HasDstAS, func(r *flow.Record) uint32 { return r.DstAS }),
	of(true, u8(176, flow.HasICMP, func(r *flow.Record) uint8 { return r.ICMPType })),
	of(true, u8(177, flow.HasICMP, func(r *flow.Record) uint8 { return r.ICMPCode })),
	of(false, u8(178, flow.HasICMP, func(r *flow.Record) uint8 { return r.ICMPType })),
	of(false, u8(179, flow.HasICMP, func(r *flow.Record) uint8 { return r.ICMPCode })),
	addr4(225, flow.HasNATSrc, natSrc), addr6(281, flow.HasNATSrc, natSrc),
	u16(227, flow.HasNATSrc, func(r *flow.Record) uint16 { return r.NATSrcPort }),
	addr4(226, flow.HasNATDst, natDst), addr6(282, flow.HasNATDst, natDst),
	u16(228, flow.HasNATDst, func(r *flow.Record) uint16 { return r.NATDstPort }),
	u32(34, flow.HasSampling, func(r *flow.Record) uint32 { return r.Sampling }),
	u8(233, flow.HasFirewall, func(r *flow.Record) uint8 { return uint8(r.Firewall) }),
}

// template is the elements of one kind of record.
type template struct {
	id       uint16
	elements []*element
}

type templateKey struct {
	has flow.Fields
	v6  bool
}

// ipfixDomain is the state of one observation domain.
type ipfixDomain struct {
	templates map[templateKey]*template
	sequence  uint32
}

type ipfixWriter struct {
	w       io.Writer
	domains map[uint32]*ipfixDomain
	message []byte
	domain  uint32
	set     int    // where in message the set starts that is being filled, 0: none
	setID   uint16 // of that set
	export  int64  // when the newest of the message's records arrived
	records uint32 // in the message
}

const (
	messageHeader = 16
	// mostMessage is how long a message gets. Its length has 16 bits.
	mostMessage = 60000
	firstID     = 256
	setTemplate = 2
)

// Flow is part of Writer.
func (i *ipfixWriter) Flow(f *query.Found) error {
	if c := f.Conversation; c != nil {
		if err := i.record(&c.Record.Record); err != nil || !c.Answered {
			return err
		}
		return i.record(&c.Answer.Record)
	}
	return i.record(&f.Record.Record)
}

func (i *ipfixWriter) record(r *flow.Record) error {
	if len(i.message) > mostMessage || i.message != nil && i.domain != r.Domain {
		if err := i.flush(); err != nil {
			return err
		}
	}
	if len(i.message) == 0 {
		i.message, i.domain = append(i.message[:0], make([]byte, messageHeader)...), r.Domain
	}
	d := i.domains[r.Domain]
	if d == nil {
		d = &ipfixDomain{templates: map[templateKey]*template{}}
		i.domains[r.Domain] = d
	}
	t := i.template(d, r)
	if i.setID != t.id {
		i.endSet()
		i.beginSet(t.id)
	}
	for _, e := range t.elements {
		i.message = e.append(i.message, r)
	}
	i.records++
	i.export = max(i.export, r.Received)
	return nil
}

// template returns the template of a record, which it writes before its first use.
func (i *ipfixWriter) template(d *ipfixDomain, r *flow.Record) *template {
	v6 := !r.Src.Is4() || !r.Dst.Is4()
	key := templateKey{r.Has, v6}
	if !v6 && (r.Has&flow.HasNATSrc != 0 && !r.NATSrc.Is4() || r.Has&flow.HasNATDst != 0 && !r.NATDst.Is4()) {
		key.v6 = true // one family a record: IPv4 as v4-mapped IPv6
	}
	if t := d.templates[key]; t != nil {
		return t
	}
	t := &template{id: uint16(firstID + len(d.templates))}
	d.templates[key] = t
	i.endSet()
	i.beginSet(setTemplate)
	at := len(i.message)
	i.message = append(i.message, make([]byte, 4)...)
	for n := range elements {
		e := &elements[n]
		if r.Has&e.has != e.has || key.v6 && !e.v6 || !key.v6 && !e.v4 {
			continue
		}
		t.elements = append(t.elements, e)
		i.message = binary.BigEndian.AppendUint16(i.message, e.id)
		i.message = binary.BigEndian.AppendUint16(i.message, e.size)
	}
	binary.BigEndian.PutUint16(i.message[at:], t.id)
	binary.BigEndian.PutUint16(i.message[at+2:], uint16(len(t.elements)))
	return t
}

func (i *ipfixWriter) beginSet(id uint16) {
	i.set, i.setID = len(i.message), id
	i.message = binary.BigEndian.AppendUint16(i.message, id)
	i.message = append(i.message, 0, 0)
}

func (i *ipfixWriter) endSet() {
	if i.set > 0 {
		binary.BigEndian.PutUint16(i.message[i.set+2:], uint16(len(i.message)-i.set))
	}
	i.set, i.setID = 0, 0
}

// flush writes the message.
func (i *ipfixWriter) flush() error {
	if len(i.message) == 0 {
		return nil
	}
	i.endSet()
	d := i.domains[i.domain]
	binary.BigEndian.PutUint16(i.message, 10)
	binary.BigEndian.PutUint16(i.message[2:], uint16(len(i.message)))
	binary.BigEndian.PutUint32(i.message[4:], uint32(i.export/1e9))
	binary.BigEndian.PutUint32(i.message[8:], d.sequence)
	binary.BigEndian.PutUint32(i.message[12:], i.domain)
	d.sequence += i.records
	_, err := i.w.Write(i.message)
	i.message, i.records, i.export = nil, 0, 0
	return err
}

// Close writes the last message.
func (i *ipfixWriter) Close() error { return i.flush() }
