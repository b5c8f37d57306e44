package column

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Lists of arrivals of any kind come back, and those of datagrams that come at random take
// little.
func TestArrivalsArePacked(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	at := func(n int, gap func() int64) arrivals {
		a := arrivals{1_795_132_800e9}
		for range n {
			a = append(a, a[len(a)-1]+gap())
		}
		return a
	}
	random := at(100_000, func() int64 { return 1 + int64(r.ExpFloat64()*66_000) })
	for name, a := range map[string]arrivals{
		"none": nil, "one": {7}, "before 1970": {-5, -3, 0, 9}, "as far as can be": {math.MinInt64, -1, math.MaxInt64}, "random": random,
		"a datagram a minute": at(3000, func() int64 { return 60e9 + int64(r.IntN(1e9)) }), "one by one": at(1000, func() int64 { return 1 }),
		"bursts": at(3000, func() int64 { return []int64{1, 3600e9, 86400e9 * 40}[r.IntN(3)] }),
	} {
		b := a.pack()
		got, err := unpackArrivals(b)
		if err != nil || !slices.Equal(got, a) {
			t.Errorf("%s: %d arrivals came back of %d, %v", name, len(got), len(a), err)
		}
		for range 200 {
			bad := slices.Clone(b)
			if r.IntN(2) == 0 {
				bad = bad[:r.IntN(len(bad))]
			} else {
				bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
			}
			if got, err := unpackArrivals(bad); err == nil && !slices.IsSorted(got) {
				t.Fatalf("%s: a damaged list is not in order", name)
			}
		}
	}
	if each := float64(len(random.pack())) / float64(len(random)); each > 2.25 {
		t.Errorf("an arrival takes %.3f bytes", each)
	}
}

func FuzzUnpackArrivals(f *testing.F) {
	f.Add(arrivals{1, 2, 90, 1e15}.pack())
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := unpackArrivals(b); err == nil && !slices.IsSorted(a) {
			t.Error("not in order")
		}
	})
}
