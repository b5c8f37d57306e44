package packet

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// unhex reads hexadecimal digits with spaces between them.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	tcp4 = "45b8 0034 0001 0000 40 06 0000 c0000221 c6336407" + // 192.0.2.33 > 198.51.100.7
		"9c40 01bb 00000001 00000002 8012 ffff 0000 0000" + "0204 05b4 0101 0402 0303 0704" // 40000 > 443, SYN ACK
	udp6 = "6b800000 000c 11 40 20010db8000000000000000000000033 20010db8000000000000000000000007" +
		"9c40 0035 000c 0000 61626364"
	mac  = "020000000001 020000000002"
	llc  = "aaaa03 000000"
	wifi = "0000" + "020000000001 020000000002 020000000003" + "0000"
)

func addr(s string) flow.Addr { return flow.AddrFrom(netip.MustParseAddr(s)) }

var (
	wantTCP4 = Packet{
		Src: addr("192.0.2.33"), Dst: addr("198.51.100.7"), SrcPort: 40000, DstPort: 443, Proto: 6, ToS: 0xb8, TCPFlags: 0x12, Length: 52,
		Has: flow.HasProto | flow.HasToS | flow.HasPorts | flow.HasTCPFlags,
	}
	wantUDP6 = Packet{
		Src: addr("2001:db8::33"), Dst: addr("2001:db8::7"), SrcPort: 40000, DstPort: 53, Proto: 17, ToS: 0xb8, Length: 52,
		Has: flow.HasProto | flow.HasToS | flow.HasPorts,
	}
)

