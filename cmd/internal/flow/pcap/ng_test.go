package pcap_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow/pcap"
)

// blockOf frames a block's body in an order's bytes.
func blockOf(order binary.AppendByteOrder, kind uint32, body []byte) []byte {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	length := uint32(len(body) + 12)
	b := order.AppendUint32(nil, kind)
	b = order.AppendUint32(b, length)
	b = append(b, body...)
	return order.AppendUint32(b, length)
}

// words lays out 32-bit values.
func words(order binary.AppendByteOrder, values ...uint32) (b []byte) {
	for _, v := range values {
		b = order.AppendUint32(b, v)
	}
	return b
}

var le, be = binary.LittleEndian, binary.BigEndian

func sectionIn(order binary.AppendByteOrder) []byte {
	body := order.AppendUint32(nil, 0x1a2b3c4d)
	body = order.AppendUint16(body, 1)
	body = order.AppendUint16(body, 0)
	return blockOf(order, 0x0a0d0d0a, append(body, bytes.Repeat([]byte{0xff}, 8)...))
}

func section() []byte { return sectionIn(le) }

func interfaceBlock(link uint16, options ...byte) []byte {
	return blockOf(le, 1, append(words(le, uint32(link), 0), options...))
}

func enhanced(order binary.AppendByteOrder, iface uint32, stamp uint64, packet []byte) []byte {
	head := words(order, iface, uint32(stamp>>32), uint32(stamp), uint32(len(packet)), uint32(len(packet)))
	return blockOf(order, 6, append(head, packet...))
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestNgFromAnotherWriter(t *testing.T) {
	r, err := pcap.NewReader(bytes.NewReader(nanoseconds(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one", "two"} {
		p, err := r.Next()
		if err != nil || string(p.Payload) != want || p.Src != exporter4 || p.Dst != collector4 || !p.Time.Equal(captured.Add(7)) {
			t.Errorf("read %v > %v %q at %v, %v; want %s", p.Src, p.Dst, p.Payload, p.Time, err, want)
		}
	}
}

func TestNgBlocks(t *testing.T) {
	one, two := ip4(t, "one"), ip4(t, "two")
	stamp := uint64(captured.UnixMicro())
	obsolete := words(le, 0, uint32(stamp>>32), uint32(stamp), uint32(len(two)), uint32(len(two)))
	le.PutUint16(obsolete[2:], 9) // drops
	simple := append(words(le, uint32(len(two))), two...)
	cut := append(words(le, 1000), two...)
	start := join(section(), interfaceBlock(101))
	for _, tt := range []struct {
		name string
		file []byte
		want string
	}{
		{"enhanced", join(start, enhanced(le, 0, stamp, one), enhanced(le, 0, stamp, two)), "[one two]"},
		{"options of a packet", join(start, blockOf(le, 6, join(words(le, 0, 0, 0, uint32(len(one)), uint32(len(one))), one, []byte("\x00\x01\x00\x03\x00odd\x00\x00\x00\x00\x00")))), "[one]"},
		{"obsolete", join(start, enhanced(le, 0, stamp, one), blockOf(le, 2, append(obsolete, two...))), "[one two]"},
		{"simple", join(start, blockOf(le, 3, simple)), "[two]"},
		{"simple, cut by the snap length", join(section(), blockOf(le, 1, words(le, 101, uint32(len(two)))), blockOf(le, 3, cut)), "[two]"},
		{"unknown blocks", join(start, blockOf(le, 0x80000bad, []byte("ours")), blockOf(le, 5, nil), enhanced(le, 0, stamp, one)), "[one]"},
		{"two interfaces", join(start, interfaceBlock(1), enhanced(le, 1, stamp, ethernet(one, 0x0800)), enhanced(le, 0, stamp, two)), "[one two]"},
		{"unknown link layer", join(start, interfaceBlock(105), enhanced(le, 1, stamp, one), enhanced(le, 0, stamp, two)), "[two]"},
		{"big-endian", join(sectionIn(be), blockOf(be, 1, []byte("\x00\x65\x00\x00\x00\x00\x00\x00")), enhanced(be, 0, stamp, one)), "[one]"},
		{"a second section", join(start, interfaceBlock(105), enhanced(le, 0, stamp, one), sectionIn(be), blockOf(be, 1, []byte("\x00\x65\x00\x00\x00\x00\x00\x00")), enhanced(be, 0, stamp, two)), "[one two]"},
	} {
		if got, stats, err := readAll(t, tt.file); err != nil || fmt.Sprint(got) != tt.want {
			t.Errorf("%s: read %q, %v, %+v", tt.name, got, err, stats)
		}
	}
}

func TestNgTime(t *testing.T) {
	const seconds = 1_780_835_900
	option := func(code, length byte, value ...byte) []byte {
		return append([]byte{code, 0, length, 0}, value...)
	}
	for _, tt := range []struct {
		name    string
		options []byte
		stamp   uint64
		want    time.Time
	}{
		{"microseconds by default", nil, seconds*1e6 + 5, time.Unix(seconds, 5000)},
		{"nanoseconds", option(9, 1, 9, 0, 0, 0), seconds*1e9 + 5, time.Unix(seconds, 5)},
		{"picoseconds", option(9, 1, 12, 0, 0, 0), 5e12 + 7000, time.Unix(5, 7)},
		{"the finest", option(9, 1, 19, 0, 0, 0), 15e18, time.Unix(1, 5e8)},
		{"seconds", option(9, 1, 0, 0, 0, 0), seconds, time.Unix(seconds, 0)},
		{"2^-32 seconds", option(9, 1, 0x80|32, 0, 0, 0), seconds<<32 | 1<<31, time.Unix(seconds, 5e8)},
		{"2^-63 seconds", option(9, 1, 0x80|63, 0, 0, 0), 1<<63 | 1<<62, time.Unix(1, 5e8)},
		{"offset", option(14, 8, 100, 0, 0, 0, 0, 0, 0, 0), seconds * 1e6, time.Unix(seconds+100, 0)},
		{"offset into the past", option(14, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), seconds * 1e6, time.Unix(seconds-1, 0)},
		{"before 1970", option(14, 8, 0, 0, 0, 0, 0, 0, 0, 0x80), seconds * 1e6, time.Unix(0, 0)},
		{"after 2262", option(9, 1, 0, 0, 0, 0), 1<<64 - 1, time.Unix(9223372035, 0)},
		{"end of options", append(option(0, 0), option(9, 1, 9, 0, 0, 0)...), seconds * 1e6, time.Unix(seconds, 0)},
	} {
		file := join(section(), interfaceBlock(101, tt.options...), enhanced(le, 0, tt.stamp, ip4(t, "flow")))
		r, err := pcap.NewReader(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if p, err := r.Next(); err != nil || !p.Time.Equal(tt.want) {
			t.Errorf("%s: %v, %v; want %v", tt.name, p.Time, err, tt.want)
		}
	}
}

func TestNgSimplePacketTakesTheTimeBefore(t *testing.T) {
	packet := ip4(t, "flow")
	simple := blockOf(le, 3, append(words(le, uint32(len(packet))), packet...))
	r, err := pcap.NewReader(bytes.NewReader(join(section(), interfaceBlock(101), simple, enhanced(le, 0, 7e6, packet), simple)))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int64{0, 7, 7} {
		if p, err := r.Next(); err != nil || p.Time.Unix() != want {
			t.Errorf("%v, %v; want second %d", p.Time, err, want)
		}
	}
}

func TestNgDamage(t *testing.T) {
	packet := ip4(t, "one")
	start := join(section(), interfaceBlock(101), enhanced(le, 0, 0, packet))
	lying := enhanced(le, 0, 0, packet)
	le.PutUint32(lying[20:], uint32(len(packet)+40))
	tail := enhanced(le, 0, 0, packet)
	le.PutUint32(tail[len(tail)-4:], 4)
	for want, more := range map[string][]byte{
		"unexpected EOF":                       {6, 0, 0, 0, 60},
		"a block cannot have 8 bytes":          words(le, 6, 8),
		"cannot have 61 bytes":                 words(le, 6, 61),
		"over the limit of 1048576":            words(le, 6, 1<<20+4),
		"too short for its type":               blockOf(le, 6, make([]byte, 16)),
		"interface 1, where the section has 1": enhanced(le, 1, 0, packet),
		"a packet of 71 bytes in a block":      lying,
		"at its start and 4 at its end":        tail,
		"longer than its block":                interfaceBlock(101, 9, 0, 8, 0, 1, 0, 0, 0),
		"finer than 64 bits":                   interfaceBlock(101, 9, 0, 1, 0, 20, 0, 0, 0),
		"a section's byte order":               {0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 1, 2, 3, 4},
		"pcapng version 2":                     bytes.Replace(section(), []byte{1, 0, 0, 0}, []byte{2, 0, 0, 0}, 1),
		"over 4096 interfaces":                 bytes.Repeat(interfaceBlock(101), 4096),
	} {
		got, _, err := readAll(t, join(start, more))
		if fmt.Sprint(got) != "[one]" {
			t.Errorf("%s: read %q", want, got)
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "after packet 1") {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
