package query

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// traffic makes records of few addresses and ports, so that questions hit: answered and
// not, behind NAT on either side, pings, both directions in one record, sampled, without
// some fields, out of clock.
func traffic(rnd *rand.Rand, n int) []flow.Record {
	at := int64(1_780_000_000_000_000_000)
	hosts := func(b byte) flow.Addr {
		if rnd.IntN(8) == 0 {
			return flow.AddrFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: b + byte(rnd.IntN(5))}))
		}
		return flow.Addr4(10<<24 | uint32(b)<<8 | uint32(rnd.IntN(6)))
	}
	var out []flow.Record
	for len(out) < n {
		at += rnd.Int64N(3e9)
		r := flow.Record{
			Src: hosts(1), Dst: hosts(2), Exporter: flow.Addr4(192<<24 | uint32(rnd.IntN(3))), Received: at + rnd.Int64N(60e9), Start: at, End: at + rnd.Int64N(40e9)*int64(rnd.IntN(2)),
			Bytes: uint64(rnd.IntN(3000)), Packets: 1 + uint64(rnd.IntN(5)), Domain: uint32(rnd.IntN(2)), Sampling: 1, Version: 9, Proto: []uint8{6, 6, 17, 1, 58}[rnd.IntN(5)],
			SrcPort: uint16(40000 + rnd.IntN(4)), DstPort: []uint16{80, 443, 53, 0}[rnd.IntN(4)], TCPFlags: uint16(rnd.IntN(32)), ToS: uint8(rnd.IntN(3)), InIf: uint32(rnd.IntN(3)), OutIf: uint32(rnd.IntN(3)),
			Has: flow.HasStart | flow.HasEnd | flow.HasPorts | flow.HasProto | flow.HasBytes | flow.HasPackets | flow.HasTCPFlags | flow.HasToS | flow.HasInIf | flow.HasOutIf,
		}
		if rnd.IntN(2) == 0 { // milliseconds, as most exporters
			r.Start, r.End = r.Start/1e6*1e6, r.End/1e6*1e6
		}
		r.Received = max(r.Received, r.End)
		if r.Proto == 1 || r.Proto == 58 {
			r.ICMPType, r.ICMPCode = []uint8{8, 128, 0, 3}[rnd.IntN(4)], uint8(rnd.IntN(2))
			r.SrcPort, r.DstPort, r.Has = 0, uint16(r.ICMPType)<<8|uint16(r.ICMPCode), r.Has|flow.HasICMP
		}
		if rnd.IntN(5) == 0 {
			r.Sampling, r.Has = 100, r.Has|flow.HasSampling
		}
		if rnd.IntN(3) == 0 {
			r.NATSrc, r.NATSrcPort, r.Has = hosts(3), r.SrcPort+uint16(rnd.IntN(2)), r.Has|flow.HasNATSrc
		}
		if rnd.IntN(6) == 0 {
			r.NATDst, r.NATDstPort, r.Has = hosts(4), r.DstPort+uint16(rnd.IntN(2)), r.Has|flow.HasNATDst
		}
		if rnd.IntN(6) == 0 {
			r.SrcAS, r.DstAS, r.Has = 64500, uint32(rnd.IntN(3)), r.Has|flow.HasSrcAS|flow.HasDstAS
		}
		strip(rnd, &r)
		out = append(out, r)
		switch {
		case r.Has&flow.HasReverse == 0 && rnd.IntN(4) > 0:
			out = append(out, answer(rnd, r))
		}
	}
	rnd.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// strip makes some records those of devices that send less, or both directions at once.
func strip(rnd *rand.Rand, r *flow.Record) {
	switch rnd.IntN(10) {
	case 0:
		r.RevBytes, r.RevPackets, r.RevTCPFlags = uint64(rnd.IntN(500)), uint64(rnd.IntN(2)), uint16(rnd.IntN(32))
		r.Has |= flow.HasReverse | flow.HasRevTCPFlags
	case 1:
		r.TCPFlags, r.InIf, r.OutIf, r.SrcPort, r.DstPort, r.NATSrcPort, r.NATDstPort = 0, 0, 0, 0, 0, 0, 0
		r.Has &^= flow.HasTCPFlags | flow.HasInIf | flow.HasOutIf | flow.HasPorts
	case 2:
		r.Start, r.End = 0, 0
		r.Has &^= flow.HasStart | flow.HasEnd
	case 3:
		r.Bytes, r.ToS = 0, 0
		r.Has &^= flow.HasBytes | flow.HasToS
	}
}