// headers are what stands before IP on the links that are read: %4 and %6 are an IPv4
// and an IPv6 packet.
var headers = []struct {
	name  string
	link  uint32
	frame string
}{
	{"Ethernet", 1, mac + "0800 %4"},
	{"Ethernet, IPv6", 1, mac + "86dd %6"},
	{"802.1Q", 1, mac + "8100 0007 0800 %4"},
	{"802.1ad and two more", 1, mac + "88a8 0007 9100 0008 8100 0009 86dd %6"},
	{"802.3 with SNAP", 1, mac + "003c" + llc + "0800 %4"},
	{"802.3 with SNAP behind a VLAN tag", 1, mac + "8100 0007 003c" + llc + "86dd %6"},
	{"802.3 with IP's own LLC", 1, mac + "0037 060603 %4"},
	{"SNAP in a jumbo frame", 1, mac + "8870" + llc + "0800 %4"},
	{"PPPoE", 1, mac + "8864 1100 0001 0036 0021 %4"},
	{"PPPoE, IPv6, compressed protocol", 1, mac + "8100 0007 8864 1100 0001 0035 57 %6"},
	{"PPPoE, multilink, whole", 1, mac + "8864 1100 0001 0036 003d c0000001 0021 %4"},
	{"MPLS", 1, mac + "8847 00064 040 00065 140 %4"},
	{"MPLS multicast, IPv6", 1, mac + "8848 00065 1ff %6"},
	{"pseudowire with control word", 1, mac + "8847 00065 1ff 00000000" + mac + "0800 %4"},
	{"pseudowire without", 1, mac + "8847 00065 1ff" + mac + "8100 0007 0800 %4"},
	{"802.1ah", 1, mac + "88a8 0007 88e7 00000001" + mac + "86dd %6"},
	{"802.1BR", 1, mac + "893f 000000010000 0800 %4"},
	{"VN-Tag", 1, mac + "8926 00010002 0800 %4"},
	{"TrustSec", 1, mac + "8909 0101 0001 0007 0800 %4"},
	{"TrustSec behind a VLAN tag", 1, mac + "8100 0007 8909 0101 0001 0007 0800 %4"},
	{"HSR", 1, mac + "892f 00340001 0800 %4"},
	{"FabricPath", 1, mac + "8903 0020" + mac + "0800 %4"},
	{"TRILL with an option", 1, mac + "22f3 0040 0001 0002 00000000" + mac + "0800 %4"},
	{"MACsec that signs only", 1, mac + "88e5 0000 00000001 0800 %4"},
	{"MACsec with its channel", 1, mac + "88e5 2000 00000001 0200000000020001 0800 %4"},
	{"NSH", 1, mac + "894f 0fc2 0101 00000104 %4"},
	{"NSH with Ethernet", 1, mac + "894f 0fc2 0103 00000104" + mac + "0800 %4"},
	{"PPP of Ethernet's own", 1, mac + "880b 0021 %4"},
	{"Ethernet in Ethernet", 1, mac + "6558" + mac + "0800 %4"},

	{"BSD loopback", 0, "02000000 %4"},
	{"BSD loopback, macOS, IPv6", 0, "1e000000 %6"},
	{"BSD loopback, big endian", 0, "00000002 %4"},
	{"OpenBSD loopback", 108, "00000018 %6"},
	{"raw", 101, "%4"},
	{"raw, BSD", 12, "%6"},
	{"raw, OpenBSD", 14, "%4"},
	{"IPv4", 228, "%4"},
	{"IPv6", 229, "%6"},
	{"Linux cooked", 113, "0000 0001 0006 0200000000010000 0800 %4"},
	{"Linux cooked, VLAN tag", 113, "0000 0001 0006 0200000000010000 8100 0007 86dd %6"},
	{"Linux cooked, LLC", 113, "0000 0001 0006 0200000000010000 0004" + llc + "0800 %4"},
	{"Linux cooked, version 2", 276, "0800 0000 00000002 0001 00 06 0200000000010000 %4"},
	{"Linux cooked, version 2, PPPoE", 276, "8864 0000 00000002 0001 00 06 0200000000010000 1100 0001 0036 0021 %4"},
	{"enc0", 109, "02000000 12345678 00000000 %4"},
	{"enc0, IPv6", 109, "18000000 12345678 00000000 %6"},
	{"PPP", 9, "0021 %4"},
	{"PPP with address and control", 9, "ff03 0057 %6"},
	{"PPP, compressed protocol", 9, "21 %4"},
	{"PPP with MPLS", 9, "ff03 0281 00065 1ff %4"},
	{"PPP or HDLC", 50, "ff03 0021 %4"},
	{"HDLC or PPP", 50, "0f00 86dd %6"},
	{"PPPoE without Ethernet", 51, "1100 0001 0036 0021 %4"},
	{"PPP of pppd", 166, "0103 0021 %4"},
	{"PPP with a direction", 204, "01 ff03 0057 %6"},
	{"Cisco HDLC", 104, "0f00 0800 %4"},
	{"Cisco HDLC with a direction", 205, "00 8f00 86dd %6"},
	{"Frame Relay", 107, "1841 03cc %4"},
	{"Frame Relay, IPv6", 107, "1841 038e %6"},
	{"Frame Relay, SNAP", 107, "1841 0300 80 000000 0800 %4"},
	{"Frame Relay, bridged", 107, "1841 0300 80 0080c2 0007" + mac + "0800 %4"},
	{"Frame Relay, Cisco", 107, "1841 0800 %4"},
	{"Frame Relay with a direction", 206, "01 1841 0800 %4"},
	{"ATM", 100, llc + "0800 %4"},
	{"ATM, bridged", 100, "aaaa03 0080c2 0007 0000" + mac + "86dd %6"},
	{"classical IP over ATM", 106, llc + "0800 %4"},
	{"classical IP over ATM without LLC", 19, "%6"},
	{"Token Ring", 6, "1040" + mac + llc + "0800 %4"},
	{"Token Ring with a route", 6, "1040 020000000001 820000000002 0630 0011 0020" + llc + "0800 %4"},
	{"FDDI", 10, "50" + mac + llc + "86dd %6"},
	{"SLIP", 8, "01 000000000000000000000000000000 %4"},
	{"IP over Fibre Channel", 122, "0000000000000001 0000000000000002" + llc + "0800 %4"},
	{"FireWire", 138, "0000000000000001 0000000000000002 0800 %4"},
	{"ipnet of Solaris", 226, "01 02 0001 00000034 00000001 00000002 00000000 00000000 %4"},
	{"NFLOG", 239, "02 00 0005 0800 0100 0800 0300 0500 0a00 00 000000 3800 0900 %4"},
	{"NFLOG, big endian, IPv6", 239, "0a 00 0005 0008 0001 86dd 0100 0038 0009 %6"},
	{"pflog", 117, "3d 02 00 00 656d30" + strings.Repeat("00", 57) + "%4"},
	{"pflog of FreeBSD 13, IPv6", 117, "45 1c 00 00 656d30" + strings.Repeat("00", 65) + "%6"},
	{"PKTAP", 258, "6c000000 01000000 01000000 656e30" + strings.Repeat("00", 93) + mac + "0800 %4"},
	{"PKTAP, utun", 258, "6c000000 01000000 00000000 656e30" + strings.Repeat("00", 93) + "1e000000 %6"},
	{"PKTAP of old macOS", 149, "6c000000 01000000 0c000000 656e30" + strings.Repeat("00", 93) + "%4"},
	{"PPI", 192, "00 00 0800 01000000" + mac + "0800 %4"},
	{"Junos", 178, "4d4743 01" + mac + "0800 %4"},
	{"Junos with extensions", 178, "4d4743 81 000a 0201 00 0301 00 0401 0000" + mac + "8100 0007 0800 %4"},
	{"Junos without link", 178, "4d4743 02 00000002 %4"},
	{"Junos, PPP", 179, "4d4743 01 ff03 0021 %4"},
	{"Junos, HDLC", 181, "4d4743 01 0f00 0800 %4"},
	{"NetAnalyzer", 240, "00000000" + mac + "0800 %4"},
	{"NetAnalyzer with preamble", 241, "00000000 55555555555555d5" + mac + "0800 %4"},
	{"mPacket", 274, "55555555555555d5" + mac + "0800 %4"},
	{"Broadcom's switch tag", 281, mac + "00000001 0800 %4"},
	{"Broadcom's in front", 282, "00000001" + mac + "0800 %4"},
	{"Marvell's switch tag", 284, mac + "40000000 0800 %4"},
	{"Marvell's long one", 285, mac + "dada0000 40000000 86dd %6"},
	{"802.11", 105, "0801" + wifi + llc + "0800 %4"},
	{"802.11, QoS", 105, "8801" + wifi + "0000" + llc + "0800 %4"},
	{"802.11 between access points", 105, "0803" + wifi + "020000000004" + llc + "86dd %6"},
	{"radiotap", 127, "00 00 0a00 00000000 0000" + "0802" + wifi + llc + "0800 %4"},
	{"AVS", 163, "80211001 0000000c 00000000" + "0802" + wifi + llc + "0800 %4"},
}

