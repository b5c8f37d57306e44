package table

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

func ranges(t testing.TB, text ...any) (out []Range[uint16]) {
	t.Helper()
	for i := 0; i < len(text); i += 2 {
		p := netip.MustParsePrefix(text[i].(string))
		out = append(out, Range[uint16]{p.Masked().Addr(), last(p), uint16(text[i+1].(int))})
	}
	return out
}

func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < 8*len(b); bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func TestLookup(t *testing.T) {
	table := New(ranges(t,
		"10.0.0.0/8", 1, "10.1.0.0/16", 2, "10.1.2.0/24", 3, "255.255.255.255/32", 4, "0.0.0.0/32", 5,
		"2000::/3", 6, "2a00::/12", 7, "2a00:1234::/32", 8, "2a00:1234:5678:9abc::/64", 9, "ffff:ffff:ffff:ffff::/64", 10, "::/64", 11,
	))
	for text, want := range map[string]uint16{
		"9.255.255.255": 0, "10.0.0.0": 1, "10.0.255.255": 1, "10.1.0.0": 2, "10.1.2.3": 3, "10.1.3.0": 2, "10.255.255.255": 1, "11.0.0.0": 0,
		"255.255.255.255": 4, "255.255.255.254": 0, "0.0.0.0": 5, "0.0.0.1": 0,
		"2001:db8::1": 6, "3fff::1": 6, "4000::": 0, "1fff::1": 0, "2a00::1": 7, "2a0f:ffff::1": 7, "2a10::": 6, "2a00:1234::1": 8,
		"2a00:1234:5678:9abc:1::": 9, "2a00:1234:5678:9abd::": 8, "ffff:ffff:ffff:ffff:ffff::": 10, "ffff:ffff:ffff:fffe::": 0, "::1": 11, "0:0:0:1::": 0,
		"::ffff:10.1.2.3": 3,
	} {
		if got := table.Lookup(flow.AddrFrom(netip.MustParseAddr(text))); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
	empty := New[uint32](nil)
	for _, text := range []string{"0.0.0.0", "255.255.255.255", "::1", "ffff::"} {
		if got := empty.Lookup(flow.AddrFrom(netip.MustParseAddr(text))); got != 0 {
			t.Errorf("empty: %s is %d", text, got)
		}
	}
}

// TestAgainstTheObvious holds tables of random ranges, which overlap, against a search
// from the last range to the first.
func TestAgainstTheObvious(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var list []Range[uint16]
		for range random.IntN(30) {
			a, b := flow.Addr4(uint32(random.IntN(1<<9))<<14), flow.Addr4(uint32(random.IntN(1<<9))<<14|0x3fff)
			if random.IntN(2) == 0 {
				a, b = flow.Addr{Hi: uint64(random.IntN(1<<9)) << 46}, flow.Addr{Hi: uint64(random.IntN(1<<9))<<46 | 0xff, Lo: ^uint64(0)}
			}
			list = append(list, Range[uint16]{a.IP(), b.IP(), uint16(random.IntN(4))})
		}
		table := New(list)
		again := New(table.Ranges())
		for range 300 {
			a := flow.Addr4(uint32(random.IntN(1 << 23)))
			if random.IntN(2) == 0 {
				a = flow.Addr{Hi: uint64(random.IntN(1<<14))<<41 | uint64(random.IntN(512)), Lo: 1}
			}
			want := uint16(0)
			for _, r := range slices.Backward(list) {
				if ip := a.IP(); r.First.Is4() == ip.Is4() && r.First.Compare(ip) <= 0 && ip.Compare(r.Last) <= 0 {
					want = r.Value
					break
				}
			}
			if got := table.Lookup(a); got != want || again.Lookup(a) != want {
				t.Fatalf("%s: %d, and %d by its own ranges, want %d: %v", a, got, again.Lookup(a), want, list)
			}
		}
	}
}

func TestNewLeavesOutWhatIsNoRange(t *testing.T) {
	a, b, six := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("2001:db8::")
	table := New([]Range[uint16]{{b, a, 1}, {a, six, 2}, {netip.Addr{}, a, 3}, {a, netip.Addr{}, 4}})
	if four, others := table.Len(); four != 1 || others != 1 {
		t.Errorf("%d and %d boundaries", four, others)
	}
}

func file(t testing.TB) *File[uint16] {
	return &File[uint16]{
		Date: "2026-06-01", Source: "test",
		Table: New(ranges(t, "10.0.0.0/8", 1, "10.1.0.0/16", 2, "192.0.2.0/24", 40000, "2001:db8::/32", 1, "2001:db8:1::/48", 3)),
		Names: NewNames(map[uint16]string{1: "one", 2: "two\nlines", 40000: "many"}),
	}
}

func TestCodec(t *testing.T) {
	f := file(t)
	packed, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode[uint16](packed)
	if err != nil {
		t.Fatal(err)
	}
	if got.Date != f.Date || got.Source != f.Source || !slices.Equal(got.Table.Ranges(), f.Table.Ranges()) {
		t.Errorf("got %+v", got)
	}
	for v, want := range map[uint16]string{0: "", 1: "one", 2: "two lines", 3: "", 40000: "many", 7: ""} {
		if name := got.Names.Of(v); name != want {
			t.Errorf("%d is called %q, want %q", v, name, want)
		}
	}
	if string(got.Content()) != string(f.Content()) {
		t.Error("the content is another after reading it")
	}
	if over := got.Table.With(ranges(t, "10.1.0.0/24", 9)); over.Lookup(flow.Addr4(0x0a010001)) != 9 || over.Lookup(flow.Addr4(0x0a010101)) != 2 {
		t.Error("with more, another range is found")
	}
	if date, source, err := About(packed); date != f.Date || source != f.Source || err != nil {
		t.Errorf("it is of %q from %q: %v", date, source, err)
	}
	if _, _, err := About(packed[:8]); err == nil {
		t.Error("the beginning of a table is one")
	}
}

func FuzzDecode(f *testing.F) {
	packed, err := file(f).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Add([]byte{})
	f.Fuzz(func(_ *testing.T, b []byte) {
		if got, err := Decode[uint16](b); err == nil {
			got.Table.Lookup(flow.Addr4(0x0a010203))
			got.Names.Of(1)
		}
	})
}

// FuzzContent damages what the compressor hides.
func FuzzContent(f *testing.F) {
	f.Add(file(f).Content())
	f.Fuzz(func(_ *testing.T, content []byte) {
		if got, err := decodeContent[uint16](content); err == nil {
			got.Table.Lookup(flow.Addr{Hi: 0x20010db8 << 32})
		}
	})
}
