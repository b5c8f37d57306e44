package intel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func all(s *Set, wanted func(*Indicator) bool) []Indicator {
	return slices.Collect(s.All(now, wanted))
}

func TestAllYieldsTheBestOfEach(t *testing.T) {
	name := func(d string, score uint8) Indicator { return Indicator{Domain: d, Score: score} }
	url := func(u string) Indicator { return Indicator{URL: u, Score: 60} }
	expired := at("192.0.2.9/32", 99)
	expired.Expires = now
	dying := at("198.51.100.7/32", 99)
	dying.Expires = now.Add(-time.Second)
	s := NewSet(
		block("a", at("198.51.100.7/32", 60), at("198.51.100.0/24", 60), expired, dying, name("bad.example", 60), url("http://bad.example/x")),
		nil,
		block("b", at("198.51.100.7/32", 90), at("198.51.100.7/32", 80), at("198.51.100.0/24", 60), at("2001:db8::/32", 1), at("192.0.2.1/32", 1), name("a.bad.example", 5)),
		block("c", name("bad.example", 61), url("http://bad.example/x"), url("http://bad.example/a")),
	)
	want := []string{
		"b 192.0.2.1/32", "a 198.51.100.0/24", "b 198.51.100.7/32", "b 2001:db8::/32",
		"b a.bad.example", "c bad.example", "c http://bad.example/a", "a http://bad.example/x",
	}
	seq := s.All(now, nil)
	for range 2 {
		if got := said(slices.Collect(seq)); !slices.Equal(got, want) {
			t.Errorf("All = %q\nwant  %q", got, want)
		}
	}
	onlyA := func(i *Indicator) bool { return i.Feed == "a" }
	want = []string{"a 198.51.100.0/24", "a 198.51.100.7/32", "a bad.example", "a http://bad.example/x"}
	if got := said(all(s, onlyA)); !slices.Equal(got, want) {
		t.Errorf("All of a = %q\nwant       %q", got, want)
	}
	for n := range want {
		seen := 0
		for range s.All(now, onlyA) {
			if seen++; seen > n {
				break
			}
		}
	}
	if got := all(nil, nil); got != nil {
		t.Errorf("All of nil = %v", got)
	}
}

// Whichever way the indicators are spread over feeds, All tells what Lookup does.
func TestAllAgreesWithLookup(t *testing.T) {
	list := mixed(rand.New(rand.NewPCG(3, 4)), 3000)
	for i := range list {
		list[i].Score = uint8(i % 101)
	}
	s := NewSet(block("x", list[:1500]...), block("y", list[1000:]...), block("z", list[:100]...))
	got := all(s, nil)
	distinct := map[string]bool{}
	for _, i := range list {
		distinct[i.Prefix.String()] = true
	}
	if len(got) != len(distinct) {
		t.Errorf("%d indicators, want %d", len(got), len(distinct))
	}
	for _, i := range got {
		found := s.Lookup(i.Prefix.Addr(), now)
		x := found[slices.IndexFunc(found, func(x Indicator) bool { return x.Prefix == i.Prefix })]
		if x.Score = x.Combined; x != i {
			t.Fatalf("All says %+v, Lookup %+v", i, x)
		}
	}
}

// BenchmarkAll is one pass over 100,000 indicators in one and in eight feeds.
func BenchmarkAll(b *testing.B) {
	list := mixed(rand.New(rand.NewPCG(1, 2)), 100_000)
	for _, feeds := range []int{1, 8} {
		var blocks []*Block
		for n := range feeds {
			blocks = append(blocks, block("x", list[n*len(list)/feeds:(n+1)*len(list)/feeds]...))
		}
		s := NewSet(blocks...)
		b.Run(fmt.Sprint(feeds), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for range s.All(now, func(*Indicator) bool { return true }) {
				}
			}
		})
	}
}