func TestDissect(t *testing.T) {
	for _, c := range headers {
		frame := unhex(t, strings.NewReplacer("%4", tcp4, "%6", udp6).Replace(c.frame))
		want := wantTCP4
		if strings.Contains(c.frame, "%6") {
			want = wantUDP6
		}
		var p Packet
		r := p.Dissect(c.link, append(frame, 0, 0, 0)) // a frame may be filled up
		if payload := len(p.Payload); r != OK || payload != map[uint8]int{6: 32, 17: 12}[p.Proto] {
			t.Errorf("%s: result %d, %d bytes of payload", c.name, r, payload)
		}
		p.Payload = nil
		if !equal(&p, &want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", c.name, p, want)
		}
		// Cut anywhere: never a panic, and never another address.
		for n := range frame {
			if p.Dissect(c.link, frame[:n]) == OK && (p.Src != want.Src || p.Dst != want.Dst || p.Missing == 0) {
				t.Errorf("%s, cut to %d bytes: %+v", c.name, n, p)
			}
		}
	}
}

func equal(a, b *Packet) bool {
	return a.Src == b.Src && a.Dst == b.Dst && a.Has == b.Has && a.SrcPort == b.SrcPort && a.DstPort == b.DstPort && a.TCPFlags == b.TCPFlags &&
		a.Proto == b.Proto && a.ToS == b.ToS && a.ICMPType == b.ICMPType && a.ICMPCode == b.ICMPCode && a.Length == b.Length && a.Missing == b.Missing &&
		!a.IsFragment() && !b.IsFragment()
}

