package netflow

import (
	"bytes"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// sampledIP is a packet of 1,500 bytes, of which its headers are there: 192.0.2.33,
// port 40000, to 198.51.100.7, port 443, with ACK and PSH.
func sampledIP() []byte {
	ip4 := cat(u8(0x45), u8(0xb8), u16(1500), u32(1<<16), u8(64), u8(6), u16(0), ip("192.0.2.33"), ip("198.51.100.7"))
	return cat(ip4, u16(40000), u16(443), u64(0), u16(0x5018), u16(0xffff), u32(0))
}

func sampledFrame(etherType uint16, shim ...byte) []byte {
	return cat(bytes.Repeat(u8(2), 12), u16(etherType), shim, sampledIP())
}

func TestPacketSections(t *testing.T) {
	const v = variableLength
	variable := func(b []byte) []byte { return cat(u8(uint8(len(b))), b) }
	labels := []byte{0, 1, 0, 0x40, 0, 2, 1, 0x40}
	wifi := cat([]byte{8, 1, 0, 0}, make([]byte, 20), []byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, sampledIP())
	for _, c := range []struct {
		name   string
		record []fieldValue
	}{
		{"frame", []fieldValue{{spec{312, 2, 0}, u16(1514)}, {spec{315, v, 0}, variable(sampledFrame(0x0800))}}},
		{"frame with tags", []fieldValue{{spec{315, v, 0}, variable(sampledFrame(0x8100, 0, 7, 8, 0))}}},
		{"frame with labels", []fieldValue{{spec{315, v, 0}, variable(sampledFrame(0x8847, labels...))}}},
		{"frame, said to be Ethernet", []fieldValue{{spec{408, 2, 0}, u16(1)}, {spec{315, v, 0}, variable(sampledFrame(0x0800))}}},
		{"frame of 802.11", []fieldValue{{spec{408, 2, 0}, u16(2)}, {spec{315, v, 0}, variable(wifi)}}},
		{"frame of fixed length, filled up", []fieldValue{{spec{315, 128, 0}, cat(sampledFrame(0x0800), make([]byte, 128-54))}}},
		{"IP header", []fieldValue{{spec{313, v, 0}, variable(sampledIP())}}},
		{"labels and what they carry", []fieldValue{{spec{316, v, 0}, variable(cat(labels, sampledIP()))}}},
		{"labels' payload in their place", []fieldValue{{spec{314, 4, 0}, labels[4:]}, {spec{316, v, 0}, variable(sampledIP())}}},
		{"labels alone, and what they carry", []fieldValue{{spec{316, v, 0}, variable(labels)}, {spec{317, v, 0}, variable(sampledIP())}}},
		{"NetFlow-Lite", []fieldValue{{spec{102, 2, 0}, u16(0)}, {spec{103, 2, 0}, u16(1514)}, {spec{104, 64, 0}, cat(sampledFrame(0x0800), make([]byte, 10))}}},
		{"frame that starts at 0", []fieldValue{{spec{409, 2, 0}, u16(0)}, {spec{410, 2, 0}, u16(54)}, {spec{315, v, 0}, variable(sampledFrame(0x0800))}}},
		{"IP header, ports beside it", []fieldValue{{spec{313, 20, 0}, sampledIP()[:20]}, {spec{7, 2, 0}, u16(40000)}, {spec{11, 2, 0}, u16(443)}, {spec{6, 1, 0}, u8(0x18)}}},
		{"payload, addresses beside it", []fieldValue{
			{spec{8, 4, 0}, ip("192.0.2.33")}, {spec{12, 4, 0}, ip("198.51.100.7")}, {spec{4, 1, 0}, u8(6)}, {spec{5, 1, 0}, u8(0xb8)},
			{spec{314, v, 0}, variable(sampledIP()[20:])}, {spec{1, 4, 0}, u32(1500)}, {spec{2, 4, 0}, u32(1)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := decode(t, message1(ipfix, c.record...))
			if len(got) != 1 {
				t.Fatalf("%d records, want 1", len(got))
			}
			want := flow.Record{
				Exporter: flow.AddrFrom(testExporter.Addr()), Received: testReceived, Domain: testDomain, Version: 10, Sampling: 1,
				Src: flow.Addr4(0xc0000221), Dst: flow.Addr4(0xc6336407), SrcPort: 40000, DstPort: 443,
				Proto: 6, ToS: 0xb8, TCPFlags: 0x18, Bytes: 1500, Packets: 1,
				Has: flow.HasPorts | flow.HasProto | flow.HasToS | flow.HasTCPFlags | flow.HasBytes | flow.HasPackets,
			}
			if got[0] != want {
				t.Errorf("\ngot  %+v\nwant %+v", got[0], want)
			}
		})
	}
}

// TestPacketSectionThatCannotBeRead leaves the record what it says itself.
func TestPacketSectionThatCannotBeRead(t *testing.T) {
	frame := sampledFrame(0x0800)
	for name, extra := range map[string][]fieldValue{
		"ARP":                       {f(315, sampledFrame(0x0806))},
		"cut amid the addresses":    {f(315, frame[:30])},
		"of one byte":               {f(313, u8(0x45))},
		"of 100 labels":             {f(316, make([]byte, 400))},
		"from behind the headers":   {f(409, u16(54)), f(315, frame)},
		"from behind, NetFlow-Lite": {f(102, u16(54)), f(104, frame)},
		"payload of no protocol":    {f(314, frame[34:])},
		"empty":                     {{spec{315, variableLength, 0}, u8(0)}},
	} {
		r := one(t, ipfix, extra...)
		if r.Has&(flow.HasPorts|flow.HasProto|flow.HasTCPFlags|flow.HasBytes) != 0 || r.SrcPort != 0 || r.Proto != 0 || r.Bytes != 0 {
			t.Errorf("%s: %+v", name, r)
		}
		if got := decode(t, message1(ipfix, extra...)); len(got) != 0 {
			t.Errorf("%s, without addresses: %+v", name, got)
		}
	}
	// A record's own word counts.
	r := one(t, ipfix, f(1, u32(99)), f(4, u8(17)), f(315, frame))
	if r.Src.IP().String() != "10.0.0.1" || r.Proto != 17 || r.Bytes != 99 || r.SrcPort != 40000 {
		t.Errorf("%+v", r)
	}
}

// TestLengthOfASampledPacket falls back on the frame's where IP says none.
func TestLengthOfASampledPacket(t *testing.T) {
	frame := sampledFrame(0x0800)
	copy(frame[16:], u16(0))
	if r := one(t, ipfix, f(312, u16(9014)), f(315, frame)); r.Bytes != 9014 || r.Packets != 1 {
		t.Errorf("%+v", r)
	}
}
