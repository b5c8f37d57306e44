package pcap_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/cmd/internal/flow/pcap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	exporter4  = netip.MustParseAddrPort("192.0.2.10:9995")
	collector4 = netip.MustParseAddrPort("192.0.2.1:2055")
	exporter6  = netip.MustParseAddrPort("[2001:db8::10]:9995")
	collector6 = netip.MustParseAddrPort("[2001:db8::1]:2055")

	captured = time.Date(2026, 6, 7, 12, 38, 20, 123456000, time.UTC)
)

// serialize builds a packet; gopacket is the independent opinion on its layout.
func serialize(t testing.TB, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, ls...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func udp(src, dst netip.AddrPort) *layers.UDP {
	return &layers.UDP{SrcPort: layers.UDPPort(src.Port()), DstPort: layers.UDPPort(dst.Port())}
}

func ip4(t testing.TB, payload string) []byte {
	t.Helper()
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: exporter4.Addr().AsSlice(), DstIP: collector4.Addr().AsSlice()}
	return serialize(t, ip, udp(exporter4, collector4), gopacket.Payload(payload))
}

// ip6 builds an IPv6 packet; ext are its extension headers, the first of the type
// first, each of whose own next header is right already.
func ip6(t testing.TB, payload string, first layers.IPProtocol, ext ...byte) []byte {
	t.Helper()
	ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: first, SrcIP: exporter6.Addr().AsSlice(), DstIP: collector6.Addr().AsSlice()}
	datagram := serialize(t, udp(exporter6, collector6), gopacket.Payload(payload))
	return serialize(t, ip, gopacket.Payload(append(bytes.Clone(ext), datagram...)))
}

// ethernet puts a link-layer header with the given tags and types before b.
func ethernet(b []byte, types ...uint16) []byte {
	h := make([]byte, 12)
	for i, typ := range types {
		if i > 0 {
			h = binary.BigEndian.AppendUint16(h, 7) // of the VLAN
		}
		h = binary.BigEndian.AppendUint16(h, typ)
	}
	return append(h, b...)
}

// classic writes a pcap file of microseconds.
func classic(t testing.TB, link uint32, packets ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	if err := w.WriteFileHeader(65535, layers.LinkType(link)); err != nil {
		t.Fatal(err)
	}
	for _, p := range packets {
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: captured, CaptureLength: len(p), Length: len(p)}, p); err != nil {
			t.Fatal(err)
		}
	}
	// pcapgo's link types have 8 bits, the file's have 32.
	binary.LittleEndian.PutUint32(b.Bytes()[20:], link)
	return b.Bytes()
}