func TestWhatIsNoIP(t *testing.T) {
	for _, c := range []struct {
		name  string
		link  uint32
		frame string
		want  Result
	}{
		{"ARP", 1, mac + "0806 0001 0800", NotIP},
		{"spanning tree", 1, mac + "0026 424203 0000", NotIP},
		{"CDP", 1, mac + "0026 aaaa03 00000c 2000 0000 0000", NotIP},
		{"PPPoE discovery", 1, mac + "8863 1109 0000 0000", NotIP},
		{"PPP LCP", 9, "ff03 c021 0101", NotIP},
		{"PPP, encrypted", 9, "ff03 0053 0101", Encrypted},
		{"MACsec", 1, mac + "88e5 2c00 00000001 0200000000020001 0102", Encrypted},
		{"802.11 beacon", 105, "8000" + wifi + "0000", NotIP},
		{"802.11, protected", 105, "0841" + wifi + "0000", Encrypted},
		{"PKTAP without packet", 258, "6c000000 00000000 01000000", NotIP},
		{"PKTAP of no length", 258, "00000000 01000000 01000000", Malformed},
		{"somebody's own link type", 149, "00000000 01000000 01000000", UnknownLink},
		{"IEEE 802.15.4", 283, "00000000", UnknownLink},
		{"Bluetooth", 201, "00000000", UnknownLink},
		{"PPI in PPI for ever", 192, strings.Repeat("00000800c0000000", 40), Malformed},
		{"VLAN tags for ever", 1, mac + strings.Repeat("81000001", 40), Malformed},
		{"labels for ever", 1, mac + "8847" + strings.Repeat("00064040", 40), Short},
		{"IPv4 header of 16 bytes", 101, "44" + strings.Repeat("00", 40), Malformed},
		{"IPv4 shorter than its header", 101, "4500 0010 0000 0000 40 11 0000 c0000221 c6336407", Malformed},
		{"neither IPv4 nor IPv6", 101, "50" + strings.Repeat("00", 40), Malformed},
		{"pflog of no length", 117, "0002 0000", Malformed},
		{"NFLOG attribute of no length", 239, "02 00 0005 0000 0100 0000", Malformed},
		{"Frame Relay address for ever", 107, "18181818181818", Malformed},
		{"Junos without its magic number", 178, "000000 01" + mac, Malformed},
	} {
		var p Packet
		if r := p.Dissect(c.link, unhex(t, c.frame)); r != c.want {
			t.Errorf("%s: result %d, want %d", c.name, r, c.want)
		}
	}
}

