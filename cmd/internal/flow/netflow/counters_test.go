package netflow

import (
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

func TestCountersByAnyName(t *testing.T) {
	for _, c := range []struct {
		name           string
		bytes, packets fieldValue
		layer2         bool
	}{
		{"delta", f(1, u64(1000)), f(2, u64(10)), false},
		{"total", f(85, u64(1000)), f(86, u64(10)), false},
		{"transport", f(401, u64(1000)), f(402, u64(10)), false},
		{"selected flows", f(391, u64(1000)), f(392, u64(10)), false},
		{"multicast", f(20, u64(1000)), f(19, u64(10)), false},
		{"multicast total", f(175, u64(1000)), f(174, u64(10)), false},
		{"layer 2", f(352, u64(1000)), f(430, u64(10)), true},
		{"layer 2 total", f(353, u64(1000)), f(431, u64(10)), true},
		{"layer 2 after the device", f(417, u64(1000)), f(2, u64(10)), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := one(t, ipfix, c.bytes, c.packets)
			if r.Bytes != 1000 || r.Packets != 10 || r.Has&flow.HasBytes == 0 || r.Has&flow.HasPackets == 0 {
				t.Errorf("%d bytes, %d packets", r.Bytes, r.Packets)
			}
			if (r.Has&flow.HasLayer2 != 0) != c.layer2 {
				t.Errorf("layer 2 is %v, want %v", !c.layer2, c.layer2)
			}
			if c.bytes.id == 417 || c.bytes.id == 20 || c.bytes.id == 175 || c.bytes.id == 85 {
				return // their reverse is not tried
			}
			r = one(t, ipfix, enterprise(penReverse, c.bytes.id, u64(2000)), enterprise(penReverse, c.packets.id, u64(20)))
			if r.RevBytes != 2000 || r.RevPackets != 20 || r.Bytes != 0 || (r.Has&flow.HasLayer2 != 0) != c.layer2 {
				t.Errorf("reverse: %d bytes, %d packets", r.RevBytes, r.RevPackets)
			}
		})
	}
	t.Run("octets of IP before those of layer 2", func(t *testing.T) {
		r := one(t, ipfix, f(352, u64(1180)), f(1, u64(1000)))
		if r.Bytes != 1000 || r.Has&flow.HasLayer2 != 0 {
			t.Errorf("%d bytes, has %b", r.Bytes, r.Has)
		}
	})
}

// RFC 7011 section 8: where a counter stands there several times, the first is what
// was metered and the next ones what became of it.
func TestOfARepeatedCounterTheFirstCounts(t *testing.T) {
	for _, v := range []version{v9, ipfix} {
		r := one(t, v, f(1, u32(1000)), f(2, u32(10)), f(10, u32(3)), f(1, u32(0)), f(2, u32(7)), f(10, u32(4)))
		if r.Bytes != 1000 || r.Packets != 10 || r.InIf != 3 {
			t.Errorf("v%d: %d bytes, %d packets, interface %d", v.number(), r.Bytes, r.Packets, r.InIf)
		}
	}
}

// What is aggregated by network has no host: its address with nothing behind the mask
// must not be taken for the host of that number.
func TestAddressesWithMask(t *testing.T) {
	v4 := func(src, dst string, masks ...fieldValue) []fieldValue {
		return append([]fieldValue{f(44, ip(src)), f(45, ip(dst))}, masks...)
	}
	v6 := func(src, dst string, masks ...fieldValue) []fieldValue {
		return append([]fieldValue{f(170, ip(src)), f(169, ip(dst))}, masks...)
	}
	for _, c := range []struct {
		name string
		list []fieldValue
		want string // empty: no record
	}{
		{"full", v4("10.0.0.1", "198.51.100.7", f(9, u8(32)), f(13, u8(32))), there},
		{"no masks", v4("10.0.0.1", "198.51.100.7"), there},
		{"hosts with the masks of their routes", v4("10.0.0.1", "198.51.100.7", f(9, u8(8)), f(13, u8(24))), there},
		{"networks", v4("10.0.0.0", "198.51.100.0", f(9, u8(8)), f(13, u8(24))), ""},
		{"one network", v4("10.0.0.0", "198.51.100.7", f(9, u8(8)), f(13, u8(32))), "::>198.51.100.7"},
		{"IPv6", v6("2001:db8::1", "2001:db8::2", f(29, u8(128)), f(30, u8(128))), "2001:db8::1>2001:db8::2"},
		{"IPv6 networks", v6("2001:db8::", "2001:db8:1::", f(29, u8(48)), f(30, u8(64))), ""},
		{"IPv6 hosts of networks", v6("2001:db8::1", "2001:db8:0:1::", f(29, u8(96)), f(30, u8(48))), "2001:db8::1>2001:db8:0:1::"},
		{"addresses before networks", append(v4("192.0.2.0", "192.0.2.0"), f(8, ip("10.0.0.1")), f(12, ip("198.51.100.7"))), there},
	} {
		for _, v := range []version{v9, ipfix} {
			t.Run(c.name, func(t *testing.T) {
				got := decode(t, message1(v, c.list...))
				if c.want == "" {
					wantPairs(t, got)
				} else {
					wantPairs(t, got, c.want)
				}
			})
		}
	}
}
