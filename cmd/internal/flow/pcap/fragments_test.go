package pcap_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"github.com/flowhound/flowhound/cmd/internal/flow/pcap"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// fragments4 cuts an IPv4 packet without options into pieces of size bytes of payload.
func fragments4(packet []byte, id uint16, size int) (pieces [][]byte) {
	header, payload := packet[:20], packet[20:]
	for at := 0; at < len(payload); at += size {
		n := min(size, len(payload)-at)
		b := append(bytes.Clone(header), payload[at:at+n]...)
		offset := uint16(at / 8)
		if at+n < len(payload) {
			offset |= 0x2000
		}
		binary.BigEndian.PutUint16(b[2:], uint16(20+n))
		binary.BigEndian.PutUint16(b[4:], id)
		binary.BigEndian.PutUint16(b[6:], offset)
		pieces = append(pieces, b)
	}
	return pieces
}

// fragments6 cuts what stands behind the header of an IPv6 packet.
func fragments6(packet []byte, id uint32, size int) (pieces [][]byte) {
	header, payload := packet[:40], packet[40:]
	for at := 0; at < len(payload); at += size {
		n := min(size, len(payload)-at)
		offset := uint16(at)
		if at+n < len(payload) {
			offset |= 1
		}
		b := append(bytes.Clone(header), header[6], 0)
		b = binary.BigEndian.AppendUint16(b, offset)
		b = binary.BigEndian.AppendUint32(b, id)
		b = append(b, payload[at:at+n]...)
		binary.BigEndian.PutUint16(b[4:], uint16(8+n))
		b[6] = 44
		pieces = append(pieces, b)
	}
	return pieces
}

// long is a payload whose bytes tell where they stand.
func long(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%07d ", i)
	}
	return b.String()[:n]
}

func TestFragmentsArePutTogether(t *testing.T) {
	text := long(2840)
	four, six := ip4(t, text), ip6(t, text, layers.IPProtocolUDP)
	options6 := ip6(t, text, 60, 17, 0, 1, 4, 0, 0, 0, 0)
	tagged := func(pieces [][]byte) (frames [][]byte) {
		for _, p := range pieces {
			frames = append(frames, append(ethernet(p, 0x8100, 0x0800), make([]byte, 6)...)) // padded
		}
		return frames
	}
	reversed := fragments4(four, 7, 1000)
	slices.Reverse(reversed)
	doubled := slices.Concat(fragments4(four, 7, 1000)[:2], fragments4(four, 7, 1000)) // some twice
	mixed := make([][]byte, 0, 6)
	for i, p := range fragments4(four, 7, 1000) { // of two packets by turns
		mixed = append(mixed, p, fragments4(ip4(t, text), 8, 1000)[i])
	}
	// IP in IP, the outer packet in fragments, and the inner one, too.
	var inside [][]byte
	for i, p := range fragments4(four, 7, 1000) {
		outer := bytes.Clone(four[:20])
		outer[9] = 4
		binary.BigEndian.PutUint16(outer[2:], uint16(20+len(p)))
		inside = append(inside, fragments4(append(outer, p...), uint16(100+i), 600)...)
	}
	for _, c := range []struct {
		name    string
		link    uint32
		packets [][]byte
		want    int
	}{
		{"IPv4", 101, fragments4(four, 7, 1480), 1},
		{"IPv4, small", 101, fragments4(four, 7, 48), 1},
		{"IPv4, padded and tagged", 1, tagged(fragments4(four, 7, 1400)), 1},
		{"IPv4, in the wrong order", 101, reversed, 1},
		{"IPv4, some twice", 101, doubled, 1},
		{"IPv4, two by turns", 101, mixed, 2},
		{"IPv6", 101, fragments6(six, 7, 1448), 1},
		{"IPv6 with an extension header inside", 101, fragments6(options6, 7, 1448), 1},
		{"fragments within a tunnel's", 101, inside, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, stats, err := readAll(t, classic(t, c.link, c.packets...))
			if err != nil || len(got) != c.want {
				t.Fatalf("%d datagrams, %v, %+v", len(got), err, stats)
			}
			for _, payload := range got {
				if payload != text {
					t.Errorf("payload of %d bytes, want %d", len(payload), len(text))
				}
			}
			want := pcap.Stats{Packets: uint64(len(c.packets)), Datagrams: uint64(c.want), Joined: uint64(len(c.packets) - c.want)}
			if stats != want {
				t.Errorf("stats %+v, want %+v", stats, want)
			}
		})
	}
}