func TestTransports(t *testing.T) {
	v4 := func(proto, rest string) string {
		return "4500 0000 0001 0000 40" + proto + "0000 c0000221 c6336407" + rest
	}
	v6 := func(next, rest string) string {
		return "60000000 0000" + next + "40 20010db8000000000000000000000033 20010db8000000000000000000000007" + rest
	}
	ports := flow.HasPorts
	for _, c := range []struct {
		name     string
		packet   string
		proto    uint8
		has      flow.Fields // beside HasProto and HasToS
		src, dst uint16
	}{
		{"ICMP", v4("01", "0301 0000"), 1, flow.HasICMP, 0, 0},
		{"ICMPv6", v6("3a", "8800 0000"), 58, flow.HasICMP, 0, 0},
		{"SCTP", v4("84", "0b59 0b5a 0000"), 132, ports, 2905, 2906},
		{"DCCP", v4("21", "0b59 0b5a 0000"), 33, ports, 2905, 2906},
		{"TCP without flags", v4("06", "0b59 0b5a 0000"), 6, ports, 2905, 2906},
		{"TCP without ports", v4("06", "0b59"), 6, 0, 0, 0},
		{"TCP with its ninth flag", v4("06", "0b59 0b5a 00000000 00000000 5110"), 6, ports | flow.HasTCPFlags, 2905, 2906},
		{"OSPF", v4("59", "0201 0000"), 89, 0, 0, 0},
		{"options of IPv4", "4600 0000 0001 0000 40 11 0000 c0000221 c6336407 94040000 0b59 0b5a", 17, ports, 2905, 2906},
		{"hop by hop, routing, destination", v6("00", "2b00000000000000 3c00000000000000 11 00 000000000000 0b59 0b5a"), 17, ports, 2905, 2906},
		{"AH", v6("33", "1104 0000"+strings.Repeat("00", 20)+"0b59 0b5a"), 17, ports, 2905, 2906},
		{"ESP", v6("32", "00000001 00000002"), 50, 0, 0, 0},
		{"extension header that lies", v6("00", "11ff 000000000000 0b59 0b5a"), 0, 0, 0, 0},
		{"IPv6 fragment that is whole", v6("2c", "1100 0000 00000001 0b59 0b5a"), 17, ports, 2905, 2906},
		{"first fragment of IPv4", "4500 0000 0001 2000 40 11 0000 c0000221 c6336407 0b59 0b5a", 17, ports, 2905, 2906},
		{"later fragment of IPv4", "4500 0000 0001 2001 40 11 0000 c0000221 c6336407 0b59 0b5a", 17, 0, 0, 0},
		{"first fragment of IPv6", v6("2c", "1100 0001 00000001 0b59 0b5a"), 17, ports, 2905, 2906},
		{"first fragment of IPv6 with options", v6("2c", "3c00 0001 00000001 11 00 000000000000 0b59 0b5a"), 17, ports, 2905, 2906},
		{"later fragment of IPv6", v6("2c", "1100 0009 00000001 0b59 0b5a"), 17, 0, 0, 0},
	} {
		var p Packet
		if r := p.Dissect(linkRaw, unhex(t, c.packet)); r != OK {
			t.Errorf("%s: result %d", c.name, r)
		}
		if p.Proto != c.proto || p.Has != c.has|flow.HasProto|flow.HasToS || p.SrcPort != c.src || p.DstPort != c.dst {
			t.Errorf("%s: %+v", c.name, p)
		}
		if fragment := strings.Contains(c.name, "fragment of"); p.IsFragment() != fragment {
			t.Errorf("%s: fragment %+v", c.name, p.Fragment)
		}
	}
}

func TestFragmentSaysWhereItBelongs(t *testing.T) {
	var p Packet
	p.Dissect(linkRaw, unhex(t, "4500 001c abcd 2002 40 11 0000 c0000221 c6336407 0102030405060708 ffff"))
	if f := p.Fragment; f.ID != 0xabcd || f.Offset != 16 || !f.More || f.Proto != 17 || len(f.Data) != 8 {
		t.Errorf("IPv4: %+v", f)
	}
	p.Dissect(linkRaw, unhex(t, "60000000 0010 2c 40 20010db8000000000000000000000033 20010db8000000000000000000000007"+
		"3c00 0010 12345678 0102030405060708 ffff"))
	if f := p.Fragment; f.ID != 0x12345678 || f.Offset != 16 || f.More || f.Proto != 60 || len(f.Data) != 8 {
		t.Errorf("IPv6: %+v", f)
	}
}