// answer makes the opposite direction of r as its exporter sends it.
func answer(rnd *rand.Rand, r flow.Record) flow.Record {
	a := r
	a.Src, a.SrcPort, a.Dst, a.DstPort, a.InIf, a.OutIf, a.SrcAS, a.DstAS = r.Dst, r.DstPort, r.Src, r.SrcPort, r.OutIf, r.InIf, r.DstAS, r.SrcAS
	a.NATSrc, a.NATSrcPort, a.NATDst, a.NATDstPort = flow.Addr{}, 0, flow.Addr{}, 0
	a.Has &^= flow.HasNATSrc | flow.HasNATDst
	if r.Has&flow.HasNATSrc != 0 {
		a.Dst, a.DstPort, a.NATDst, a.NATDstPort, a.Has = r.NATSrc, r.NATSrcPort, r.Src, r.SrcPort, a.Has|flow.HasNATDst
	}
	if r.Has&flow.HasNATDst != 0 {
		a.Src, a.SrcPort, a.NATSrc, a.NATSrcPort, a.Has = r.NATDst, r.NATDstPort, r.Dst, r.DstPort, a.Has|flow.HasNATSrc
	}
	if r.ICMPType == 8 && r.Proto == 1 {
		a.ICMPType = 0
	} else if r.ICMPType == 128 && r.Proto == 58 {
		a.ICMPType = 129
	}
	if r.Has&flow.HasICMP != 0 && r.Has&flow.HasPorts != 0 && r.Has&(flow.HasNATSrc|flow.HasNATDst) == 0 && r.SrcPort == 0 {
		a.SrcPort, a.DstPort = 0, uint16(a.ICMPType)<<8|uint16(a.ICMPCode)
	}
	a.Bytes, a.TCPFlags, a.ToS = uint64(rnd.IntN(3000)), uint16(rnd.IntN(32)), uint8(rnd.IntN(3))
	if a.Has&flow.HasBytes == 0 {
		a.Bytes, a.ToS = 0, 0
	}
	if a.Has&flow.HasTCPFlags == 0 {
		a.TCPFlags = 0
	}
	if a.Start != 0 {
		a.Start += rnd.Int64N(1e9)
		a.End = a.Start + rnd.Int64N(40e9)
	}
	return a
}

func places(a flow.Addr, _ int64) (cc [2]byte, as uint32) {
	return [][2]byte{{'N', 'O'}, {'N', 'L'}, {'x', 'p'}, {}}[a.Lo%4], uint32(a.Lo % 3 * 64500)
}

