package agent_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
	"github.com/flowhound/flowhound/cmd/internal/flow/pcap"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// dayFlow is one flow record to be exported, or, where rev counts, both
// directions of one.
type dayFlow struct {
	start, end     time.Time
	src, dst       netip.Addr
	sport, dport   uint16
	proto          uint8
	flags          uint8
	packets, bytes uint32

	revFlags             uint8
	revPackets, revBytes uint32
}

// reversed is the other direction of f, as an exporter of one-way flows sends it.
func (f dayFlow) reversed() dayFlow {
	return dayFlow{
		start: f.start, end: f.end, src: f.dst, dst: f.src, sport: f.dport, dport: f.sport, proto: f.proto,
		flags: f.revFlags, packets: f.revPackets, bytes: f.revBytes,
	}
}

// dayExporter packs flows into datagrams as a router would: when one is full, and
// on flush. Templates go with the first datagram and every 32nd.
type dayExporter struct {
	addr    netip.Addr
	version uint16 // 5, 9 or 10
	biflow  bool   // IPFIX: both directions in one record (RFC 5103)

	boot          time.Time
	v4, v6        []dayFlow // pending
	datagrams     int
	packets, sent uint32 // sequence numbers: datagrams, data records
}

// dayMaxRecords keeps every datagram below 1,500 bytes.
const dayMaxRecords = 18

// add takes one flow and returns a datagram when one is full.
func (e *dayExporter) add(f dayFlow, now time.Time) []byte {
	if f.src.Is4() {
		e.v4 = append(e.v4, f)
	} else {
		e.v6 = append(e.v6, f)
	}
	if len(e.v4)+len(e.v6) < dayMaxRecords {
		return nil
	}
	return e.flush(now)
}

// flush returns what is pending as one datagram, nil when nothing is.
func (e *dayExporter) flush(now time.Time) []byte {
	records := len(e.v4) + len(e.v6)
	if records == 0 {
		return nil
	}
	var b []byte
	switch e.version {
	case 5:
		b = e.encodeV5(now)
	default:
		b = e.encodeTemplated(now)
	}
	e.datagrams++
	e.packets++
	e.sent += uint32(records)
	e.v4, e.v6 = e.v4[:0], e.v6[:0]
	return b
}

func (e *dayExporter) uptime(t time.Time) uint32 { return uint32(t.Sub(e.boot).Milliseconds()) }

func (e *dayExporter) encodeV5(now time.Time) []byte {
	be := binary.BigEndian
	b := be.AppendUint16(nil, 5)
	b = be.AppendUint16(b, uint16(len(e.v4)))
	b = be.AppendUint32(b, e.uptime(now))
	b = be.AppendUint32(b, uint32(now.Unix()))
	b = be.AppendUint32(b, uint32(now.Nanosecond()))
	b = be.AppendUint32(b, e.sent)
	b = append(b, 0, 0, 0, 0) // engine, sampling
	for _, f := range e.v4 {
		b = append(b, f.src.AsSlice()...)
		b = append(b, f.dst.AsSlice()...)
		b = append(b, make([]byte, 8)...) // next hop, interfaces
		b = be.AppendUint32(b, f.packets)
		b = be.AppendUint32(b, f.bytes)
		b = be.AppendUint32(b, e.uptime(f.start))
		b = be.AppendUint32(b, e.uptime(f.end))
		b = be.AppendUint16(b, f.sport)
		b = be.AppendUint16(b, f.dport)
		b = append(b, 0, f.flags, f.proto, 0)
		b = append(b, make([]byte, 8)...) // AS numbers, masks
	}
	return b
}

// dayField is one field of a template and how it is written.
type dayField struct {
	id, length uint16
	reverse    bool // of the reverse direction, RFC 5103
	value      func(dayFlow) uint64
}