func TestFragmentsThatContradict(t *testing.T) {
	text := long(2840)
	whole := func() [][]byte { return fragments4(ip4(t, text), 7, 1000) }
	patch := func(i, at int, v uint16) [][]byte {
		p := whole()
		binary.BigEndian.PutUint16(p[i][at:], v)
		return p
	}
	for name, packets := range map[string][][]byte{
		"overlapping":            patch(1, 6, 0x2000|120),
		"two ends":               patch(0, 6, 125),
		"behind the end":         {whole()[0], whole()[2], patch(1, 6, 0x2000|500)[1]},
		"beyond 64 KiB":          patch(2, 6, 8191),
		"no multiple of 8":       {whole()[0], patch(1, 2, 20+999)[1][:20+999], whole()[2]},
		"empty":                  patch(1, 2, 20),
		"inside another's place": {whole()[0], patch(1, 6, 0x2000|1)[1], whole()[1], whole()[2]},
	} {
		got, stats, err := readAll(t, classic(t, 101, append(packets, ip4(t, "flow"))...))
		if err != nil || len(got) != 1 || got[0] != "flow" {
			t.Errorf("%s: %d datagrams, %v", name, len(got), err)
		}
		if n := uint64(len(packets)); stats.Left[pcap.FragmentLost] != n {
			t.Errorf("%s: %+v, want %d fragments left out", name, stats, n)
		}
	}
}

// TestWhatIsThereOfFragments: a capture with a filter for a port holds first fragments
// only, because the others have no ports. What they hold is worth reading.
func TestWhatIsThereOfFragments(t *testing.T) {
	text := long(2840)
	whole := func() [][]byte { return fragments4(ip4(t, text), 7, 1000) }
	patch := func(i, at int, v uint16) [][]byte {
		p := whole()
		binary.BigEndian.PutUint16(p[i][at:], v)
		return p
	}
	for name, c := range map[string]struct {
		packets [][]byte
		want    int // bytes of the payload
		lost    uint64
	}{
		"the first alone":  {whole()[:1], 1000 - 8, 0},
		"one missing":      {[][]byte{whole()[0], whole()[2]}, 1000 - 8, 0},
		"the last missing": {whole()[:2], 2000 - 8, 0},
		"of two ids":       {patch(1, 4, 8), 1000 - 8, 1},
		"of two senders":   {patch(1, 12, 0x0a00), 1000 - 8, 1},
		"no first":         {whole()[1:], 0, 2},
		"half a header":    {[][]byte{fragments4(ip4(t, text), 7, 8)[1]}, 0, 1},
	} {
		got, stats, err := readAll(t, classic(t, 101, append(c.packets, ip4(t, "flow"))...))
		want := []string{"flow"}
		if c.want > 0 {
			want = append(want, text[:c.want]) // given up at the end
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %d datagrams, %v", name, len(got), err)
		}
		if stats.Left[pcap.FragmentLost] != c.lost || stats.Truncated != uint64(len(want)-1) || stats.Packets != stats.Datagrams+stats.Joined+c.lost {
			t.Errorf("%s: %+v", name, stats)
		}
	}
}

// TestFirstFragmentsKeepTheirOrder: a capture of nothing but first fragments gives them
// in the order and with the times in which they came.
func TestFirstFragmentsKeepTheirOrder(t *testing.T) {
	var packets [][]byte
	for i := range 500 {
		packets = append(packets, fragments4(ip4(t, fmt.Sprintf("%08d", i)+long(2000)), uint16(i), 1480)[0])
	}
	got, stats, err := readAll(t, classic(t, 101, packets...))
	if err != nil || len(got) != 500 || stats.Truncated != 500 {
		t.Fatalf("%d datagrams, %v, %+v", len(got), err, stats)
	}
	for i, payload := range got {
		if payload[:8] != fmt.Sprintf("%08d", i) {
			t.Fatalf("datagram %d begins with %s", i, payload[:8])
		}
	}
}