// nanoseconds writes a pcapng file with pcapgo: one interface of nanoseconds, two
// packets.
func nanoseconds(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := pcapgo.NewNgWriter(&b, layers.LinkTypeRaw)
	if err != nil {
		t.Fatal(err)
	}
	for _, payload := range []string{"one", "two"} {
		p := ip4(t, payload)
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: captured.Add(7), CaptureLength: len(p), Length: len(p)}, p); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// readAll returns the payloads of a capture, the error that ended it unless that
// is io.EOF, and what was counted.
func readAll(t testing.TB, file []byte) (payloads []string, stats pcap.Stats, err error) {
	t.Helper()
	r, err := pcap.NewReader(iotest.OneByteReader(bytes.NewReader(file))) // a slow pipe
	if err != nil {
		return nil, pcap.Stats{}, err
	}
	for {
		p, err := r.Next()
		if err != nil {
			if _, again := r.Next(); !errors.Is(again, err) {
				t.Errorf("Next after %v: %v", err, again)
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return payloads, r.Stats(), err
		}
		payloads = append(payloads, string(p.Payload))
	}
}

// stats is what a Reader counts that left out all packets but its datagrams for one
// reason.
func stats(packets, datagrams, truncated uint64, reason pcap.Reason) pcap.Stats {
	s := pcap.Stats{Packets: packets, Datagrams: datagrams, Truncated: truncated}
	s.Left[reason] = packets - datagrams
	return s
}

func TestLinkLayers(t *testing.T) {
	four, six := ip4(t, "flow"), ip6(t, "flow", layers.IPProtocolUDP)
	prefix := func(header string, b []byte) []byte { return append([]byte(header), b...) }
	sll := "\x00\x00\x00\x01\x00\x06\x02\x00\x00\x00\x00\x01\x00\x00"
	sll2 := "\x00\x00\x00\x00\x00\x02\x00\x01\x00\x06\x02\x00\x00\x00\x00\x01\x00\x00"
	for _, tt := range []struct {
		name   string
		link   uint32
		packet []byte
	}{
		{"Ethernet IPv4", 1, ethernet(four, 0x0800)},
		{"Ethernet IPv6", 1, ethernet(six, 0x86dd)},
		{"Ethernet padded", 1, append(ethernet(four, 0x0800), make([]byte, 14)...)},
		{"802.1Q", 1, ethernet(four, 0x8100, 0x0800)},
		{"QinQ", 1, ethernet(six, 0x88a8, 0x8100, 0x86dd)},
		{"old QinQ", 1, ethernet(four, 0x9100, 0x8100, 0x0800)},
		{"Ethernet with frame check sequence length", 1 | 0x24000000, append(ethernet(four, 0x0800), 1, 2, 3, 4)},
		{"raw 12", 12, four},
		{"raw 14", 14, six},
		{"raw 101 IPv4", 101, four},
		{"raw 101 IPv6", 101, six},
		{"raw IPv4", 228, four},
		{"raw IPv6", 229, six},
		{"cooked IPv4", 113, prefix(sll+"\x08\x00", four)},
		{"cooked IPv6", 113, prefix(sll+"\x86\xdd", six)},
		{"cooked VLAN", 113, prefix(sll+"\x81\x00\x00\x07\x08\x00", four)},
		{"cooked v2 IPv4", 276, prefix("\x08\x00"+sll2, four)},
		{"cooked v2 IPv6", 276, prefix("\x86\xdd"+sll2, six)},
		{"cooked v2 VLAN", 276, prefix("\x81\x00"+sll2+"\x00\x07\x08\x00", four)},
		{"null little-endian", 0, prefix("\x02\x00\x00\x00", four)},
		{"null big-endian", 0, prefix("\x00\x00\x00\x02", four)},
		{"null macOS IPv6", 0, prefix("\x1e\x00\x00\x00", six)},
		{"null FreeBSD IPv6", 0, prefix("\x1c\x00\x00\x00", six)},
		{"loop OpenBSD IPv6", 108, prefix("\x00\x00\x00\x18", six)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := pcap.NewReader(bytes.NewReader(classic(t, tt.link, tt.packet)))
			if err != nil {
				t.Fatal(err)
			}
			p, err := r.Next()
			if err != nil {
				t.Fatal(err, r.Stats())
			}
			src, dst := exporter4, collector4
			if p.Src.Addr().Is6() {
				src, dst = exporter6, collector6
			}
			if p.Src != src || p.Dst != dst || string(p.Payload) != "flow" || !p.Time.Equal(captured) {
				t.Errorf("read %v > %v %q at %v", p.Src, p.Dst, p.Payload, p.Time)
			}
			if _, err := r.Next(); !errors.Is(err, io.EOF) {
				t.Errorf("at the end: %v", err)
			}
			if s := (pcap.Stats{Packets: 1, Datagrams: 1}); r.Stats() != s {
				t.Errorf("stats %+v", r.Stats())
			}
		})
	}
}

