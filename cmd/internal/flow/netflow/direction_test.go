package netflow

import (
	"net/netip"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// twice is a TCP flow that is counted by 1 and 2 and by 23 and 24.
func twice(bytes, packets, outBytes, outPackets uint32) []byte {
	return twiceTo("198.51.100.7", 6, bytes, packets, outBytes, outPackets)
}

func twiceTo(dst string, proto uint8, bytes, packets, outBytes, outPackets uint32) []byte {
	return message1(v9, f(8, ip("10.0.0.1")), f(12, ip(dst)), f(4, u8(proto)), f(1, u32(bytes)), f(2, u32(packets)), f(23, u32(outBytes)), f(24, u32(outPackets)))
}

func TestOutBytesOfOneRecord(t *testing.T) {
	for _, c := range []struct {
		name     string
		datagram []byte
		reverse  bool // the record alone shows the other direction
	}{
		{"an answer with more packets", twice(530, 6, 638, 10), true},
		{"a download", twice(2_000, 30, 90_000, 60), true},
		{"a download in fewer packets", twice(2_000, 30, 40_000, 28), true},
		{"an upload with many acknowledgements", twice(90_000, 60, 3_000, 62), true},
		{"the same", twice(1000, 10, 1000, 10), false},
		{"constants", twice(1000, 10, 1, 1), false},
		{"nothing sent on", twice(1000, 10, 0, 0), false},
		{"some dropped", twice(1000, 10, 900, 9), false},
		{"fragments", twice(15_000, 10, 15_400, 20), false},
		{"headers of a tunnel", twice(1000, 10, 1800, 10), false},
		{"IPv6 to IPv4", twice(1000, 10, 800, 10), false},
		{"an upload", twice(90_000, 60, 2_000, 30), false}, // or many were dropped
		{"multicast", twiceTo("239.1.2.3", 17, 1000, 10, 30_000, 300), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := decode(t, c.datagram)[0]
			if (r.Has&flow.HasReverse != 0) != c.reverse {
				t.Errorf("got %d bytes, reverse %d", r.Bytes, r.RevBytes)
			}
			if (r.RevBytes != 0) != c.reverse {
				t.Errorf("reverse bytes %d", r.RevBytes)
			}
		})
	}
	t.Run("sent on alone", func(t *testing.T) { // the packets left, but by another interface they were counted at
		if r := decode(t, twice(0, 0, 1000, 10))[0]; r.Bytes != 1000 || r.Packets != 10 || r.Has&flow.HasReverse != 0 {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("totals", func(t *testing.T) {
		r := one(t, ipfix, f(85, u32(530)), f(86, u32(6)), f(171, u32(638)), f(172, u32(10)))
		if r.Bytes != 530 || r.RevBytes != 638 || r.RevPackets != 10 {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("IxFlow", func(t *testing.T) {
		r := one(t, ipfix, f(1, u32(530)), f(2, u32(6)), enterprise(penIxia, 176, u64(638)), enterprise(penIxia, 177, u64(10)))
		if r.RevBytes != 638 || r.RevPackets != 10 || r.Has&flow.HasReverse == 0 {
			t.Errorf("got %+v", r)
		}
	})
}

func TestOutBytesOverTime(t *testing.T) {
	upload, unanswered := twice(90_000, 60, 2_000, 30), twice(60, 1, 0, 0)
	for _, c := range []struct {
		name    string
		before  []byte
		then    []byte
		reverse bool
	}{
		{"an exporter of both directions", twice(530, 6, 638, 10), upload, true},
		{"and nobody answered", twice(530, 6, 638, 10), unanswered, true},
		{"an exporter of one", twice(1000, 10, 1000, 10), upload, false},
		{"that shows the opposite once", twice(1000, 10, 1000, 10), twice(530, 6, 638, 10), false},
		{"constants", twice(1000, 10, 1, 1), upload, false},
		{"an exporter of both that writes a constant", twice(530, 6, 638, 10), twice(1000, 10, 1, 1), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := NewDecoder(Options{})
			for range 3 * enoughShown {
				feed(t, d, c.before)
			}
			r := feed(t, d, c.then)[0]
			if (r.Has&flow.HasReverse != 0) != c.reverse {
				t.Errorf("got %+v", r)
			}
		})
	}
	t.Run("an exporter that was replaced", func(t *testing.T) {
		d := NewDecoder(Options{})
		for range 300 {
			feed(t, d, twice(1000, 10, 1000, 10))
		}
		for range 3000 {
			feed(t, d, twice(530, 6, 638, 10))
		}
		if r := feed(t, d, upload)[0]; r.RevBytes != 2_000 {
			t.Errorf("got %+v", r)
		}
	})
}

func TestOutBytesAreSettable(t *testing.T) {
	meant := OutReverse
	d := NewDecoder(Options{OutBytes: func(netip.Addr) OutBytes { return meant }})
	if r := feed(t, d, twice(1000, 10, 1000, 10))[0]; r.RevBytes != 1000 || r.Has&flow.HasReverse == 0 {
		t.Errorf("reverse: got %+v", r)
	}
	meant = OutSame
	d.Reconfigure()
	if r := feed(t, d, twice(530, 6, 638, 10))[0]; r.RevBytes != 0 || r.Has&flow.HasReverse != 0 || r.Bytes != 530 {
		t.Errorf("same: got %+v", r)
	}
}