// written is a file of records in memory.
func written(t testing.TB, records []flow.Record) *column.File {
	t.Helper()
	var b bytes.Buffer
	var w column.Writer
	if _, err := w.Write(&b, records, column.Options{Places: places}); err != nil {
		t.Fatal(err)
	}
	f, err := column.Read(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// randomExpression makes an expression that has a chance to hit traffic.
func randomExpression(rnd *rand.Rand, depth int) string {
	pick := func(s ...string) string { return s[rnd.IntN(len(s))] }
	if depth > 0 && rnd.IntN(3) > 0 {
		a, b := randomExpression(rnd, depth-1), randomExpression(rnd, depth-1)
		return pick("(", "not (", "(") + a + pick(" and ", " or ") + b + ")"
	}
	side := pick("", "", "src ", "dst ", "src and dst ")
	term := pick(
		side+"ip 10.0.1.2", side+"net 10.0.1.0/30", side+"ip 2001:db8::/32", side+"nat ip 10.0.3.1", side+"nat net 10.0.3.0/31,10.0.4.0/30", side+"ip 10.0.1.1-10.0.2.3", side+"ip 10.0.1.1,10.0.2.2,2001:db8::2", side+"nat ip ::/0",
		side+"port 443", side+"port 0", side+"port < 100", side+"port 40001,53", side+"nat port 40001", side+"nat port 443-41000", side+"port != 80",
		"proto tcp", "proto icmp,icmp6", "service tcp/443", "service 53,icmp", "service tcp/other,udp", "service != 443", "flags S", "flags S/SA", "flags none", "flags = A", "tos 0", "tos 1", "icmp-type 0", "icmp-type 8,129", "icmp-code 0", side+"as 64500", side+"as 0",
		side+"country NO", side+"country private", side+"country --,NL", "exporter 192.0.0.1", side+"if 1", "in if 0", "out if 2", "domain 1", "sampling 100", "version 9", "firewall 0",
		"bytes > 1k", "bytes 0", "bytes < 500", "packets 1", "packets >= 100", "duration > 10s", "duration 0", "bps > 1k", "bps 0", "pps < 1", "bpp 100-1000", "ipv6", "any")
	if rnd.IntN(4) == 0 {
		return "not " + term
	}
	return term
}

// TestSearchAgrees holds the search by columns to Match, record by record, with random
// traffic and random questions.
func TestSearchAgrees(t *testing.T) {
	rnd := rand.New(rand.NewPCG(rand.Uint64(), 1))
	var g group
	answered := 0
	for range peer.Rounds(5, 20) {
		f := written(t, traffic(rnd, 400))
		g.open(f, 0)
		_, all := g.materialise(g.all[:g.rows], nil, nil)
		for range 150 {
			text := randomExpression(rnd, 3)
			filter, err := Parse(text, Env{})
			if err != nil {
				t.Fatal(err)
			}
			g.raw = rnd.IntN(4) == 0
			from, to := int64(0), int64(1<<62)/1e6
			if rnd.IntN(3) == 0 {
				from = floorMillis(all[rnd.IntN(len(all))].Begin())
				to = from + rnd.Int64N(3e5)
			}
			for w := range way(2) {
				mark := g.mark()
				got := g.within(w, g.accepted(filter.root, w), from, to)
				var want []int32
				for i := range all {
					r, ok := &all[i].Record, true
					if w == reverse {
						r, ok = &all[i].Answer, all[i].Answered
						answered++
					}
					if at := floorMillis(r.Begin()); ok && from <= at && at < to && filter.Match(r, g.raw) {
						want = append(want, int32(i))
					}
				}
				if fmt.Sprint(got) != fmt.Sprint(want) && len(got)+len(want) > 0 {
					t.Fatalf("%s, direction %d, raw %v: rows\n got %v\nwant %v\n%s", text, w, g.raw, got, want, differing(all, got, want, w))
				}
				g.release(mark)
			}
		}
	}
	if answered == 0 {
		t.Error("no conversation has an answer")
	}
}

// differing shows the first record that one list has and the other has not.
func differing(all []Conversation, a, b []int32, w way) string {
	for _, row := range union(a, b, nil) {
		if slices.Contains(a, row) == slices.Contains(b, row) {
			continue
		}
		r := &all[row].Record
		if w == reverse {
			r = &all[row].Answer
		}
		return fmt.Sprintf("row %d %s of %s %+v", row, r.AppendJSON(nil), all[row].AppendJSON(nil), strings.TrimSpace(fmt.Sprintf("%+v", *r)))
	}
	return ""
}

// TestEveryRecordIsFound: the records of a file, by direction, are those that were
// written.
func TestEveryRecordIsFound(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	records := traffic(rnd, 2000)
	var g group
	g.open(written(t, records), 0)
	_, all := g.materialise(g.all[:g.rows], nil, nil)
	if n := len(g.accepted(nil, reverse)); n < 300 || n == g.rows {
		t.Errorf("%d of %d rows have an answer", n, g.rows)
	}
	want := map[string]int{}
	both := 0
	for i := range records {
		r := records[i]
		if r.Has&flow.HasReverse != 0 && r.RevBytes|r.RevPackets != 0 {
			both++
			r.RevBytes, r.RevPackets, r.RevTCPFlags = 0, 0, 0
			r.Has &^= flow.HasReverse | flow.HasRevTCPFlags
		}
		want[fmt.Sprintf("%+v", r)]++
	}
	found := 0
	for i := range all {
		for _, r := range []*Record{&all[i].Record, &all[i].Answer} {
			key := fmt.Sprintf("%+v", r.Record)
			if want[key] > 0 {
				want[key]--
				found++
			} else if r == &all[i].Record {
				t.Fatalf("not written: %s", key)
			}
		}
	}
	if found != len(records) || both == 0 {
		t.Errorf("%d of %d records found", found, len(records))
	}
}

// A question for a list of addresses says the same whether or not the index tells which of
// them there are.
func TestListByIndex(t *testing.T) {
	rnd := rand.New(rand.NewPCG(31, 32))
	dir := kept(t, traffic(rnd, 3000))
	d, closed, err := Open(dir, time.Time{}, time.Time{}, places)
	if err != nil {
		t.Fatal(err)
	}
	defer closed()
	all := everything(t, d)
	var ranges []flow.Range
	for i := range uint32(5 * frontFrom) { // hardly any is there
		a := flow.Addr4(0xc0000000 + i*512)
		ranges = append(ranges, flow.Range{First: a, Last: a})
	}
	for i := 0; i < len(all); i += 7 {
		r := &all[i]
		a := []flow.Addr{r.Src, r.Dst, r.NATSrc, r.NATDst}[rnd.IntN(4)]
		if a != (flow.Addr{}) {
			ranges = append(ranges, flow.Range{First: a, Last: a})
		}
		if len(ranges) == 5*frontFrom+20 {
			break
		}
	}
	set := NewAddrSet(ranges)
	if _, there := d.Select(set, 2); there == nil || len(there.ranges) == 0 || len(there.ranges) > 20 {
		t.Fatalf("the index does not tell which addresses there are")
	}
	for _, f := range []Filter{
		AddressIn(SrcIP, set), AddressIn(DstIP, set), AddressIn(NATSrcIP, set),
		AnyOf(AddressIn(SrcIP, set), AddressIn(DstIP, set), AddressIn(NATSrcIP, set), AddressIn(NATDstIP, set)),
	} {
		want := 0
		for i := range all {
			if f.Match(&all[i], false) {
				want++
			}
		}
		got := 0
		if _, err := d.Records(t.Context(), Question{Filter: f}, RecordOptions{}, func(found *Found) error {
			if got++; !f.Match(&found.Record, false) {
				t.Errorf("%v is not asked for", found.Record)
			}
			return nil
		}); err != nil || got != want {
			t.Errorf("%d records, want %d: %v", got, want, err)
		}
	}
}