func TestIPv6ExtensionHeaders(t *testing.T) {
	for name, packet := range map[string][]byte{
		"hop-by-hop":          ip6(t, "flow", 0, 17, 0, 1, 4, 0, 0, 0, 0),
		"long destination":    ip6(t, "flow", 60, 17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
		"routing":             ip6(t, "flow", 43, 17, 0, 0, 0, 0, 0, 0, 0),
		"authentication":      ip6(t, "flow", 51, 17, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 9, 9, 9, 9),
		"whole in a fragment": ip6(t, "flow", 44, 17, 0, 0, 0, 0, 0, 0, 1),
		"two":                 ip6(t, "flow", 0, 60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0),
	} {
		if got, stats, err := readAll(t, classic(t, 101, packet)); err != nil || len(got) != 1 || got[0] != "flow" {
			t.Errorf("%s: %q, %v, %+v", name, got, err, stats)
		}
	}
}

// TestNothingHalfIsDelivered also checks that what is left out does not stop what
// comes after it.
func TestNothingHalfIsDelivered(t *testing.T) {
	four := ip4(t, "flow")
	with := func(b []byte, offset int, patch ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[offset:], patch)
		return b
	}
	tcp := with(four, 9, 6)
	eth := ethernet(four, 0x0800)
	for _, tt := range []struct {
		name   string
		link   uint32
		packet []byte
		want   pcap.Reason
	}{
		{"TCP", 101, tcp, pcap.TCP},
		{"TCP fragment", 101, with(tcp, 6, 0x20), pcap.TCP},
		{"ARP", 1, ethernet(make([]byte, 46), 0x0806), pcap.NotIP},
		{"ICMPv6", 101, ip6(t, "", 58, 128, 0), pcap.NotUDP},
		{"IPv6 TCP fragment", 101, ip6(t, "", 44, 6, 0, 0, 1, 0, 0, 0, 1), pcap.TCP},
		{"IPX over loopback", 0, append([]byte{23, 0, 0, 0}, four...), pcap.NotIP},
		{"first fragment", 101, with(four, 6, 0x20), pcap.FragmentLost},
		{"last fragment", 101, with(four, 6, 0, 100), pcap.FragmentLost},
		{"IPv6 first fragment", 101, ip6(t, "flow", 44, 17, 0, 0, 1, 0, 0, 0, 1), pcap.FragmentLost},
		{"IPv6 last fragment", 101, ip6(t, "flow", 44, 17, 0, 5, 0x98, 0, 0, 0, 1), pcap.FragmentLost},
		{"SCTP", 101, with(four, 9, 132), pcap.SCTP},
		{"ESP", 101, with(four, 9, 50), pcap.Encrypted},
		{"empty packet", 101, nil, pcap.Short},
		{"empty Ethernet frame", 1, nil, pcap.Short},
		{"tag without type", 1, ethernet(nil, 0x8100), pcap.Short},
		{"empty loopback", 0, []byte{2}, pcap.Short},
		{"IP version 5", 101, with(four, 0, 0x55), pcap.Malformed},
		{"IP header of 16 bytes", 101, with(four, 0, 0x44), pcap.Malformed},
		{"IP options beyond the packet", 101, with(four, 0, 0x4f), pcap.Malformed},
		{"IP length below its header", 101, with(four, 2, 0, 19), pcap.Malformed},
		{"UDP length below its header", 101, with(four, 24, 0, 7), pcap.Malformed},
		{"UDP length beyond the IP packet", 1, append(with(eth, 14+24, 0, 13), 0, 0, 0), pcap.Malformed},
		{"half a UDP header", 101, with(four, 2, 0, 24)[:24], pcap.Malformed},
		{"IPv6 extension beyond the packet", 101, ip6(t, "flow", 60, 17, 255, 0, 0, 0, 0, 0, 0), pcap.Malformed},
		{"IPv6 extensions beyond the payload length", 101, with(ip6(t, "flow", 60, 17, 0, 0, 0, 0, 0, 0, 0), 4, 0, 4), pcap.Malformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			good := four
			switch tt.link {
			case 1:
				good = eth
			case 0:
				good = append([]byte{2, 0, 0, 0}, four...)
			}
			payloads, got, err := readAll(t, classic(t, tt.link, tt.packet, good))
			if err != nil || len(payloads) != 1 || payloads[0] != "flow" {
				t.Errorf("read %q, %v", payloads, err)
			}
			if want := stats(2, 1, 0, tt.want); got != want {
				t.Errorf("stats %+v, want %+v", got, want)
			}
		})
	}
}

func TestCutBySnapLength(t *testing.T) {
	whole := ip4(t, "recordrecord")
	file := classic(t, 101, whole[:len(whole)-6], whole[:20+7])
	binary.LittleEndian.PutUint32(file[24+12:], uint32(len(whole)))
	binary.LittleEndian.PutUint32(file[24+16+len(whole)-6+12:], uint32(len(whole)))
	payloads, got, err := readAll(t, file)
	if err != nil || len(payloads) != 1 || payloads[0] != "record" {
		t.Errorf("read %q, %v", payloads, err)
	}
	if want := stats(2, 1, 1, pcap.Short); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}

