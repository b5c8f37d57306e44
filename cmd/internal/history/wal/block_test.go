package wal

import (
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/bounded"
	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// valuesOf makes n values.
func valuesOf(n int, of func(i int) uint64) []uint64 {
	v := make([]uint64, n)
	for i := range v {
		v[i] = of(i)
	}
	return v
}

// Each way of writing a field is chosen for what it is made for, and gives the values back.
func TestWays(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 7))
	for name, c := range map[string]struct {
		way byte
		of  func(i int) uint64
	}{
		"zeros":                         {zeros, func(int) uint64 { return 0 }},
		"one value":                     {alike, func(int) uint64 { return math.MaxUint64 }},
		"all different":                 {own, func(i int) uint64 { return uint64(i) * 977 }},
		"random":                        {own, func(int) uint64 { return r.Uint64() }},
		"whole milliseconds":            {own, func(int) uint64 { return 1795132800e9 + r.Uint64N(60_000)*1e6 }},
		"one of ten another one":        {others, func(i int) uint64 { return uint64(i%10/9) * r.Uint64() }},
		"the first one another one":     {others, func(i int) uint64 { return min(uint64(i), 1) }},
		"the last one of 1,024 another": {others, func(i int) uint64 { return uint64(i / 1023) }},
		"ten at a time":                 {steps, func(i int) uint64 { return uint64(i/10) * 0x1234567 }},
	} {
		for _, n := range []int{1024, 1000, 64, 63} {
			var e encoder
			v := valuesOf(n, c.of)
			if e.field(v); n == MaxBlock && e.block[0] != c.way {
				t.Errorf("%s: written in way %d, want %d", name, e.block[0], c.way)
			}
			var d decoder
			got, b := make([]uint64, n), bounded.Reader{B: e.block}
			if d.field(&b, got); b.Bad || len(b.B) > 0 || !slices.Equal(got, v) {
				t.Errorf("%s: %d values do not come back: bad %v, %d bytes are left", name, n, b.Bad, len(b.B))
			}
		}
	}
}

// Any values come back, in any number.
func TestFields(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(8, 8))
	var e encoder
	var d decoder
	for range 3000 {
		n, kinds, mask := 1+r.IntN(MaxBlock), 1+r.Uint64N(6), r.Uint64()>>r.IntN(64)
		run := 1 + r.IntN(20)
		last := uint64(0)
		v := valuesOf(n, func(i int) uint64 {
			if r.Uint64N(kinds) == 0 && i%run == 0 {
				last = r.Uint64() & mask
			}
			return last
		})
		e.block = e.block[:0]
		e.field(v)
		got, b := make([]uint64, n), bounded.Reader{B: e.block}
		if d.field(&b, got); b.Bad || len(b.B) > 0 || !slices.Equal(got, v) {
			t.Fatalf("%d values, way %d: bad %v, %d bytes are left", n, e.block[0], b.Bad, len(b.B))
		}
	}
}

// What the version before wrote, blocks that are compressed as a whole, is read.
func TestBlocksOfTheVersionBefore(t *testing.T) {
	t.Parallel()
	var want []flow.Record
	for i := range uint64(100) {
		r := flow.Record{
			Src: flow.Addr4(0xc0000200 + uint32(i%7)), Dst: flow.Addr4(0xc6336400 + uint32(i*i%251)), Exporter: flow.Addr4(0xcb007101),
			Received: 1795132800e9 + int64(i/10)*12345678, Start: 1795132700e9 + int64(i*i*i)*1e6, End: 1795132790e9 + int64(i*i*i)*1e6,
			Bytes: i * i * i * 40, Packets: i, Has: flow.HasStart | flow.HasEnd, Domain: 256, Sampling: 1, SrcPort: uint16(40000 + i*101), DstPort: 443, Proto: 6, Version: 10,
		}
		if i%9 == 0 {
			r.Src, r.NATSrc = flow.Addr{Hi: 0x20010db8_00000000, Lo: i << 40}, flow.Addr4(0xcb007108)
		}
		want = append(want, r)
	}
	b, err := os.ReadFile("testdata/blocks1.wal")
	if err != nil {
		t.Fatal(err)
	}
	if got, found := read(t, b); !slices.Equal(got, want) || found.Lost != 0 {
		t.Errorf("%d records came back of %d, %+v", len(got), len(want), found)
	}
}

// A block whose checksum is right may hold anything: it is read within its bounds.
func FuzzDecode(f *testing.F) {
	r := rand.New(rand.NewPCG(9, 9))
	var e encoder
	for _, n := range []int{1, 64, 100} {
		records := make([]flow.Record, n)
		for i := range records {
			if records[i] = random(r); i%3 > 0 {
				records[i] = records[i-1]
			}
		}
		f.Add(slices.Clone(e.encode(records)[headerSize:]), n, false)
	}
	old, err := os.ReadFile("testdata/blocks1.wal")
	if err != nil {
		f.Fatal(err)
	}
	_, _, first := firstLine(old)
	f.Add(old[first+headerSize:], 60, true)
	f.Fuzz(func(t *testing.T, b []byte, n int, old bool) {
		var d decoder
		records, err := d.decode(nil, n, b, old, fields)
		if err == nil && len(records) != n || err != nil && len(records) != 0 {
			t.Errorf("%d records of %d, %v", len(records), n, err)
		}
	})
}
