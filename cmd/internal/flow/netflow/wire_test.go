package netflow

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// What the tests put on the wire: datagrams built part by part, and the ones
// that the benchmarks decode.

var be = binary.BigEndian

var (
	testExporter = netip.MustParseAddrPort("192.0.2.1:40000")
	testReceived = time.Date(2026, 6, 7, 12, 0, 0, 0, time.UTC).UnixNano()
	testSeconds  = uint32(testReceived / 1e9)
)

const (
	testUptime = 3_600_000 // ms
	testDomain = 7
)

// spec is a field specifier; a pen other than 0 makes it an enterprise's.
type spec struct {
	id, length uint16
	pen        uint32
}

func cat(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func u8(v uint8) []byte   { return []byte{v} }
func u16(v uint16) []byte { return be.AppendUint16(nil, v) }
func u32(v uint32) []byte { return be.AppendUint32(nil, v) }
func u64(v uint64) []byte { return be.AppendUint64(nil, v) }
func ip(s string) []byte  { return netip.MustParseAddr(s).AsSlice() }

func v5Datagram(count uint16, sequence uint32, records ...[]byte) []byte {
	h := cat(u16(5), u16(count), u32(testUptime), u32(testSeconds), u32(0), u32(sequence), u8(0), u8(testDomain), u16(0))
	return cat(h, cat(records...))
}

// v5Record is 10.0.0.1:1234 -> 198.51.100.7:443, of the last ten seconds.
func v5Record() []byte {
	return cat(ip("10.0.0.1"), ip("198.51.100.7"), ip("0.0.0.0"), u16(1), u16(2), u32(3), u32(400),
		u32(testUptime-10_000), u32(testUptime-1_000), u16(1234), u16(443), u8(0), u8(0x1b), u8(6), u8(8), make([]byte, 8))
}

func v9Datagram(sequence uint32, sets ...[]byte) []byte {
	return cat(u16(9), u16(1), u32(testUptime), u32(testSeconds), u32(sequence), u32(testDomain), cat(sets...))
}

func ipfixMessage(sequence uint32, sets ...[]byte) []byte {
	b := cat(sets...)
	return cat(u16(10), u16(uint16(ipfixHeaderLen+len(b))), u32(testSeconds), u32(sequence), u32(testDomain), b)
}

func set(id uint16, content ...[]byte) []byte {
	b := cat(content...)
	return cat(u16(id), u16(uint16(4+len(b))), b)
}

func specs(fields []spec) []byte {
	var b []byte
	for _, f := range fields {
		if f.pen != 0 {
			b = cat(b, u16(f.id|0x8000), u16(f.length), u32(f.pen))
		} else {
			b = cat(b, u16(f.id), u16(f.length))
		}
	}
	return b
}

func templateRecord(id uint16, fields ...spec) []byte {
	return cat(u16(id), u16(uint16(len(fields))), specs(fields))
}

func v9OptionsRecord(id uint16, scopes, options []spec) []byte {
	return cat(u16(id), u16(uint16(4*len(scopes))), u16(uint16(4*len(options))), specs(scopes), specs(options))
}

func ipfixOptionsRecord(id uint16, scopes, options []spec) []byte {
	return cat(u16(id), u16(uint16(len(scopes)+len(options))), u16(uint16(len(scopes))), specs(scopes), specs(options))
}

// decode feeds datagrams to a new Decoder and returns the records of all.
func decode(t *testing.T, datagrams ...[]byte) []flow.Record {
	t.Helper()
	return feed(t, NewDecoder(Options{}), datagrams...)
}

func feed(t *testing.T, d *Decoder, datagrams ...[]byte) []flow.Record {
	t.Helper()
	var out flow.Batch
	for _, b := range datagrams {
		_ = d.Decode(b, testExporter, testReceived, &out)
	}
	return out.Records
}

// The layouts of the benchmarks, after what Cisco and Juniper boxes send.
var (
	layoutV9 = []spec{
		{8, 4, 0}, {12, 4, 0}, {15, 4, 0}, {10, 4, 0}, {14, 4, 0}, {2, 4, 0}, {1, 4, 0}, {22, 4, 0}, {21, 4, 0}, {7, 2, 0}, {11, 2, 0},
		{6, 1, 0}, {4, 1, 0}, {5, 1, 0}, {9, 1, 0}, {13, 1, 0}, {16, 4, 0}, {17, 4, 0}, {61, 1, 0}, {89, 1, 0}, {48, 1, 0}, {60, 1, 0},
	}
	layoutIPFIX4 = []spec{
		{8, 4, 0}, {12, 4, 0}, {15, 4, 0}, {10, 4, 0}, {14, 4, 0}, {2, 8, 0}, {1, 8, 0}, {152, 8, 0}, {153, 8, 0}, {7, 2, 0}, {11, 2, 0},
		{6, 1, 0}, {4, 1, 0}, {5, 1, 0}, {9, 1, 0}, {13, 1, 0}, {16, 4, 0}, {17, 4, 0}, {61, 1, 0}, {136, 1, 0}, {60, 1, 0},
	}
	layoutIPFIX6 = []spec{
		{27, 16, 0}, {28, 16, 0}, {62, 16, 0}, {10, 4, 0}, {14, 4, 0}, {2, 8, 0}, {1, 8, 0}, {152, 8, 0}, {153, 8, 0}, {7, 2, 0}, {11, 2, 0},
		{6, 1, 0}, {4, 1, 0}, {5, 1, 0}, {29, 1, 0}, {30, 1, 0}, {16, 4, 0}, {17, 4, 0}, {61, 1, 0}, {136, 1, 0}, {60, 1, 0},
	}
	// layoutVariable is layoutIPFIX4 with an application name.
	layoutVariable = append([]spec{{96, variableLength, 0}}, layoutIPFIX4...)
)

// randomRecord fills a layout with plausible values.
func randomRecord(layout []spec, r *rand.Rand) []byte {
	var b []byte
	for _, f := range layout {
		switch {
		case f.length == variableLength:
			b = cat(b, u8(4), []byte("http"))
		case f.id == 22:
			b = cat(b, u32(testUptime-10_000))
		case f.id == 21:
			b = cat(b, u32(testUptime-1_000))
		case f.id == 152:
			b = cat(b, u64(uint64(testReceived/1e6-10_000)))
		case f.id == 153:
			b = cat(b, u64(uint64(testReceived/1e6-1_000)))
		case f.id == 4:
			b = cat(b, u8(6))
		case f.length == 16:
			b = cat(b, ip("2001:db8::")[:8], u64(r.Uint64()))
		case f.id == 8:
			b = cat(b, u32(0x0a000000|r.Uint32()&0xffff))
		case f.id == 12, f.id == 7, f.id == 11:
			b = cat(b, u64(r.Uint64())[:f.length])
		default:
			b = cat(b, make([]byte, f.length-1), u8(uint8(1+r.Uint32()&0x7f)))
		}
	}
	return b
}

func randomRecords(layout []spec, n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for range n {
		b = append(b, randomRecord(layout, r)...)
	}
	return b
}
