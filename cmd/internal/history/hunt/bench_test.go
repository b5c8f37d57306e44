package hunt

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
)

// traffic makes n flow records of one day, five in six of which have their other
// direction: 20,000 clients with a few servers each of 60,000, some of both far busier
// than others.
func traffic(n int, day time.Time) []flow.Record {
	rng := rand.New(rand.NewPCG(1, 2))
	clients, servers := rand.NewZipf(rng, 1.1, 20, 19_999), rand.NewZipf(rng, 1.1, 50, 59_999)
	out := make([]flow.Record, 0, n)
	for i := 0; len(out) < n; i++ {
		at := day.UnixNano() + int64(i)*86400e9/int64(n)
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

func BenchmarkRows(b *testing.B) {
	dir := write(b, traffic(400_000, time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC)))
	set, _ := dataset.Open(dir)
	snap, err := set.Snapshot(time.Time{}, time.Time{})
	if err != nil {
		b.Fatal(err)
	}
	defer snap.Close()
	rows := 0
	for _, f := range snap.Files {
		rows += int(f.Rows)
	}
	b.Logf("%d files %d rows", len(snap.Files), rows)
	b.ReportAllocs()
	for b.Loop() {
		for _, file := range snap.Files {
			f, err := file.Open()
			if err != nil {
				b.Fatal(err)
			}
			for g := range f.Groups {
				var some []int32
				for i := 0; i < f.GroupLen(g); i += 100 {
					some = append(some, int32(i))
				}
				r, err := f.Rows(g, some, nil)
				if err != nil {
					b.Fatal(err)
				}
				_ = r
			}
			_ = f.Close()
		}
	}
}

func BenchmarkFinder(b *testing.B) {
	records := traffic(200_000, time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC))
	set := setOf("32.0.0.0/4")
	policy := alert.NewPolicy([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, []uint16{443}, nil)
	holds := AddrSet([]Range{RangeOf(netip.MustParsePrefix("32.0.0.0/4"))}).Contains
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
