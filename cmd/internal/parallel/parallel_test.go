package parallel

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
)

func TestDo(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 2, 1000} {
		calls := make([]atomic.Int32, n)
		Do(n, func(i int) { calls[i].Add(1) })
		for i := range calls {
			if got := calls[i].Load(); got != 1 {
				t.Errorf("%d of %d: %d calls", i, n, got)
			}
		}
	}
}

func TestSort(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, sortedAtOnce - 1, sortedAtOnce, 5*sortedAtOnce + 3} {
		s := make([]int, n)
		for i := range s {
			s[i] = rnd.IntN(n)
		}
		want := slices.Sorted(slices.Values(s))
		if got := Sort(s, cmp.Compare[int]); !slices.Equal(got, want) {
			t.Errorf("%d numbers are in another order", n)
		}
	}
}
