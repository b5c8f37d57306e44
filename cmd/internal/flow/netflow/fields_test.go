package netflow

import (
	"fmt"
	"slices"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// fieldValue is a field and its bytes in a record.
type fieldValue struct {
	spec
	value []byte
}

func f(id uint16, value []byte) fieldValue {
	return fieldValue{spec{id, uint16(len(value)), 0}, value}
}

func enterprise(pen uint32, id uint16, value []byte) fieldValue {
	return fieldValue{spec{id, uint16(len(value)), pen}, value}
}

// one decodes a record of the given fields, behind a pair of addresses, sent
// with v9 or IPFIX.
func one(t *testing.T, v version, list ...fieldValue) flow.Record {
	t.Helper()
	list = append([]fieldValue{f(8, ip("10.0.0.1")), f(12, ip("198.51.100.7"))}, list...)
	got := decode(t, message1(v, list...))
	if len(got) != 1 {
		t.Fatalf("%d records, want 1", len(got))
	}
	return got[0]
}

func message1(v version, list ...fieldValue) []byte {
	var layout []spec
	var data []byte
	for _, fv := range list {
		layout = append(layout, fv.spec)
		data = append(data, fv.value...)
	}
	if v == v9 {
		return v9Datagram(0, set(0, templateRecord(256, layout...)), set(256, data))
	}
	return ipfixMessage(0, set(2, templateRecord(256, layout...)), set(256, data))
}

func TestRecordSaysWhereItCameFrom(t *testing.T) {
	for name, c := range map[string]struct {
		datagram []byte
		version  uint8
	}{
		"v5":    {v5Datagram(1, 0, v5Record()), 5},
		"v9":    {message1(v9, f(8, ip("10.0.0.1")), f(12, ip("198.51.100.7"))), 9},
		"ipfix": {message1(ipfix, f(8, ip("10.0.0.1")), f(12, ip("198.51.100.7"))), 10},
	} {
		t.Run(name, func(t *testing.T) {
			got := decode(t, c.datagram)
			wantPairs(t, got, there)
			r := got[0]
			if r.Received != testReceived || r.Exporter.IP() != testExporter.Addr() || r.Domain != testDomain || r.Version != c.version {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestV5Record(t *testing.T) {
	got := decode(t, v5Datagram(1, 0, v5Record()))
	want := flow.Record{
		Src: flow.Addr4(0x0a000001), Dst: flow.Addr4(0xc6336407), Exporter: flow.AddrFrom(testExporter.Addr()),
		Received: testReceived, Start: testReceived - 10e9, End: testReceived - 1e9,
		Bytes: 400, Packets: 3, Has: v5Has, Domain: testDomain, Sampling: 1, InIf: 1, OutIf: 2,
		SrcPort: 1234, DstPort: 443, TCPFlags: 0x1b, Version: 5, Proto: 6, ToS: 8,
	}
	if len(got) != 1 || got[0] != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestReducedSizeCountersOfOneToEightBytes(t *testing.T) {
	for n := 1; n <= 8; n++ {
		value := u64(0x0102030405060708)[8-n:]
		want := uint64(0x0102030405060708) & (^uint64(0) >> (64 - 8*n))
		r := one(t, ipfix, f(1, value), f(2, value))
		if r.Bytes != want || r.Packets != want {
			t.Errorf("%d bytes: got %x bytes, %x packets, want %x", n, r.Bytes, r.Packets, want)
		}
	}
}

func TestCountersFirstThatIsNotZeroWins(t *testing.T) {
	for _, ids := range [][]uint16{{1, 85, 231, 352}, {23, 231}, {2, 86, 298}, {24, 298}} {
		for i := range ids {
			var list []fieldValue
			for j, id := range ids {
				v := uint32(0)
				if j >= i {
					v = uint32(100 + j)
				}
				list = append([]fieldValue{f(id, u32(v))}, list...) // the worst first
			}
			r := one(t, v9, list...)
			if got := r.Bytes + r.Packets; got != uint64(100+i) {
				t.Errorf("elements %v, first %d zero: got %d", ids, i, got)
			}
		}
	}
}

func TestDualStackRecords(t *testing.T) {
	v4s, v4d, zero4 := ip("10.0.0.1"), ip("198.51.100.7"), ip("0.0.0.0")
	v6s, v6d, zero6 := ip("2001:db8::1"), ip("2001:db8::2"), ip("::")
	for _, c := range []struct {
		name           string
		s4, d4, s6, d6 []byte
		want           string
	}{
		{"zero IPv6", v4s, v4d, zero6, zero6, there},
		{"zero IPv4", zero4, zero4, v6s, v6d, "2001:db8::1>2001:db8::2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantPairs(t, decode(t, message1(v9, f(8, c.s4), f(12, c.d4), f(27, c.s6), f(28, c.d6))), c.want)
			wantPairs(t, decode(t, message1(ipfix, f(27, c.s6), f(28, c.d6), f(8, c.s4), f(12, c.d4))), c.want)
		})
	}
}

// Cisco IOS XR and Huawei routers send both headers of an SRv6 tunnel.
func TestTunnelIsReadInside(t *testing.T) {
	outer := []fieldValue{f(27, ip("2001:db8:f::1")), f(28, ip("2001:db8:f::2")), f(7, u16(0)), f(11, u16(0)), f(4, u8(4)), f(6, u16(0)), f(5, u8(0))}
	inner := []fieldValue{f(7, u16(1024)), f(11, u16(443)), f(4, u8(6)), f(6, u16(0x1b)), f(5, u8(8))}
	for _, c := range []struct {
		name  string
		addrs []fieldValue
		want  string
	}{
		{"IPv4", []fieldValue{f(8, ip("10.0.0.1")), f(12, ip("198.51.100.7"))}, there},
		{"IPv6", []fieldValue{f(27, ip("2001:db8::1")), f(28, ip("2001:db8::2"))}, "2001:db8::1>2001:db8::2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := decode(t, message1(ipfix, slices.Concat(outer, c.addrs, inner)...))
			wantPairs(t, got, c.want)
			if r := got[0]; r.SrcPort != 1024 || r.DstPort != 443 || r.Proto != 6 || r.TCPFlags != 0x1b || r.ToS != 8 {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestVMwareTenantsInsideVXLAN(t *testing.T) {
	outer := []fieldValue{f(8, ip("192.0.2.1")), f(12, ip("192.0.2.2")), f(7, u16(50000)), f(11, u16(4789)), f(4, u8(17))}
	tenant := func(src, dst []byte, sport, dport uint16, proto uint8) []byte {
		ids := []uint16{881, 882}
		if len(src) == 16 {
			ids = []uint16{883, 884}
		}
		return message1(ipfix, append(outer, enterprise(penVMware, ids[0], src), enterprise(penVMware, ids[1], dst),
			enterprise(penVMware, 886, u16(sport)), enterprise(penVMware, 887, u16(dport)), enterprise(penVMware, 880, u8(proto)))...)
	}
	for _, c := range []struct {
		name         string
		datagram     []byte
		want         string
		sport, dport uint16
		proto        uint8
	}{
		{"IPv4", tenant(ip("10.0.0.1"), ip("198.51.100.7"), 1024, 443, 6), there, 1024, 443, 6},
		{"IPv6", tenant(ip("2001:db8::1"), ip("2001:db8::2"), 1024, 443, 6), "2001:db8::1>2001:db8::2", 1024, 443, 6},
		{"no tunnel", tenant(ip("0.0.0.0"), ip("0.0.0.0"), 0, 0, 0), "192.0.2.1>192.0.2.2", 50000, 4789, 17},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := decode(t, c.datagram)
			wantPairs(t, got, c.want)
			if r := got[0]; r.SrcPort != c.sport || r.DstPort != c.dport || r.Proto != c.proto {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestNATAddressesAndPorts(t *testing.T) {
	r := one(t, v9, f(225, ip("203.0.113.1")), f(226, ip("203.0.113.2")), f(227, u16(1001)), f(228, u16(1002)))
	if r.NATSrc.String() != "203.0.113.1" || r.NATDst.String() != "203.0.113.2" || r.NATSrcPort != 1001 || r.NATDstPort != 1002 ||
		r.Has&flow.HasNATSrc == 0 || r.Has&flow.HasNATDst == 0 {
		t.Errorf("got %+v", r)
	}
	r = one(t, ipfix, f(281, ip("2001:db8::a")), f(282, ip("2001:db8::b")))
	if r.NATSrc.String() != "2001:db8::a" || r.NATDst.String() != "2001:db8::b" {
		t.Errorf("got %+v", r)
	}
	r = one(t, ipfix, f(225, ip("0.0.0.0")), f(226, ip("0.0.0.0")))
	if r.Has&(flow.HasNATSrc|flow.HasNATDst) != 0 {
		t.Error("0.0.0.0 is no translated address")
	}
}

func TestAutonomousSystems(t *testing.T) {
	for name, r := range map[string]flow.Record{
		"v9, 2 bytes":    one(t, v9, f(16, u16(64500)), f(17, u16(64501))),
		"v9, 4 bytes":    one(t, v9, f(16, u32(64500)), f(17, u32(64501))),
		"ipfix, 4 bytes": one(t, ipfix, f(17, u32(64501)), f(16, u32(64500))),
	} {
		if r.SrcAS != 64500 || r.DstAS != 64501 || r.Has&flow.HasSrcAS == 0 || r.Has&flow.HasDstAS == 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := one(t, ipfix, f(17, u32(4200000001))); r.SrcAS != 0 || r.DstAS != 4200000001 || r.Has&flow.HasSrcAS != 0 {
		t.Errorf("one of two: %+v", r)
	}
	b := v5Record()
	copy(b[40:], []byte{0xfb, 0xf4, 0xfb, 0xf5})
	if r := decode(t, v5Datagram(1, 0, b))[0]; r.SrcAS != 64500 || r.DstAS != 64501 {
		t.Errorf("v5: %+v", r)
	}
}

func TestBarracudaTranslatedAddresses(t *testing.T) {
	r := one(t, ipfix, enterprise(penBarracuda, 8, ip("203.0.113.1")), enterprise(penBarracuda, 9, u16(1001)),
		enterprise(penBarracuda, 10, ip("203.0.113.2")), enterprise(penBarracuda, 11, u16(1002)))
	if r.NATSrc.String() != "203.0.113.1" || r.NATDst.String() != "203.0.113.2" || r.NATSrcPort != 1001 || r.NATDstPort != 1002 ||
		r.Has&flow.HasNATSrc == 0 || r.Has&flow.HasNATDst == 0 {
		t.Errorf("got %+v", r)
	}
}

// What Cisco's Application Visibility and Control sends says client and server
// instead of source and destination: in IPFIX under Cisco's enterprise number,
// in v9, which has none, with the enterprise bit left in the id.
func TestCiscoClientAndServer(t *testing.T) {
	cisco := func(v version, id uint16, value []byte) fieldValue {
		if v == v9 {
			return f(id|0x8000, value)
		}
		return enterprise(penCisco, id, value)
	}
	for _, v := range []version{v9, ipfix} {
		for _, c := range []struct {
			name           string
			client, server uint16
			a, b           string
		}{
			{"IPv4", 12236, 12237, "10.0.0.1", "198.51.100.7"},
			{"IPv6", 12238, 12239, "2001:db8::1", "2001:db8::2"},
		} {
			t.Run(fmt.Sprint(c.name, " v", v.number()), func(t *testing.T) {
				got := decode(t, message1(v, cisco(v, c.server, ip(c.b)), cisco(v, c.client, ip(c.a)),
					cisco(v, 12240, u16(49376)), cisco(v, 12241, u16(443)),
					cisco(v, 8337, u64(2000)), cisco(v, 8338, u64(1000)), f(298, u64(10)), f(299, u64(20))))
				wantPairs(t, got, c.a+">"+c.b)
				if r := got[0]; r.SrcPort != 49376 || r.DstPort != 443 || r.Bytes != 1000 || r.RevBytes != 2000 || r.Packets != 10 || r.RevPackets != 20 {
					t.Errorf("got %+v", r)
				}
			})
		}
	}
	t.Run("source before client", func(t *testing.T) {
		got := decode(t, message1(ipfix, cisco(ipfix, 12236, ip("203.0.113.1")), cisco(ipfix, 12237, ip("203.0.113.2")),
			f(8, ip("10.0.0.1")), f(12, ip("198.51.100.7"))))
		wantPairs(t, got, there)
	})
}

func TestNSELEvents(t *testing.T) {
	for _, c := range []struct {
		name string
		list []fieldValue
		want flow.FirewallEvent
	}{
		{"created", []fieldValue{f(233, u8(1))}, flow.FirewallCreated},
		{"denied", []fieldValue{f(233, u8(3)), f(33002, u16(1001))}, flow.FirewallDenied},
		{"denied, only the extended event", []fieldValue{f(33002, u16(1003))}, flow.FirewallDenied},
		{"deleted, zero event", []fieldValue{f(33002, u16(2030)), f(233, u8(0))}, flow.FirewallDeleted},
		{"ASA 8.1", []fieldValue{f(40005, u8(2))}, flow.FirewallDeleted},
		{"nothing", []fieldValue{f(33002, u16(0))}, flow.FirewallIgnore},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := one(t, v9, c.list...)
			if r.Firewall != c.want || r.Has&flow.HasFirewall == 0 {
				t.Errorf("event %d, want %d", r.Firewall, c.want)
			}
			if r.Has&flow.HasBytes != 0 {
				t.Error("has bytes that nobody sent")
			}
		})
	}
}

func TestFirewallCountersAreTwoDirections(t *testing.T) {
	r := one(t, v9, f(231, u32(1000)), f(232, u32(2000)), f(298, u32(10)), f(299, u32(20)))
	if r.Bytes != 1000 || r.RevBytes != 2000 || r.Packets != 10 || r.RevPackets != 20 || r.Has&flow.HasReverse == 0 {
		t.Errorf("got %+v", r)
	}
}

func TestBiflowIsOneRecordWithTwoDirections(t *testing.T) {
	r := one(t, ipfix, f(1, u64(1000)), f(2, u32(10)), f(6, u8(0x1b)), f(239, u8(2)),
		enterprise(penReverse, 1, u64(2000)), enterprise(penReverse, 2, u32(20)), enterprise(penReverse, 6, u8(0x12)), enterprise(9999, 1, u64(7)))
	if r.Bytes != 1000 || r.RevBytes != 2000 || r.Packets != 10 || r.RevPackets != 20 || r.Has&flow.HasReverse == 0 ||
		r.TCPFlags != 0x1b || r.RevTCPFlags != 0x12 || r.Direction != flow.BiflowReverseInitiator {
		t.Errorf("got %+v", r)
	}
	if r := one(t, ipfix, f(1, u64(1000))); r.Has&flow.HasReverse != 0 {
		t.Error("a uniflow has a reverse direction")
	}
}

func TestICMP(t *testing.T) {
	ports := func(src, dst uint16) []fieldValue { return []fieldValue{f(7, u16(src)), f(11, u16(dst))} }
	for _, c := range []struct {
		name     string
		proto    uint8
		list     []fieldValue
		has      bool
		typ, cod uint8
	}{
		{"element 32", 1, []fieldValue{f(32, u16(0x0301))}, true, 3, 1},
		{"element 139", 58, []fieldValue{f(139, u16(0x8000))}, true, 128, 0},
		{"elements 176 and 177", 1, []fieldValue{f(176, u8(11)), f(177, u8(1))}, true, 11, 1},
		{"elements 178 and 179", 58, []fieldValue{f(178, u8(1)), f(179, u8(4))}, true, 1, 4},
		{"destination port", 1, ports(0, 0x0303), true, 3, 3},
		{"destination port, ICMPv6", 58, ports(0, 0x8100), true, 129, 0},
		{"ports are something else", 1, ports(77, 0x0303), false, 0, 0},
		{"elements before ports", 1, append(ports(0, 0x0303), f(32, u16(0))), true, 0, 0},
		{"elements, but TCP", 6, []fieldValue{f(32, u16(0x0301))}, false, 0, 0},
		{"ports, but UDP", 17, ports(0, 0x0303), false, 0, 0},
	} {
		for _, v := range []version{v9, ipfix} {
			t.Run(fmt.Sprint(c.name, " v", v.number()), func(t *testing.T) {
				r := one(t, v, append(c.list, f(4, u8(c.proto)))...)
				if r.ICMPType != c.typ || r.ICMPCode != c.cod || (r.Has&flow.HasICMP != 0) != c.has {
					t.Errorf("type %d code %d has %v", r.ICMPType, r.ICMPCode, r.Has&flow.HasICMP != 0)
				}
				for _, fv := range c.list {
					if fv.id == 11 && r.DstPort != be.Uint16(fv.value) {
						t.Errorf("destination port %d is not what was exported", r.DstPort)
					}
				}
			})
		}
	}
	t.Run("v5", func(t *testing.T) {
		b := v5Record()
		b[38] = protoICMP
		be.PutUint16(b[34:], 0x0301)
		r := decode(t, v5Datagram(1, 0, b))[0]
		if r.ICMPType != 3 || r.ICMPCode != 1 || r.Has&flow.HasICMP == 0 || r.DstPort != 0x0301 {
			t.Errorf("got %+v", r)
		}
	})
}

func TestVariableLengthFields(t *testing.T) {
	long := make([]byte, 300)
	for _, v := range []version{v9, ipfix} {
		layout := []spec{{96, variableLength, 0}, {8, 4, 0}, {82, variableLength, 0}, {12, 4, 0}, {1, variableLength, 0}, {94, variableLength, 0}}
		record := func(name []byte) []byte {
			return cat(name, ip("10.0.0.1"), u8(3), []byte("abc"), ip("198.51.100.7"), u8(2), u16(500), u8(0))
		}
		data := cat(record(cat(u8(4), []byte("http"))), record(u8(0)), record(cat(u8(255), u16(300), long)))
		var got []flow.Record
		if v == v9 {
			got = decode(t, v9Datagram(0, set(0, templateRecord(256, layout...)), set(256, data, make([]byte, 3))))
		} else {
			got = decode(t, ipfixMessage(0, set(2, templateRecord(256, layout...)), set(256, data, make([]byte, 3))))
		}
		wantPairs(t, got, there, there, there)
		for _, r := range got {
			if r.Bytes != 500 {
				t.Errorf("v%d: %d bytes, want 500", v.number(), r.Bytes)
			}
		}
	}
}

func TestNineByteApplicationIDAndOtherOddLengths(t *testing.T) {
	r := one(t, v9, f(95, make([]byte, 9)), f(1, make([]byte, 16)), f(8000, nil), f(6, nil), f(56, make([]byte, 6)), f(4, u8(17)), f(2, u32(5)))
	if r.Proto != 17 || r.Packets != 5 || r.Bytes != 0 {
		t.Errorf("got %+v", r)
	}
}

func TestAddresslessRecordsAreCountedNotAppended(t *testing.T) {
	d := NewDecoder(Options{})
	got := feed(t, d, message1(v9, f(4, u8(6)), f(1, u32(100))),
		v9Datagram(1, set(0, templateRecord(257, srcDst...)), set(257, make([]byte, 8), pair)),
		v5Datagram(2, 0, make([]byte, v5RecordLen), v5Record()))
	wantPairs(t, got, there, there)
	if n := d.Stats().Total.Addressless; n != 3 {
		t.Errorf("%d addressless records counted, want 3", n)
	}
}

func TestReusedBatchShowsNothingOlder(t *testing.T) {
	d := NewDecoder(Options{})
	out := flow.Batch{Records: make([]flow.Record, 4)}
	for i := range out.Records {
		out.Records[i] = flow.Record{NATSrc: flow.Addr4(1), RevBytes: 9, Has: ^flow.Fields(0), OutIf: 9, RevTCPFlags: 9, Firewall: 3}
	}
	out.Reset()
	_ = d.Decode(message1(ipfix, f(8, ip("10.0.0.1")), f(12, ip("198.51.100.7"))), testExporter, testReceived, &out)
	want := flow.Record{
		Src: flow.Addr4(0x0a000001), Dst: flow.Addr4(0xc6336407), Exporter: flow.AddrFrom(testExporter.Addr()),
		Received: testReceived, Domain: testDomain, Sampling: 1, Version: 10,
	}
	if len(out.Records) != 1 || out.Records[0] != want {
		t.Errorf("got %+v", out.Records)
	}
}
