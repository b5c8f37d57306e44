package hunt

import (
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
	"github.com/flowhound/flowhound/cmd/internal/history/query"
)

// traffic makes n flow records of one day, five in six of which have their other
// direction: 20,000 clients with a few servers each of 60,000, some of both far busier
// than others.
func traffic(n int, day time.Time) []flow.Record {
	rng := rand.New(rand.NewPCG(1, 2))
	clients, servers := rand.NewZipf(rng, 1.1, 20, 19_999), rand.NewZipf(rng, 1.1, 50, 59_999)
	out := make([]flow.Record, 0, n)
	for i := 0; len(out) < n; i++ {
		at := day.UnixNano() + int64(i)*3600e9*2/int64(n)
		server := uint32(servers.Uint64())
		r := flow.Record{
			Src: flow.Addr4(0x0a000000 | uint32(clients.Uint64())), Dst: flow.Addr4(0x20000000 + server*40503), SrcPort: uint16(1024 + rng.UintN(60000)),
			DstPort: []uint16{443, 443, 443, 53, 80, 22, 25, 8443}[rng.UintN(8)], Exporter: flow.Addr4(0xc0000201 + uint32(rng.UintN(4))), Received: at, End: at - 1e9,
			Start: at - 1e9 - int64(rng.UintN(20e3))*1e6, Bytes: uint64(rng.UintN(100_000)), Packets: 1 + uint64(rng.UintN(100)), Proto: 6, TCPFlags: flow.SYN | flow.ACK | flow.PSH | flow.FIN,
			Version: 10, Sampling: 1, Has: flow.HasStart | flow.HasEnd | flow.HasPorts | flow.HasProto | flow.HasBytes | flow.HasPackets | flow.HasTCPFlags,
		}
		if r.DstPort == 53 {
			r.Proto, r.TCPFlags, r.Has = 17, 0, r.Has&^flow.HasTCPFlags
		}
		out = append(out, r)
		if rng.UintN(6) > 0 {
			r.Src, r.Dst, r.SrcPort, r.DstPort = r.Dst, r.Src, r.DstPort, r.SrcPort
			r.Start, r.Bytes = r.Start+3e6, r.Bytes*3
			out = append(out, r)
		}
	}
	return out[:n]
}

// write makes a data set of records and returns its folder.
func write(tb testing.TB, records []flow.Record) string {
	tb.Helper()
	dir := tb.TempDir()
	w, err := dataset.Create(dir)
	if err != nil {
		tb.Fatal(err)
	}
	if err := w.Add(records); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// BenchmarkHunt is a hunt for 100,000 addresses in a day of 1,000,000 flows, of which
// none, 0.01% or 1% are listed.
func BenchmarkHunt(b *testing.B) {
	day := time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC)
	records := traffic(1_000_000, day)
	flows := map[flow.Addr]int{}
	for i := range records {
		flows[records[i].Src]++
		flows[records[i].Dst]++
	}
	dir := write(b, records)
	for name, want := range map[string]int{"none": 0, "0.01%": len(records) / 10_000, "1%": len(records) / 100} {
		rng := rand.New(rand.NewPCG(4, 4))
		ranges, n := []flow.Range{}, 0
		for a, f := range flows {
			if n < want && f < 4000 && a.V4()>>28 == 2 {
				ranges = append(ranges, flow.Range{First: a, Last: a})
				n += f
			}
		}
		for len(ranges) < 100_000 {
			a := flow.Addr4(0x40000000 | rng.Uint32()>>2)
			ranges = append(ranges, flow.Range{First: a, Last: a})
		}
		set := query.NewAddrSet(ranges)
		search := In(dir, nil, slog.New(slog.DiscardHandler))
		b.Run(name, func(b *testing.B) {
			found := 0
			for b.Loop() {
				found = 0
				if err := search(b.Context(), set, day, func(*flow.Record) error { found++; return nil }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(found), "conversations")
		})
	}
}

func BenchmarkFinder(b *testing.B) {
	records := traffic(200_000, time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC))
	set := setOf("32.0.0.0/4")
	policy := alert.NewPolicy([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, []uint16{443}, nil)
	holds := query.NewAddrSet([]flow.Range{flow.RangeOf(netip.MustParsePrefix("32.0.0.0/4"))}).Contains
	b.ReportAllocs()
	for b.Loop() {
		f := NewFinder(policy, set, time.Now())
		for i := range records {
			f.Add(&records[i], Sides(&records[i], holds))
		}
		groups, _ := f.Groups()
		b.ReportMetric(float64(len(groups)), "groups")
	}
}