// fields returns the template of one family; addresses (8 and 12, or 27 and 28) go
// before them.
func (e *dayExporter) fields() []dayField {
	fields := []dayField{
		{id: 7, length: 2, value: func(f dayFlow) uint64 { return uint64(f.sport) }},
		{id: 11, length: 2, value: func(f dayFlow) uint64 { return uint64(f.dport) }},
		{id: 4, length: 1, value: func(f dayFlow) uint64 { return uint64(f.proto) }},
		{id: 6, length: 1, value: func(f dayFlow) uint64 { return uint64(f.flags) }},
		{id: 1, length: 4, value: func(f dayFlow) uint64 { return uint64(f.bytes) }},
		{id: 2, length: 4, value: func(f dayFlow) uint64 { return uint64(f.packets) }},
	}
	if e.version == 9 {
		return append(fields,
			dayField{id: 22, length: 4, value: func(f dayFlow) uint64 { return uint64(e.uptime(f.start)) }},
			dayField{id: 21, length: 4, value: func(f dayFlow) uint64 { return uint64(e.uptime(f.end)) }})
	}
	fields = append(fields,
		dayField{id: 152, length: 8, value: func(f dayFlow) uint64 { return uint64(f.start.UnixMilli()) }},
		dayField{id: 153, length: 8, value: func(f dayFlow) uint64 { return uint64(f.end.UnixMilli()) }})
	if e.biflow {
		fields = append(fields,
			dayField{id: 6, length: 1, reverse: true, value: func(f dayFlow) uint64 { return uint64(f.revFlags) }},
			dayField{id: 1, length: 4, reverse: true, value: func(f dayFlow) uint64 { return uint64(f.revBytes) }},
			dayField{id: 2, length: 4, reverse: true, value: func(f dayFlow) uint64 { return uint64(f.revPackets) }})
	}
	return fields
}

// reversePEN is the enterprise number of RFC 5103's reverse elements.
const reversePEN = 29305

// template returns the template record of one family.
func (e *dayExporter) template(id uint16, src, dst, addrLen uint16) []byte {
	be := binary.BigEndian
	fields := e.fields()
	b := be.AppendUint16(nil, id)
	b = be.AppendUint16(b, uint16(len(fields)+2))
	for _, v := range []uint16{src, addrLen, dst, addrLen} {
		b = be.AppendUint16(b, v)
	}
	for _, f := range fields {
		element := f.id
		if f.reverse {
			element |= 0x8000
		}
		b = be.AppendUint16(b, element)
		b = be.AppendUint16(b, f.length)
		if f.reverse {
			b = be.AppendUint32(b, reversePEN)
		}
	}
	return b
}

// records returns flows as the records of one data set.
func (e *dayExporter) records(flows []dayFlow) []byte {
	var b []byte
	fields := e.fields()
	for _, f := range flows {
		b = append(b, f.src.AsSlice()...)
		b = append(b, f.dst.AsSlice()...)
		for _, field := range fields {
			var v [8]byte
			binary.BigEndian.PutUint64(v[:], field.value(f))
			b = append(b, v[8-field.length:]...)
		}
	}
	return b
}

// encodeTemplated returns the pending flows as NetFlow v9 or IPFIX.
func (e *dayExporter) encodeTemplated(now time.Time) []byte {
	be := binary.BigEndian
	var body []byte
	set := func(id uint16, content []byte) {
		for len(content)%4 != 0 {
			content = append(content, 0)
		}
		body = be.AppendUint16(body, id)
		body = be.AppendUint16(body, uint16(len(content)+4))
		body = append(body, content...)
	}
	count := len(e.v4) + len(e.v6)
	if e.datagrams%32 == 0 {
		count += 2
		templates := append(e.template(256, 8, 12, 4), e.template(257, 27, 28, 16)...)
		set(map[uint16]uint16{9: 0, 10: 2}[e.version], templates)
	}
	if len(e.v4) > 0 {
		set(256, e.records(e.v4))
	}
	if len(e.v6) > 0 {
		set(257, e.records(e.v6))
	}
	b := be.AppendUint16(nil, e.version)
	if e.version == 9 {
		b = be.AppendUint16(b, uint16(count))
		b = be.AppendUint32(b, e.uptime(now))
		b = be.AppendUint32(b, uint32(now.Unix()))
		b = be.AppendUint32(b, e.packets)
	} else {
		b = be.AppendUint16(b, uint16(16+len(body)))
		b = be.AppendUint32(b, uint32(now.Unix()))
		b = be.AppendUint32(b, e.sent)
	}
	b = be.AppendUint32(b, 1) // source id, observation domain
	return append(b, body...)
}

