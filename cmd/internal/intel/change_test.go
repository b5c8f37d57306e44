package intel

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestSince(t *testing.T) {
	load := func(is ...Indicator) *Block {
		b := NewBuilder("f")
		b.AsOf(now)
		for _, i := range is {
			b.Add(&i)
		}
		return b.Block()
	}
	named := func(i Indicator, name string) Indicator { i.Name = name; return i }
	dated := func(i Indicator, last time.Time) Indicator { i.LastSeen = last; return i }
	expired := func(i Indicator) Indicator { i.Expires = now; return i }
	a, b, wide := at("192.0.2.1/32", 60), at("2001:db8::1/128", 60), at("192.0.2.0/24", 60)
	d, u := Indicator{Domain: "bad.example", Score: 60}, Indicator{URL: "http://bad.example/x", Score: 60}
	for name, tt := range map[string]struct {
		old, new *Block
		want     string
	}{
		"the first":         {nil, load(a, b, d), "3 added"},
		"the same":          {load(a, b, d, u), load(u, d, b, a), "nothing changed"},
		"all gone":          {load(a, b, d, u), load(), "4 removed"},
		"one for another":   {load(a, wide), load(b, wide), "1 added, 1 removed"},
		"a URL for a name":  {load(d), load(u), "1 added, 1 removed"},
		"another score":     {load(a, d), load(at("192.0.2.1/32", 61), Indicator{Domain: "bad.example", Score: 61}), "2 changed"},
		"another name":      {load(named(a, "x")), load(named(a, "y")), "1 changed"},
		"a reason more":     {load(named(a, "x")), load(named(a, "x"), named(a, "y")), "1 changed"},
		"reasons reordered": {load(named(a, "x"), named(a, "y"), b), load(b, named(a, "y"), named(a, "x")), "nothing changed"},
		"seen again":        {load(dated(a, now.Add(-time.Hour))), load(dated(a, now)), "nothing changed"},
		"expired":           {load(a, d), load(expired(a), expired(d)), "2 removed"},
		"still expired":     {load(expired(a)), load(expired(a), b), "1 added"},
	} {
		if got := tt.new.Since(tt.old).String(); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// BenchmarkSince compares a million indicators with a version that lacks every
// hundredth of them.
func BenchmarkSince(b *testing.B) {
	list := mixed(rand.New(rand.NewPCG(1, 2)), 1_000_000)
	var less []Indicator
	for i := range list {
		if i%100 > 0 {
			less = append(less, list[i])
		}
	}
	before, after := block("x", less...), block("x", list...)
	b.ReportAllocs()
	for b.Loop() {
		if after.Since(before).Added == 0 {
			b.Fatal("nothing added")
		}
	}
}
