package parallel

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
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

// What is written is in order and has all, whatever the pieces; an error ends the writing.
func TestWrite(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 7, 8, 9, WrittenAtOnce*8 + 1, 2*WrittenAtOnce*8 + 100} {
		var out, want bytes.Buffer
		for i := range n {
			fmt.Fprintln(&want, i)
		}
		if err := Write(&out, n, 8, func(b []byte, i int) []byte { return fmt.Appendln(b, i) }); err != nil || out.String() != want.String() {
			t.Errorf("%d numbers: %v, %q", n, err, out.String())
		}
	}
	full := errors.New("full")
	if err := Write(failing{full}, 100, 8, func(b []byte, _ int) []byte { return append(b, 'x') }); !errors.Is(err, full) {
		t.Errorf("%v, want %v", err, full)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
