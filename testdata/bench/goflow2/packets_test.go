package goflow2

import (
	"encoding/binary"
	"math/rand/v2"
)

// The packets: as many flows as fit in 1,500 bytes, with the fields that Cisco
// and Juniper boxes send.

const (
	exportSeconds = 1_780_000_000
	uptime        = 3_600_000 // ms
)

type field struct{ id, length uint16 }

var (
	v9Layout = []field{
		{8, 4}, {12, 4}, {15, 4}, {10, 4}, {14, 4}, {2, 4}, {1, 4}, {22, 4}, {21, 4}, {7, 2}, {11, 2},
		{6, 1}, {4, 1}, {5, 1}, {9, 1}, {13, 1}, {16, 4}, {17, 4}, {61, 1}, {89, 1}, {48, 1}, {60, 1},
	}
	ipfix4Layout = []field{
		{8, 4}, {12, 4}, {15, 4}, {10, 4}, {14, 4}, {2, 8}, {1, 8}, {152, 8}, {153, 8}, {7, 2}, {11, 2},
		{6, 1}, {4, 1}, {5, 1}, {9, 1}, {13, 1}, {16, 4}, {17, 4}, {61, 1}, {136, 1}, {60, 1},
	}
	ipfix6Layout = []field{
		{27, 16}, {28, 16}, {62, 16}, {10, 4}, {14, 4}, {2, 8}, {1, 8}, {152, 8}, {153, 8}, {7, 2}, {11, 2},
		{6, 1}, {4, 1}, {5, 1}, {29, 1}, {30, 1}, {16, 4}, {17, 4}, {61, 1}, {136, 1}, {60, 1},
	}
)

var cases = []struct {
	name           string
	flows          int
	template, data []byte // no template for v5
}{
	{"v5", 30, nil, v5(30)},
	{"v9", 24, v9(template(0, v9Layout)), v9(data(v9Layout, 24))},
	{"ipfix4", 18, ipfix(template(2, ipfix4Layout)), ipfix(data(ipfix4Layout, 18))},
	{"ipfix6", 12, ipfix(template(2, ipfix6Layout)), ipfix(data(ipfix6Layout, 12))},
}

var be = binary.BigEndian

func v5(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := be.AppendUint16(nil, 5)
	b = be.AppendUint16(b, uint16(n))
	b = be.AppendUint32(b, uptime)
	b = be.AppendUint32(b, exportSeconds)
	b = append(b, make([]byte, 12)...)
	for range n {
		b = be.AppendUint32(b, 0x0a000000|r.Uint32()&0xffff)
		b = be.AppendUint32(b, r.Uint32())
		b = append(b, 10, 0, 0, 1, 0, 1, 0, 2)
		b = be.AppendUint32(b, r.Uint32()&0xff)
		b = be.AppendUint32(b, r.Uint32()&0xffff)
		b = be.AppendUint32(b, uptime-10_000)
		b = be.AppendUint32(b, uptime-1_000)
		b = be.AppendUint32(b, r.Uint32()) // ports
		b = append(b, 0, 0x1b, 6, 0, 0, 0, 0, 0, 16, 24, 0, 0)
	}
	return b
}

func v9(set []byte) []byte {
	b := []byte{0, 9, 0, 1}
	b = be.AppendUint32(b, uptime)
	b = be.AppendUint32(b, exportSeconds)
	return append(append(b, 0, 0, 0, 0, 0, 0, 0, 1), set...)
}

func ipfix(set []byte) []byte {
	b := be.AppendUint16([]byte{0, 10}, uint16(16+len(set)))
	b = be.AppendUint32(b, exportSeconds)
	return append(append(b, 0, 0, 0, 0, 0, 0, 0, 1), set...)
}

func set(id uint16, content []byte) []byte {
	for len(content)%4 != 0 {
		content = append(content, 0)
	}
	b := be.AppendUint16(nil, id)
	b = be.AppendUint16(b, uint16(4+len(content)))
	return append(b, content...)
}

func template(id uint16, layout []field) []byte {
	b := be.AppendUint16([]byte{1, 0}, uint16(len(layout)))
	for _, f := range layout {
		b = be.AppendUint16(b, f.id)
		b = be.AppendUint16(b, f.length)
	}
	return set(id, b)
}

func data(layout []field, n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for range n {
		for _, f := range layout {
			b = append(b, value(f, r)...)
		}
	}
	return set(256, b)
}

func value(f field, r *rand.Rand) []byte {
	b := make([]byte, f.length)
	switch f.id {
	case 22:
		be.PutUint32(b, uptime-10_000)
	case 21:
		be.PutUint32(b, uptime-1_000)
	case 152:
		be.PutUint64(b, (exportSeconds-10)*1000)
	case 153:
		be.PutUint64(b, (exportSeconds-1)*1000)
	case 4:
		b[0] = 6
	case 7, 11, 8, 12, 27, 28:
		for i := range b {
			b[i] = byte(r.Uint32())
		}
	default:
		b[f.length-1] = byte(1 + r.Uint32()&0x7f)
	}
	return b
}
