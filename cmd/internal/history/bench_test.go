package history

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
	"github.com/flowhound/flowhound/cmd/internal/history/wal"
	"github.com/flowhound/flowhound/testdata/bench/flowgen"
)

// The flags of the benchmark in testdata/bench/history, which says how to run it.
var (
	benchFlows = flag.Int("history.flows", 0, "how many flows TestStore writes; 0: it is skipped")
	benchDir   = flag.String("history.dir", "", "where TestStore leaves the data set; empty: a temporary folder")
	benchAlone = flag.Float64("history.alone", 0, "leave out this share of the second directions, 1: all of them")
	benchFile  = flag.String("history.raw", "", "write the generated records to this log segment, or read them from it")
)

const benchDay = 1795132800 // 2026-11-20

// toRecord makes a record of what an exporter with NetFlow v9 would send.
func toRecord(f *flowgen.Flow) flow.Record {
	r := flow.Record{
		Src: flow.AddrFrom16(f.Src[:]), Dst: flow.AddrFrom16(f.Dst[:]), NATSrc: flow.AddrFrom16(f.NATSrc[:]), NATDst: flow.AddrFrom16(f.NATDst[:]),
		Exporter: flow.Addr4(0xc0000200 + uint32(f.Exporter)), Received: f.Received, Start: f.Start * 1e6, End: f.End * 1e6,
		Bytes: f.Bytes, Packets: uint64(f.Packets), SrcPort: f.SrcPort, DstPort: f.DstPort, NATSrcPort: f.NATSrcPort, NATDstPort: f.NATDstPort,
		TCPFlags: uint16(f.Flags), Proto: f.Proto, ToS: f.ToS, InIf: uint32(f.InIf), OutIf: uint32(f.OutIf), Version: 9, Sampling: 1, Domain: 256,
		Has: flow.HasStart | flow.HasEnd | flow.HasPorts | flow.HasProto | flow.HasBytes | flow.HasPackets | flow.HasTCPFlags | flow.HasToS | flow.HasInIf | flow.HasOutIf,
	}
	if r.NATSrc != (flow.Addr{}) {
		r.Has |= flow.HasNATSrc
	}
	if r.NATDst != (flow.Addr{}) {
		r.Has |= flow.HasNATDst
	}
	return r
}

// benchPlaces returns what gives countries as the generator does, for the price of a
// look-up: an IPv4 address has that of its first two bytes.
func benchPlaces() column.Places {
	of := flowgen.Countries()
	four := make([][2]byte, 1<<16)
	for i := range four {
		four[i] = of(flow.Addr4(uint32(i) << 16).IP().As16())
	}
	return func(a flow.Addr, _ int64) (cc [2]byte, as uint32) {
		if a.Is4() {
			return four[a.V4()>>16], 0
		}
		return of(a.IP().As16()), 0
	}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// memoryUsed returns how much memory the process has of its own: what is mapped from files,
// such as the program itself, does not count.
func memoryUsed() (bytes uint64) {
	b, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(b), "RssAnon:")
	_, _ = fmt.Sscan(rest, &bytes)
	return bytes << 10
}

// rawLog writes the records of the generator as one segment, once.
func rawLog(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); err == nil {
		return
	}
	dir := t.TempDir()
	s, err := wal.NewWriter(dir, "bench").Create(1)
	if err != nil {
		t.Fatal(err)
	}
	var block []flow.Record
	flush := func() {
		if _, err := s.Append(block); err != nil {
			t.Fatal(err)
		}
		block = block[:0]
	}
	flowgen.Generate(flowgen.Options{Flows: *benchFlows, Day: benchDay, Seed: 42, Alone: *benchAlone}, func(flows []flowgen.Flow) {
		for i := range flows {
			block = append(block, toRecord(&flows[i]))
		}
		if len(block) >= 1000 {
			flush()
		}
	})
	flush()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(wal.Path(dir, 1), path); err != nil {
		t.Fatal(err)
	}
}

