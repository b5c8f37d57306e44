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
		list, directory := a.pack()
		b := append(list, directory...)
		got, err := unpack(b, len(directory))
		if err != nil || !slices.Equal(got, a) {
			t.Errorf("%s: %d arrivals came back of %d, %v", name, len(got), len(a), err)
		}
		for range 200 {
			bad, end := slices.Clone(b), len(directory)
			if r.IntN(2) == 0 {
				end = r.IntN(len(b) + 1)
			} else {
				bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
			}
			if got, err := unpack(bad, end); err == nil && !slices.IsSorted(got) {
				t.Fatalf("%s: a damaged list is not in order", name)
			}
		}
	}
	list, directory := random.pack()
	if each := float64(len(list)+len(directory)) / float64(len(random)); each > 2.25 {
		t.Errorf("an arrival takes %.3f bytes", each)
	}
}

// unpack reads a list whose last bytes are its directory.
func unpack(b []byte, directory int) (arrivals, error) {
	t, err := readTimeline(b[len(b)-directory:], 0, func(at *timeBlock) (arrivals, error) {
		if at.offset > int64(len(b)) || at.size > int64(len(b))-at.offset {
			return nil, errArrivals
		}
		return at.unpack(b[at.offset:][:at.size])
	})
	if err != nil {
		return nil, err
	}
	return t.all()
}

// Each arrival is found by its second and its place in it, and by how many lie between it
// and another one, whatever block they stand in, and also in lists of earlier versions.
func TestArrivalsAreFound(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 9))
	a := arrivals{-3e9}
	for range 5 * riceBlock {
		a = append(a, a[len(a)-1]+[]int64{1, 1e6, 3e8, 5e9}[r.IntN(4)])
	}
	list, directory := a.pack()
	read := 0
	blocks, err := readTimeline(directory, 0, func(at *timeBlock) (arrivals, error) {
		read++
		return at.unpack(list[at.offset:][:at.size])
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, times := range []*timeline{blocks, a.whole()} {
		for i, at := range a {
			second := floor(at, 1e9)
			nth := int32(0)
			for nth < int32(i) && floor(a[i-int(nth)-1], 1e9) == second {
				nth++
			}
			if got, err := times.at(second, nth); err != nil || got != at {
				t.Fatalf("arrival %d of %d: %d, want %d, %v", nth, second, got, at, err)
			}
			n := r.IntN(len(a)) - i
			if got, err := times.after(at, int32(n)); err != nil || got != a[i+n] {
				t.Fatalf("%d places after arrival %d: %d, want %d, %v", n, i, got, a[i+n], err)
			}
		}
		if read > len(blocks.blocks) {
			t.Errorf("%d blocks were read %d times", len(blocks.blocks), read)
		}
		for _, nth := range []int32{-1, 1 << 30} { // a file that is damaged in an unknown way
			if got, err := times.at(7, nth); err != nil || got != 7e9 {
				t.Errorf("an arrival that is not there: %d, %v", got, err)
			}
		}
		if got, err := times.after(a[3], 1<<30); err != nil || got != a[3] {
			t.Errorf("an arrival beyond the end: %d, %v", got, err)
		}
	}
}

func FuzzUnpackArrivals(f *testing.F) {
	list, directory := arrivals{1, 2, 90, 1e15}.pack()
	f.Add(append(list, directory...), len(directory))
	f.Fuzz(func(t *testing.T, b []byte, directory int) {
		if directory < 0 || directory > len(b) {
			return
		}
		if a, err := unpack(b, directory); err == nil && !slices.IsSorted(a) {
			t.Error("not in order")
		}
		if a, err := unpackArrivals(b); err == nil && !slices.IsSorted(a) { // of earlier versions
			t.Error("not in order")
		}
	})
}
