package intel

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// Rows come in order, whatever they are on and however many there are.
func TestSortedRows(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for round := range 30 {
		var chunks [][]row
		for range r.IntN(4) {
			var chunk []row
			for range 1 + r.IntN(2000) {
				x := row{lo: 0xffff<<32 | uint64(r.Uint32()), fact: fact{bits: uint8(96 + r.IntN(33)), score: uint8(r.IntN(100))}}
				switch r.IntN(8) {
				case 0:
					x.hi, x.lo = r.Uint64(), r.Uint64()
				case 1:
					x.lo = 0xffff<<32 | 0xc0000200 | uint64(r.IntN(4)) // the same again
				case 2:
					if round%3 == 0 {
						x.lo = uint64(r.IntN(1 << 20)) // below IPv4
					}
				}
				chunk = append(chunk, x)
			}
			chunks = append(chunks, chunk)
		}
		want := slices.Concat(chunks...)
		slices.SortFunc(want, compareRows)
		if got := sortedRows(chunks); !slices.Equal(got, want) {
			t.Fatalf("round %d: %d rows are not in order", round, len(got))
		}
	}
}

// Spans are the prefixes of All: those that are live, each once, and of what is allowed
// in part the rest.
func TestSpans(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 10))
	at := time.Date(2026, 6, 7, 12, 0, 0, 0, time.UTC)
	var blocks []*Block
	for _, feed := range []string{"a", "b", "c"} {
		b := NewBuilder(feed)
		for range 500 {
			i := Indicator{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, byte(r.IntN(4)), byte(r.IntN(256))}), 24+r.IntN(9)).Masked(), Score: 60}
			if r.IntN(3) == 0 {
				i.Expires = at.Add(time.Duration(r.IntN(100)-50) * time.Hour)
			}
			b.Add(&i)
		}
		b.Add(&Indicator{Domain: "bad.example"})
		b.Add(&Indicator{Prefix: netip.MustParsePrefix("2001:db8::/32")})
		blocks = append(blocks, b.Block())
	}
	allow := NewAllow(AllowEntry{Prefix: netip.MustParsePrefix("198.51.2.64/26")}, AllowEntry{Prefix: netip.MustParsePrefix("198.51.1.7/32")})
	for _, s := range []*Set{nil, NewSet(), NewSet(blocks...), NewSetExcept(allow, blocks...), Union(NewSet(blocks[0]), NewSet(blocks[1:]...))} {
		var want []Span
		for i := range s.All(at, func(i *Indicator) bool { return i.Prefix.IsValid() }) {
			first := i.Prefix.Addr().As16()
			last := first
			for bit := 128 - i.Prefix.Addr().BitLen() + i.Prefix.Bits(); bit < 128; bit++ {
				last[bit/8] |= 0x80 >> (bit % 8)
			}
			be := binary.BigEndian.Uint64
			want = append(want, Span{be(first[:8]), be(first[8:]), be(last[:8]), be(last[8:])})
		}
		if got := slices.Collect(s.Spans(at)); !slices.Equal(got, want) {
			t.Errorf("%d networks, want %d", len(got), len(want))
		}
	}
}
