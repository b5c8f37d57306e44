package match

import (
	"net/netip"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
)

func setOf(prefixes ...string) *intel.Set {
	b := intel.NewBuilder("test")
	for _, p := range prefixes {
		b.Add(&intel.Indicator{Prefix: netip.MustParsePrefix(p), Category: intel.C2, Score: 60})
	}
	return intel.NewSet(b.Block())
}

func addr(s string) flow.Addr { return flow.AddrFrom(netip.MustParseAddr(s)) }

func TestSides(t *testing.T) {
	set := setOf("198.51.100.7/32", "2001:db8:bad::/48")
	bad, good := addr("198.51.100.7"), addr("10.1.2.3")
	tests := []struct {
		name string
		r    flow.Record
		want Side
	}{
		{"miss", flow.Record{Src: good, Dst: addr("192.0.2.1")}, 0},
		{"source", flow.Record{Src: bad, Dst: good}, Src},
		{"destination", flow.Record{Src: good, Dst: bad}, Dst},
		{"both", flow.Record{Src: bad, Dst: bad}, Src | Dst},
		{"IPv6", flow.Record{Src: addr("2001:db8::1"), Dst: addr("2001:db8:bad::1")}, Dst},
		{"translated", flow.Record{Src: good, Dst: good, NATSrc: bad, NATDst: bad, Has: flow.HasNATSrc | flow.HasNATDst}, NATSrc | NATDst},
		{"translated and plain", flow.Record{Src: good, Dst: bad, NATDst: bad, Has: flow.HasNATDst}, Dst | NATDst},
		{"translated but not sent", flow.Record{Src: good, Dst: good, NATSrc: bad, NATDst: bad}, 0},
		{"no address at all", flow.Record{}, 0},
	}
	for _, tt := range tests {
		if got := Sides(set, &tt.r); got != tt.want {
			t.Errorf("%s: sides %04b, want %04b", tt.name, got, tt.want)
		}
		if got := Sides(nil, &tt.r); got != 0 {
			t.Errorf("%s: a nil set matched %04b", tt.name, got)
		}
	}
}

// beacon is one TCP conversation's half with an ephemeral port.
func beacon(set *intel.Set, port uint16, at int64) *Raw {
	return &Raw{Set: set, Sides: Dst, Count: 1, Record: flow.Record{
		Src: addr("10.1.2.3"), Dst: addr("198.51.100.7"), SrcPort: port, DstPort: 443, Proto: 6,
		TCPFlags: flow.SYN | flow.ACK | flow.PSH, Received: at, Start: at - 10, End: at - 1, Bytes: 1000, Packets: 7,
		Has: flow.HasStart | flow.HasEnd | flow.HasPorts | flow.HasBytes | flow.HasPackets | flow.HasTCPFlags,
	}}
}

func TestOverflowFoldsAlike(t *testing.T) {
	set := setOf("198.51.100.7/32")
	var o Overflow
	for i := range 1000 {
		o.Add(beacon(set, uint16(40000+i), int64(1000+i)))
	}
	syn := beacon(set, 50000, 5000)
	syn.Record.TCPFlags = flow.SYN // another state: must not hide among the answered ones
	o.Add(syn)
	if o.Len() != 2 {
		t.Fatalf("%d folded matches, want 2", o.Len())
	}
	var got []Raw
	o.Drain(func(m *Raw) bool { got = append(got, *m); return true })
	m := got[0]
	if m.Count != 1000 || m.Record.Bytes != 1000*1000 || m.Record.Packets != 7000 {
		t.Errorf("count %d, bytes %d, packets %d", m.Count, m.Record.Bytes, m.Record.Packets)
	}
	if m.First != 1000 || m.Record.Received != 1999 || m.Record.Start != 990 || m.Record.End != 1998 {
		t.Errorf("received %d to %d, flow %d to %d", m.First, m.Record.Received, m.Record.Start, m.Record.End)
	}
	if got[1].Count != 1 || o.Lost() != 0 || o.Len() != 0 {
		t.Errorf("second %d, lost %d, kept %d", got[1].Count, o.Lost(), o.Len())
	}
}

func TestOverflowLosesNothingSilently(t *testing.T) {
	set := setOf("198.51.100.7/32")
	var o Overflow
	var added, taken uint64
	order := int64(-1)
	// Many more conversations than slots, and a queue that takes some now and then.
	for i := range 5 * overflowSlots {
		m := beacon(set, 40000, int64(i))
		m.Record.Src = flow.Addr4(0x0a000000 + uint32(i)%(2*overflowSlots))
		m.Count = 3
		added += m.Count
		o.Add(m)
		if i%1000 == 0 {
			room := 100
			o.Drain(func(m *Raw) bool {
				if room == 0 {
					return false
				}
				room--
				at := m.First
				if at == 0 {
					at = m.Record.Received
				}
				if at <= order {
					t.Fatalf("%d came after %d", at, order)
				}
				order = at
				taken += m.Count
				return true
			})
		}
	}
	o.Drain(func(m *Raw) bool { taken += m.Count; return true })
	if o.Lost() == 0 || taken+o.Lost() != added || o.Len() != 0 {
		t.Errorf("took %d and lost %d of %d", taken, o.Lost(), added)
	}
}

func BenchmarkSidesMiss(b *testing.B) {
	set := setOf("198.51.100.7/32")
	r := flow.Record{Src: addr("10.1.2.3"), Dst: addr("192.0.2.9")}
	b.ReportAllocs()
	for b.Loop() {
		if Sides(set, &r) != 0 {
			b.Fatal("matched")
		}
	}
}

func BenchmarkOverflow(b *testing.B) {
	set := setOf("198.51.100.7/32")
	m := beacon(set, 40000, 1)
	var o Overflow
	o.Add(m)
	i := uint32(0)
	b.ReportAllocs()
	for b.Loop() {
		i++
		m.Record.Src = flow.Addr4(0x0a000000 + i%8192)
		o.Add(m)
		if i%4096 == 0 {
			o.Drain(func(*Raw) bool { return true })
		}
	}
}