// TestStore writes a day as fast as it can, by way of the log, and measures: bytes and
// time a flow, memory, how long many files take to open.
func TestStore(t *testing.T) {
	if *benchFlows == 0 {
		t.Skip("a benchmark: see testdata/bench/history")
	}
	dir, raw := *benchDir, *benchFile
	if dir == "" {
		dir = filepath.Join(t.TempDir(), "flows")
	}
	if raw == "" {
		raw = filepath.Join(t.TempDir(), "raw")
	}
	rawLog(t, raw)
	debug.FreeOSMemory()
	readOnly := cpuTime()
	readRaw(t, raw, func([]flow.Record) {})
	readOnly = cpuTime() - readOnly

	var peak atomic.Uint64
	end := make(chan struct{})
	go func() {
		for {
			select {
			case <-end:
				return
			case <-time.After(20 * time.Millisecond):
				if now := memoryUsed(); now > peak.Load() {
					peak.Store(now)
				}
			}
		}
	}()
	w, err := dataset.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	w.Places = benchPlaces()
	cpu, begin := cpuTime(), time.Now()
	n := logAndWrite(t, w, raw)
	cpu = cpuTime() - cpu - readOnly
	s, err := dataset.Summarize(dir)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("parts:   %d flows, %.1f%% paired, %d files, %.2f B/flow; %.2f M flows/s/core with log and fsync (%.1f s), peak %d MB\n",
		n, 100*s.Paired(), s.Files, float64(s.Bytes)/float64(s.Flows), float64(n)/cpu.Seconds()/1e6, time.Since(begin).Seconds(), peak.Load()>>20)
	peak.Store(0)
	cpu, begin = cpuTime(), time.Now()
	if err := w.Tidy(t.Context(), time.Unix(benchDay+10*86400, 0)); err != nil {
		t.Fatal(err)
	}
	cpu = cpuTime() - cpu
	if err := w.ForgetOld(); err != nil {
		t.Fatal(err)
	}
	if s, err = dataset.Summarize(dir); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("hours:   %d files, %.2f B/flow with indexes; compaction and indexes %.0f ns/flow (%.1f s), peak %d MB\n",
		s.Files, float64(s.Bytes)/float64(s.Flows), float64(cpu.Nanoseconds())/float64(n), time.Since(begin).Seconds(), peak.Load()>>20)
	close(end)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	measureReading(t, dir)
}

func readRaw(t *testing.T, path string, each func([]flow.Record)) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := wal.Read(f, func(r []flow.Record) error { each(r); return nil }); err != nil {
		t.Fatal(err)
	}
}

// logAndWrite does what the goroutines of a History do, one after the other: log, sync,
// and files of each segment that is full or, with 20 M flows a day, five minutes old.
func logAndWrite(t *testing.T, w *dataset.Writer, raw string) (n int) {
	t.Helper()
	r := newRun(&History{})
	r.log = wal.NewWriter(dataset.LogDir(w.Dir), w.LogID())
	r.writer.Store(w)
	began := int64(0)
	finish := func() {
		r.seal()
		s := r.full[0]
		r.full = nil
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := r.file(w, []sealed{{number: s.Number, records: s.records}}); err != nil {
			t.Fatal(err)
		}
	}
	readRaw(t, raw, func(records []flow.Record) {
		if r.segment != nil && (r.segment.Records+len(records) > column.PartRecords || records[0].Received-began >= int64(interval)*20_000_000/int64(*benchFlows)) {
			finish()
		}
		if r.segment == nil {
			began = records[0].Received
		}
		if _, err := r.write(records); err != nil {
			t.Fatal(err)
		}
		n += len(records)
	})
	finish()
	r.forget(w)
	return n
}

func measureReading(t *testing.T, dir string) {
	t.Helper()
	set, err := dataset.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	snap, err := set.Snapshot(time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	fmt.Printf("open:    snapshot of %d files %.1f ms\n", len(snap.Files), ms(begin))
	begin = time.Now()
	for _, f := range snap.Files {
		x, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		_ = x.Close()
	}
	fmt.Printf("         each of them %.1f ms\n", ms(begin))
	var ranges []flow.Range
	for i := range uint32(100_000) {
		a := flow.Addr4(0xf0000000 + i*100)
		ranges = append(ranges, flow.Range{First: a, Last: a})
	}
	for _, some := range [][]flow.Range{ranges, ranges[:1]} {
		begin = time.Now()
		snap.Select(some, 1)
		fmt.Printf("select:  %d addresses that are not there: %.1f ms\n", len(some), ms(begin))
	}
	begin = time.Now()
	rows := 0
	if _, err := snap.Countries(1, dataset.Wanted{Sums: dataset.Bytes, Src: true, Dst: true}, func(_ int, _ *dataset.File, some []dataset.CountryHour) error { rows += len(some); return nil }); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("rollup:  %d rows in %.1f ms\n", rows, ms(begin))
	begin = time.Now()
	cells := 0
	var c column.Column
	for _, f := range snap.Files {
		x, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		for g := range x.Groups {
			for _, id := range []column.ID{column.Src, column.Dst, column.DstPort, column.Bytes} {
				if err := x.Column(g, id, &c); err != nil {
					t.Fatal(err)
				}
				cells += x.GroupLen(g)
			}
		}
		_ = x.Close()
	}
	fmt.Printf("columns: src, dst, dport and bytes of all rows %.1f ms, %.1f ns a value\n", ms(begin), float64(time.Since(begin).Nanoseconds())/float64(cells))
}

func ms(since time.Time) float64 { return float64(time.Since(since).Microseconds()) / 1000 }
