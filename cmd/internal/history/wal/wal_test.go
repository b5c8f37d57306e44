package wal

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// random fills every field of a record with any bits.
func random(r *rand.Rand) (rec flow.Record) {
	v := reflect.ValueOf(&rec).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Struct:
			f.Set(reflect.ValueOf(flow.Addr{Hi: r.Uint64N(2) * r.Uint64(), Lo: r.Uint64()}))
		case reflect.Int64:
			f.SetInt(int64(r.Uint64()))
		case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
			f.SetUint(r.Uint64() >> (64 - f.Type().Size()*8))
		}
	}
	return rec
}

func written(t testing.TB, n int) (path string, records []flow.Record) {
	t.Helper()
	r := rand.New(rand.NewPCG(3, uint64(n)))
	dir := t.TempDir()
	s, err := NewWriter(dir, "testid").Create(7)
	if err != nil {
		t.Fatal(err)
	}
	for len(records) < n {
		batch := make([]flow.Record, min(1+r.IntN(3000), n-len(records)))
		for i := range batch {
			batch[i] = random(r)
			if i%3 == 0 {
				batch[i] = flow.Record{Received: int64(i)}
			}
		}
		if _, err := s.Append(batch); err != nil {
			t.Fatal(err)
		}
		records = append(records, batch...)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s.Records != n {
		t.Errorf("the segment says %d records, want %d", s.Records, n)
	}
	return Path(dir, 7), records
}

func read(t testing.TB, b []byte) (records []flow.Record, found Found) {
	t.Helper()
	found, err := Read(bytes.NewReader(b), func(r []flow.Record) error {
		records = append(records, r...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return records, found
}

// Every field of every record comes back, in order.
func TestSegment(t *testing.T) {
	path, want := written(t, 20_000)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, found := read(t, b)
	if !slices.Equal(got, want) || found.Records != len(want) || found.Lost != 0 {
		t.Errorf("%d records came back of %d, %+v", len(got), len(want), found)
	}
}

// One record among others that are alike differs in one field, at any place.
func TestOneDiffers(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	usual, other := random(r), random(r)
	fields := reflect.TypeFor[flow.Record]()
	dir := t.TempDir()
	s, err := NewWriter(dir, "testid").Create(1)
	if err != nil {
		t.Fatal(err)
	}
	var want []flow.Record
	for n := 1; n < 10; n++ {
		for at := range n {
			for field := range fields.NumField() {
				if fields.Field(field).Name == "_" {
					continue
				}
				block := slices.Repeat([]flow.Record{usual}, n)
				reflect.ValueOf(&block[at]).Elem().Field(field).Set(reflect.ValueOf(other).Field(field))
				if _, err := s.Append(block); err != nil {
					t.Fatal(err)
				}
				want = append(want, block...)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(Path(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	got, _ := read(t, b)
	for i := range want {
		if len(got) != len(want) || got[i] != want[i] {
			t.Fatalf("record %d of %d came back as another", i, len(want))
		}
	}
}

var mutations = flag.Int("mutations", 300, "how often TestDamage damages a segment")

// A segment that was cut anywhere gives what was whole; a flipped bit costs one block;
// no record is another than it was. What no crash explains is said.
func TestDamage(t *testing.T) {
	path, want := written(t, 5_000)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, last := read(t, append(slices.Clone(b), make([]byte, 100)...))
	if last.Lost != 100 || last.Damaged != 0 {
		t.Errorf("zeros behind the last block: %+v", last)
	}
	r := rand.New(rand.NewPCG(1, uint64(*mutations)))
	for i := range *mutations {
		bad, how := mutate(r, i, slices.Clone(b))
		got, found := read(t, bad)
		if len(got) != found.Records {
			t.Fatalf("%s: %d records came back, %d were told", how, len(got), found.Records)
		}
		next := 0
		for _, g := range got {
			for next < len(want) && want[next] != g {
				next++
			}
			if next == len(want) {
				t.Fatalf("%s: a record came back that was never written, or in another place", how)
			}
			next++
		}
		if missing := len(want) - len(got); missing > 0 && found.Lost == 0 && how != "cut" || missing > 2*MaxBlock && how != "cut" && how != "foreign" {
			t.Errorf("%s: %d of %d records, %+v", how, len(got), len(want), found)
		}
		if how == "foreign" && found.Damaged == 0 || how == "cut" && found.Damaged > 0 {
			t.Errorf("%s: %+v", how, found)
		}
	}
}

func mutate(r *rand.Rand, i int, b []byte) (bad []byte, how string) {
	at := r.IntN(len(b))
	piece := at + r.IntN(min(len(b)-at, 5000)) + 1
	switch i % 7 {
	case 0:
		return b[:at], "cut"
	case 1:
		clear(b[at:piece])
		return b, "zeros"
	case 2:
		return slices.Delete(b, at, min(piece, at+9)), "without a piece"
	case 3:
		return slices.Insert(b, at, b[at:piece]...), "a piece twice"
	case 4:
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b, "foreign"
	default:
		b[at] ^= 1 << r.IntN(8)
		return b, "a bit"
	}
}

func FuzzRead(f *testing.F) {
	path, _ := written(f, 50)
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = Read(bytes.NewReader(b), func([]flow.Record) error { return nil })
	})
}

// BenchmarkEncode is what a record costs in the log, but for the disk.
func BenchmarkEncode(b *testing.B) {
	r := rand.New(rand.NewPCG(5, 5))
	records := make([]flow.Record, MaxBlock)
	at := int64(1795132800e9)
	for i := range records {
		at += int64(r.IntN(1e6))
		records[i] = flow.Record{
			Src: flow.Addr4(0x0a000000 | uint32(r.IntN(12000))), Dst: flow.Addr4(r.Uint32()), Exporter: flow.Addr4(0xc0000201), Received: at, Start: at - int64(r.IntN(60000))*1e6, End: at - int64(r.IntN(1000))*1e6,
			Bytes: uint64(r.IntN(1 << 20)), Packets: uint64(r.IntN(1000)), SrcPort: uint16(r.IntN(1 << 16)), DstPort: 443, TCPFlags: uint16(r.IntN(32)), Proto: 6, Version: 9, Sampling: 1, Domain: 256,
			InIf: uint32(r.IntN(4)), OutIf: uint32(r.IntN(4)), Has: flow.HasStart | flow.HasEnd | flow.HasPorts | flow.HasProto | flow.HasBytes | flow.HasPackets,
		}
	}
	var e encoder
	b.ReportAllocs()
	size := 0
	for b.Loop() {
		size = len(e.encode(records))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/MaxBlock, "ns/flow")
	b.ReportMetric(float64(size)/MaxBlock, "B/flow")
}