// dayCapture writes datagrams as a pcap of Ethernet frames.
type dayCapture struct {
	w      *pcapgo.Writer
	buffer gopacket.SerializeBuffer
}

func newDayCapture(w io.Writer) (*dayCapture, error) {
	c := &dayCapture{w: pcapgo.NewWriter(w), buffer: gopacket.NewSerializeBuffer()}
	return c, c.w.WriteFileHeader(65535, layers.LinkTypeEthernet)
}

func (c *dayCapture) write(from netip.Addr, at time.Time, datagram []byte) error {
	ip := &layers.IPv4{
		Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP,
		SrcIP: from.AsSlice(), DstIP: net.IPv4(192, 0, 2, 250),
	}
	udp := &layers.UDP{SrcPort: 49152, DstPort: 2055}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		return err
	}
	err := gopacket.SerializeLayers(c.buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		&layers.Ethernet{
			SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2},
			EthernetType: layers.EthernetTypeIPv4,
		}, ip, udp, gopacket.Payload(datagram))
	if err != nil {
		return fmt.Errorf("day: datagram of %s: %w", from, err)
	}
	frame := c.buffer.Bytes()
	return c.w.WritePacket(gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(frame), Length: len(frame)}, frame)
}

// TestDayIsAsPlanned decodes the day: what is asserted of the whole pipeline is
// worth no more than the generator.
func TestDayIsAsPlanned(t *testing.T) {
	peer.Long(t)
	day, err := writeDay(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[netip.Addr]bool)
	for _, feed := range day.Feeds {
		b, err := os.ReadFile(feed.Path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			listed[netip.MustParseAddr(strings.TrimSpace(line))] = true
		}
	}
	file, err := os.Open(day.Capture)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	reader, err := pcap.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}

	decoder := netflow.NewDecoder(netflow.Options{})
	var batch flow.Batch
	var records, hits int
	versions := make(map[uint8]int)
	pairs := make(map[[2]netip.Addr]int)
	for {
		p, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		batch.Reset()
		if err := decoder.Decode(p.Payload, p.Src, p.Time.UnixNano(), &batch); err != nil {
			t.Fatal(err)
		}
		for _, r := range batch.Records {
			records++
			versions[r.Version]++
			if age := r.Received - r.End; r.Start > r.End || age < -int64(time.Second) || age > int64(2*time.Minute) {
				t.Fatalf("%s: flow of %s to %s", p.Time, time.Unix(0, r.Start).UTC(), time.Unix(0, r.End).UTC())
			}
			local, remote := r.Src.IP(), r.Dst.IP()
			if listed[local] {
				local, remote = remote, local
			}
			if listed[remote] {
				hits++
				pairs[[2]netip.Addr{local, remote}]++
			}
		}
	}
	if records != day.Records || hits != day.HitRecords {
		t.Errorf("%d records, %d with a listed address; planned %d and %d", records, hits, day.Records, day.HitRecords)
	}
	if len(versions) != 3 {
		t.Errorf("records by version: %v, want 5, 9 and 10", versions)
	}
	for _, plant := range append(day.Planted, day.Beacon) {
		if got := pairs[[2]netip.Addr{plant.Local, plant.Remote}]; got != plant.Records {
			t.Errorf("%s with %s: %d records, planned %d", plant.Local, plant.Remote, got, plant.Records)
		}
	}
}