// TestFragmentsCutBySnapLength keeps what stands before the first missing byte.
func TestFragmentsCutBySnapLength(t *testing.T) {
	text := long(2840)
	pieces := fragments4(ip4(t, text), 7, 1000)
	file := classic(t, 101, pieces[0], pieces[1][:520], pieces[2][:520])
	at := 24 + 16 + len(pieces[0])
	for _, p := range pieces[1:] {
		binary.LittleEndian.PutUint32(file[at+12:], uint32(len(p)))
		at += 16 + 520
	}
	got, stats, err := readAll(t, file)
	if err != nil || len(got) != 1 || got[0] != text[:1000-8+500] {
		t.Errorf("%d datagrams, %v", len(got), err)
	}
	if want := (pcap.Stats{Packets: 3, Datagrams: 1, Joined: 2, Truncated: 1}); stats != want {
		t.Errorf("stats %+v, want %+v", stats, want)
	}
}

// TestForgedFragmentsPushOutTheirOwn sends first fragments of ever new packets
// between the fragments of an exporter.
func TestForgedFragmentsPushOutTheirOwn(t *testing.T) {
	text := long(2840)
	real := fragments4(ip4(t, text), 7, 1000)
	forged := fragments4(ip4(t, text), 0, 1400)[0]
	copy(forged[12:], []byte{203, 0, 113, 9})
	packets := [][]byte{real[0], real[1]}
	for i := range 20_000 {
		f := bytes.Clone(forged)
		binary.BigEndian.PutUint16(f[4:], uint16(i))
		packets = append(packets, f)
	}
	file := classic(t, 101, append(packets, real[2])...)
	r, err := pcap.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	whole, cut := 0, 0
	n := allocated(func() {
		for {
			p, err := r.Next()
			if err != nil {
				break
			}
			if string(p.Payload) == text {
				whole++
			} else {
				cut++
			}
		}
	})
	if whole != 1 || cut != 20_000 {
		t.Errorf("%d datagrams whole, %d cut", whole, cut)
	}
	if n > 64<<20 {
		t.Errorf("%d bytes allocated", n)
	}
	if s := r.Stats(); s.Left[pcap.FragmentLost] != 0 || s.Joined != 2 || s.Truncated != 20_000 {
		t.Errorf("stats %+v", s)
	}
}

// TestFragmentsInAnyOrder shuffles several packets' fragments.
func TestFragmentsInAnyOrder(t *testing.T) {
	peer.Long(t)
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var packets [][]byte
		want := map[string]int{}
		for id := range 20 {
			text := long(100 + r.IntN(60000))
			want[text]++
			packets = append(packets, fragments4(ip4(t, text), uint16(id), 8*(1+r.IntN(180)+len(text)/8/100))...)
		}
		r.Shuffle(len(packets), func(i, j int) { packets[i], packets[j] = packets[j], packets[i] })
		got, stats, err := readAll(t, classic(t, 101, packets...))
		if err != nil || len(got) != 20 {
			t.Fatalf("%d datagrams, %v, %+v", len(got), err, stats)
		}
		for _, text := range got {
			if want[text]--; want[text] < 0 {
				t.Fatalf("a datagram of %d bytes that was not sent", len(text))
			}
		}
	}
}

func TestTunnelsAreUnpacked(t *testing.T) {
	gre := bytes.Clone(ip4(t, "flow")[:20])
	inner := ip4(t, "flow")
	gre[9] = 47
	binary.BigEndian.PutUint16(gre[2:], uint16(24+len(inner)))
	gre = append(append(gre, 0, 0, 8, 0), inner...)
	got, s, err := readAll(t, classic(t, 1, ethernet(gre, 0x0800)))
	if err != nil || len(got) != 1 || got[0] != "flow" {
		t.Errorf("%q, %v, %+v", got, err, s)
	}
	// A capture of all interfaces shows the inner packet on its own.
	cooked := func(b []byte) []byte {
		return append([]byte("\x00\x00\x00\x01\x00\x06\x02\x00\x00\x00\x00\x01\x00\x00\x08\x00"), b...)
	}
	got, s, err = readAll(t, classic(t, 113, cooked(gre), cooked(inner)))
	if err != nil || len(got) != 1 {
		t.Errorf("%q, %v", got, err)
	}
	if want := stats(2, 1, 0, pcap.Tunnel); s != want {
		t.Errorf("stats %+v, want %+v", s, want)
	}
}