func TestTimeAndByteOrder(t *testing.T) {
	packet := ip4(t, "flow")
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for magic, fraction := range map[uint32]uint32{0xa1b2c3d4: 123456, 0xa1b23c4d: 123456000} {
			file := order.AppendUint32(nil, magic)
			file = order.AppendUint16(file, 2)
			file = order.AppendUint16(file, 4)
			file = append(file, make([]byte, 8)...)
			for _, v := range []uint32{65535, 101, uint32(captured.Unix()), fraction, uint32(len(packet)), uint32(len(packet))} {
				file = order.AppendUint32(file, v)
			}
			r, err := pcap.NewReader(bytes.NewReader(append(file, packet...)))
			if err != nil {
				t.Fatal(err)
			}
			if p, err := r.Next(); err != nil || !p.Time.Equal(captured) || p.Time.Location() != time.UTC {
				t.Errorf("%v %#x: %v, %v", order, magic, p.Time, err)
			}
		}
	}
}

func TestCompressed(t *testing.T) {
	plain := classic(t, 101, ip4(t, "one"), ip6(t, "two", layers.IPProtocolUDP))
	var zipped bytes.Buffer
	g := gzip.NewWriter(&zipped)
	g.Write(plain[:40])
	g.Close()
	g.Reset(&zipped) // a second member, as appending or pigz makes them
	g.Write(plain[40:])
	g.Close()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	standard := z.EncodeAll(plain, nil)
	for name, file := range map[string][]byte{
		"plain":           plain,
		"gzip":            zipped.Bytes(),
		"zstd":            standard,
		"zstd, skippable": append([]byte("\x50\x2a\x4d\x18\x04\x00\x00\x00pzst"), standard...),
	} {
		got, _, err := readAll(t, file)
		if err != nil || fmt.Sprint(got) != "[one two]" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if name == "plain" {
			continue
		}
		if _, _, err := readAll(t, file[:len(file)-3]); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s, cut: %v", name, err)
		}
	}
}

func TestNoCapture(t *testing.T) {
	for want, file := range map[string][]byte{
		"0 bytes is not a capture":         nil,
		"3 bytes is not a capture":         []byte("\xd4\xc3\xb2"),
		"it begins with 23 20 6e 6f":       []byte("# no capture\n"),
		"unexpected EOF":                   classic(t, 1)[:23],
		"link type 201":                    classic(t, 201),
		"pcap version 1: only version 2":   append([]byte("\xd4\xc3\xb2\xa1\x01\x00"), make([]byte, 18)...),
		"gzip: invalid header":             []byte("\x1f\x8b no gzip at all"),
		"capture damaged after packet 0: ": []byte("\x0a\x0d\x0d\x0a\x1c\x00\x00\x00\x1a\x2b\x3c\x4e"),
	} {
		if _, _, err := readAll(t, file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.10q: error %v, want %q", file, err, want)
		}
	}
}

func TestDamageKeepsWhatCameBefore(t *testing.T) {
	good := classic(t, 101, ip4(t, "one"), ip4(t, "two"), ip4(t, "three"))
	third := len(good) - 16 - len(ip4(t, "three"))
	for _, tt := range []struct {
		name string
		file []byte
		want string
		eof  bool
	}{
		{"cut in a packet's header", good[:third+9], "after packet 2: unexpected EOF", true},
		{"cut behind a packet's header", good[:third+16], "after packet 2: unexpected EOF", true},
		{"cut in a packet", good[:len(good)-1], "after packet 2: unexpected EOF", true},
		{"length", append(bytes.Clone(good[:third+8]), 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0), "after packet 2: a packet of 4294967295 bytes", false},
	} {
		got, stats, err := readAll(t, tt.file)
		if fmt.Sprint(got) != "[one two]" || stats.Packets != 2 {
			t.Errorf("%s: read %q, %+v", tt.name, got, stats)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, io.ErrUnexpectedEOF) != tt.eof || errors.Is(err, io.EOF) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
	broken := errors.New("disk on fire")
	r, err := pcap.NewReader(io.MultiReader(bytes.NewReader(good[:third]), iotest.ErrReader(broken)))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = r.Next()
	}
	if !errors.Is(err, broken) || r.Stats().Datagrams != 2 {
		t.Errorf("a reader that fails: %v, %+v", err, r.Stats())
	}
}
