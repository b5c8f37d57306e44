package intel

import (
	"cmp"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// Rows come in order, whatever they are on and however many there are: each distinct one
// once, and of one prefix the best.
func TestRowsInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	type said struct {
		prefix netip.Prefix
		fact   fact
	}
	for round := range 40 {
		b := NewBuilder("x")
		added := map[said]bool{}
		for range r.IntN(7000) {
			ip := netip.AddrFrom4([4]byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())})
			switch r.IntN(8) {
			case 0:
				ip = randomV6(r)
			case 1, 2:
				ip = netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(2))}) // the same again
			case 3:
				if round%3 == 0 {
					ip = netip.AddrFrom16([16]byte{14: byte(r.Uint32()), 15: byte(r.Uint32())}) // below IPv4
				}
			}
			i := Indicator{Prefix: netip.PrefixFrom(ip, r.IntN(ip.BitLen()+1)), Score: uint8(r.IntN(100)), Port: uint16(r.IntN(3))}
			if r.IntN(2) == 0 {
				i.Prefix = netip.PrefixFrom(ip, ip.BitLen())
			}
			if round%2 == 0 {
				i.Expires = time.Unix(int64(1+r.IntN(1000)), 0)
			}
			b.Add(&i)
			more := 128 - ip.BitLen()
			added[said{i.Prefix.Masked(), fact{expires: packTime(i.Expires), port: i.Port, bits: uint8(i.Prefix.Bits() + more), score: i.Score}}] = true
		}
		want := slices.SortedFunc(maps.Keys(added), func(x, y said) int {
			xhi, xlo, _ := halves(x.prefix.Addr())
			yhi, ylo, _ := halves(y.prefix.Addr())
			return cmp.Or(cmp.Compare(xhi, yhi), cmp.Compare(xlo, ylo), cmp.Compare(x.fact.bits, y.fact.bits), compareFacts(&x.fact, &y.fact))
		})
		run, crowded, kept := 0, 0, want[:0]
		for n, w := range slices.Clone(want) {
			if run++; n == 0 || kept[len(kept)-1].prefix != w.prefix {
				run = 1
			}
			if run > maxReasons {
				crowded++
				continue
			}
			kept = append(kept, w)
		}
		block := b.Block()
		var got []said
		for n := range block.numRows() {
			x := block.row(n)
			got = append(got, said{x.prefix(), *x.fact})
		}
		if !slices.Equal(got, kept) || block.Crowded() != crowded {
			t.Fatalf("round %d: %d rows and %d too many are not the %d and %d in order", round, len(got), block.Crowded(), len(kept), crowded)
		}
	}
}

// What is said of an indicator is kept once, also where neighbours differ.
func TestFactsAreShared(t *testing.T) {
	b := NewBuilder("x")
	for n := range 3000 {
		ip := netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)})
		b.Add(&Indicator{Prefix: netip.PrefixFrom(ip, 25+n%8), Score: uint8(60 + n%3)})
	}
	if n := len(b.Block().facts); n != 24 {
		t.Errorf("%d facts", n)
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

// Alike does what Add does, in whatever order both are called, also when there is no room for
// names any more.
func TestAlike(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 12))
	for _, text := range []int{0, maxNoteText + 1} {
		one, other := NewBuilder("x"), NewBuilder("x")
		one.noteText, other.noteText = text, text
		like := Indicator{Name: "the list", Ref: "https://example.com/", Category: Scanner, Score: 70, Port: 22, LastSeen: time.Unix(1e9, 0)}
		add := other.Alike(&like)
		for n := range 2000 {
			ip := netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(20))})
			if r.IntN(4) == 0 {
				ip = randomV6(r)
			}
			i := like
			i.Prefix = netip.PrefixFrom(ip, ip.BitLen()-r.IntN(2)*8)
			if n == 0 || r.IntN(3) == 0 {
				i.Name = "said beside it"
				one.Add(&i)
				other.Add(&i)
				continue
			}
			one.Add(&i)
			add(i.Prefix)
		}
		want, got := one.Block(), other.Block()
		if want.Unnamed() != got.Unnamed() || (want.Unnamed() > 0) != (text > 0) {
			t.Errorf("%d have no name, want %d", got.Unnamed(), want.Unnamed())
		}
		at := time.Unix(1e9+1000, 0)
		if got, want := slices.Collect(NewSet(got).All(at, nil)), slices.Collect(NewSet(want).All(at, nil)); !slices.Equal(got, want) || len(got) < 500 {
			t.Errorf("%d indicators, want %d", len(got), len(want))
		}
	}
}