func TestTunnels(t *testing.T) {
	outer := func(proto, rest string) string {
		return "4500 0000 0001 0000 40" + proto + "0000 c0000201 c0000202" + rest
	}
	for _, c := range []struct{ name, packet string }{
		{"IP in IP", outer("04", tcp4)},
		{"VXLAN", outer("11", "c000 12b5 0000 0000 08000000 00002a00"+mac+"0800"+tcp4)},
		{"VXLAN on Linux' port", outer("11", "c000 2118 0000 0000 08000000 00002a00"+mac+"86dd"+udp6)},
		{"Geneve with an option", outer("11", "c000 17c1 0000 0000 01006558 00002a00 00000000"+mac+"0800"+tcp4)},
		{"TZSP", outer("11", "c000 9090 0000 0000 01000001 00 2804 00000001 01"+mac+"0800"+tcp4)},
		{"6in4", outer("29", udp6)},
		{"GRE", outer("2f", "0000 0800"+tcp4)},
		{"GRE with checksum, key and sequence number", outer("2f", "b000 86dd 00000000 00000001 00000002"+udp6)},
		{"PPTP", outer("2f", "3081 880b 0038 0001 00000001 00000002 ff03 0021"+tcp4)},
		{"Ethernet over GRE", outer("2f", "0000 6558"+mac+"0800"+tcp4)},
		{"ERSPAN I", outer("2f", "0000 88be"+mac+"0800"+tcp4)},
		{"ERSPAN II", outer("2f", "1000 88be 00000001 1007 0001 00000000"+mac+"0800"+tcp4)},
		{"ERSPAN III", outer("2f", "1000 22eb 00000001 2007 0001 00000000 00000000"+mac+"0800"+tcp4)},
		{"ERSPAN III of a platform", outer("2f", "1000 22eb 00000001 2007 0001 00000000 00000001 0000000000000000"+mac+"8100 0001 0800"+tcp4)},
	} {
		want := wantTCP4
		if strings.HasSuffix(c.packet, udp6) {
			want = wantUDP6
		}
		var p Packet
		if p.Dissect(linkRaw, unhex(t, c.packet)) != OK || !p.IsTunnel() {
			t.Errorf("%s: %+v", c.name, p)
			continue
		}
		if r := p.Inside(); r != OK || !equal(&p, &want) {
			t.Errorf("%s: result %d\ngot  %+v\nwant %+v", c.name, r, p, want)
		}
	}
}

func TestUDPThatIsNoTunnel(t *testing.T) {
	for _, payload := range []string{
		"c000 12b5 0000 0000 00090001 00000000 00000000", // NetFlow on VXLAN's port
		"c000 17c1 0000 0000 000a0010 00000000 00000001",
		"c000 9090 0000 0000 00050001 00000000 00000000",
		"c000 12b5 0000 0000 08000000",
		"c000 9090 0000 0000 01000001 28ff0000 00000000",
		"c000 17c1 0000 0000 3f006558 00002a00 00000000",
	} {
		var p Packet
		p.Dissect(linkRaw, unhex(t, "4500 0000 0001 0000 40 11 0000 c0000201 c0000202"+payload))
		if p.IsTunnel() {
			t.Errorf("%s is taken for a tunnel", payload)
		}
	}
}

func BenchmarkDissect(b *testing.B) {
	for _, c := range headers {
		switch c.name {
		case "Ethernet", "802.1ad and two more", "MPLS":
		default:
			continue
		}
		frame := unhex(b, strings.NewReplacer("%4", tcp4, "%6", udp6).Replace(c.frame))
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var p Packet
			for b.Loop() {
				if p.Dissect(c.link, frame) != OK {
					b.Fatal("not read")
				}
			}
		})
	}
}

func TestDissectAllocatesNothing(t *testing.T) {
	frame := unhex(t, mac+"8100 0007 8864 1100 0001 0036 0021"+tcp4)
	var p Packet
	if n := testing.AllocsPerRun(100, func() { p.Dissect(Ethernet, frame) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzDissect reads arbitrary packets of every link type, and what tunnels carry.
func FuzzDissect(f *testing.F) {
	for _, c := range headers {
		f.Add(binary.BigEndian.AppendUint16(nil, uint16(c.link)), unhex(f, strings.NewReplacer("%4", tcp4, "%6", udp6).Replace(c.frame)))
	}
	f.Fuzz(func(t *testing.T, link, b []byte) {
		if len(link) < 2 {
			return
		}
		var p Packet
		r := p.Dissect(uint32(binary.BigEndian.Uint16(link)), b)
		for range 4 {
			if r >= NumResults {
				t.Fatalf("result %d", r)
			}
			if r != OK {
				return
			}
			if p.Has&flow.HasProto == 0 || len(p.Payload) > len(b) || len(p.Fragment.Data) > len(b) || p.Length != 0 && len(p.Payload) > p.Length {
				t.Fatalf("%+v", p)
			}
			if f := p.Fragment; f.Offset < 0 || f.Offset > 65535 || f.Offset%8 != 0 {
				t.Fatalf("%+v", f)
			}
			if !p.IsTunnel() {
				return
			}
			r = p.Inside()
		}
	})
}
